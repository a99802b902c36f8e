/* The guest's TPM: swtpm, beside QEMU and under a user of its own. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

/*
 * Starts swtpm as that user on the folder of its state, hands QEMU the other end of its control channel, and returns
 * its pid. Where it is to be apart it sees, of all files of the host, only that folder (at is as in struct view). It ends with the supervisor, and by itself when QEMU has let go of the channel. Its words go to log.
 */
pid_t start_tpm(uid_t uid, const char *state, const char *at, bool apart, int log);
