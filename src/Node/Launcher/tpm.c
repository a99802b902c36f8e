#define _GNU_SOURCE
#include "tpm.h"
#include "confine.h"
#include "descriptors.h"
#include "fail.h"
#include "namespaces.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { CONTROL_FD = 3 };

static void become_tpm(uid_t uid, const char *state, const char *at, bool apart, int control, int log, int supervisor)
{
    char where[4200], *program[] = {
        "/usr/bin/swtpm", "socket", "--tpm2", "--terminate", "--tpmstate", where, "--ctrl", "type=unixio,clientfd=3", NULL};
    char *environment[] = {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", NULL};

    /* In swtpm's options a comma separates and cannot be meant. */
    if (strchr(state, ',') || snprintf(where, sizeof where, "dir=%s,mode=0600", state) >= (int)sizeof where)
        fail("the TPM's folder %s has a comma in its name or is too long\n", state);

    struct view view = {.at = at, .program = program[0], .writable = state};
    if (apart)
        enter(&view);
    drop_privileges(uid, 0);
    end_with(supervisor);
    signal(SIGPIPE, SIG_DFL);
    if (dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0 || dup2(control, CONTROL_FD) < 0 ||
        syscall(SYS_close_range, CONTROL_FD + 1, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */) != 0)
        fail("descriptors of the TPM: %s\n", strerror(errno));
    execve(program[0], program, environment);
    fail("%s: %s\n", program[0], strerror(errno));
}

pid_t start_tpm(uid_t uid, const char *state, const char *at, bool apart, int log)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        fail("socket of the TPM: %s\n", strerror(errno));
    int qemu = own(ends[0], "socket"), control = own(ends[1], "socket");
    int supervisor = own((int)syscall(SYS_pidfd_open, getpid(), 0), "pidfd");
    pid_t tpm = fork_apart(apart, false);
    if (tpm < 0)
        fail("fork: %s\n", strerror(errno));
    if (tpm == 0) {
        become_tpm(uid, state, at, apart, control, log, supervisor);
        _exit(1);
    }

    close(supervisor);
    close(control);
    hand(TPM_FD, qemu);
    return tpm;
}
