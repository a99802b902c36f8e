/* What is given up for good before QEMU is started. */
#pragma once
#include <sys/types.h>

/* Becomes that user, with that one group (0 for none), without any capability or the way back to one. */
void drop_privileges(uid_t uid, gid_t group);

/* Dies with the parent of that pidfd, at once when that has ended already. A change of user would clear it, so it comes after that. */
void end_with(int parent);

/* From "NAME=NUMBER" (nofile, nproc, memlock): what the process and its children may have at most. */
void limit(const char *what);

/* This process, and all it starts, become members of that control group. */
void join_cgroup(const char *directory);

/* When memory runs out the guest goes before the host's own services; the daemon's protection is not inherited. */
void spare_the_host(void);
