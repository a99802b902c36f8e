/* The guest's TPM: swtpm, beside QEMU and under a user of its own. */
#pragma once
#include <sys/types.h>

/*
 * Starts swtpm as that user on the folder of its state, hands QEMU the other end of its control channel, and returns
 * its pid. It ends with the supervisor, and by itself when QEMU has let go of the channel. Its words go to log.
 */
pid_t start_tpm(uid_t uid, const char *state, int log);
