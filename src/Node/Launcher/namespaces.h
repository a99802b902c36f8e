/* The world QEMU lives in: a file system, processes, a network, a host name and System V objects of its own. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

enum { MOST_SHOWN = 16 };

/* What of the host is seen there beside its programs and libraries. */
struct view {
    const char *at;                  /* a directory of root's; only the child sees what becomes of it */
    const char *program;             /* to be executed: shown where it lies */
    const char *writable;            /* a directory, or NULL */
    const char *devices[MOST_SHOWN]; /* such as /dev/kvm; ends with NULL */
};

/* Like fork(2), the child in namespaces of its own where it is to be apart; the network is the caller's where it is to be networked. */
pid_t fork_apart(bool apart, bool networked);

/* In that child, still as root: makes what is to be seen its root. Nothing of the host's own tree can be reached afterwards. */
void enter(const struct view *view);
