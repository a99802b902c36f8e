/* What is given up for good before QEMU is started. */
#pragma once
#include <sys/types.h>

/* Becomes that user, with that one group (0 for none), without any capability or the way back to one. */
void drop_privileges(uid_t uid, gid_t group);

/* When memory runs out the guest goes before the host's own services; the daemon's protection is not inherited. */
void spare_the_host(void);
