/* The first process of QEMU's own world: starts it, waits for it, says how it ended. */
#pragma once
#include "namespaces.h"
#include <stdbool.h>
#include <sys/types.h>

enum { MOST_LIMITS = 8 };

struct start {
    char **program;       /* and its arguments */
    uid_t uid;
    gid_t group;
    bool apart;           /* in namespaces of its own */
    bool networked;       /* but for the network */
    struct view view;
    const char *apparmor; /* the profile it is to run under, or NULL */
    const char *limits[MOST_LIMITS]; /* ends with NULL */
    int log;              /* what it writes to 1 and 2 */
};

/*
 * Starts it, as a child of the new process it returns, which ends when QEMU has ended, and before when the caller has.
 * executed: gets QEMU's pid as the host knows it, then what went wrong; closed without more once it is executed.
 * ended: gets QEMU's siginfo_t.
 */
pid_t start_qemu(const struct start *start, int executed, int ended);
