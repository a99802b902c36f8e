#define _GNU_SOURCE
#include "init.h"
#include "confine.h"
#include "descriptors.h"
#include "fail.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The host's /proc knows the process by the host's number, wherever it lives. */
static void tell_pid(int host_proc, int executed)
{
    char number[16];
    ssize_t length = readlinkat(host_proc, "self", number, sizeof number - 1);
    if (length <= 0 || write(executed, number, (size_t)length) != length || write(executed, "\n", 1) != 1)
        fail("/proc: %s\n", strerror(errno));
}

/* AppArmor changes to the profile at the next exec of the process that asks; older kernels have one place for all such modules. */
static void ask_for_profile(int host_proc, const char *profile)
{
    char wish[256];
    int length = snprintf(wish, sizeof wish, "exec %s", profile);
    int fd = openat(host_proc, "self/attr/apparmor/exec", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        fd = openat(host_proc, "self/attr/exec", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || length >= (int)sizeof wish || write(fd, wish, (size_t)length) != length)
        fail("the AppArmor profile %s cannot be taken: %s\n", profile, strerror(errno));
    close(fd);
}

/* In QEMU's process. Returns only when it could not be executed. */
static void become(const struct start *start, int host_proc, int init, int executed)
{
    end_with(init);
    tell_pid(host_proc, executed);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigset_t nothing;
    sigemptyset(&nothing);
    sigprocmask(SIG_SETMASK, &nothing, NULL);

    if (dup2(start->log, STDOUT_FILENO) < 0 || dup2(start->log, STDERR_FILENO) < 0 || !place_handed())
        return;
    if (start->apparmor)
        ask_for_profile(host_proc, start->apparmor);

    /* Nothing of the daemon's environment: it may hold the password of its database. */
    char *environment[] = {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", NULL};
    execve(start->program[0], start->program, environment);
}

pid_t start_qemu(const struct start *start, int executed, int ended)
{
    int supervisor = own((int)syscall(SYS_pidfd_open, getpid(), 0), "pidfd");
    int host_proc = own(open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "/proc");
    pid_t init = fork_apart(start->apart, start->networked);
    if (init < 0)
        fail("fork: %s\n", strerror(errno));
    if (init > 0) {
        close(supervisor);
        close(host_proc);
        return init;
    }

    report = executed;
    prctl(PR_SET_NAME, "gantry-init", 0, 0, 0);
    if (start->apart)
        enter(&start->view);
    for (const char *const *what = start->limits; *what; what++)
        limit(*what);
    drop_privileges(start->uid, start->group);
    end_with(supervisor);

    int self = own((int)syscall(SYS_pidfd_open, getpid(), 0), "pidfd");
    pid_t qemu = fork();
    if (qemu < 0)
        fail("fork: %s\n", strerror(errno));
    if (qemu == 0) {
        become(start, host_proc, self, executed);
        fail("%s: %s\n", start->program[0], strerror(errno));
    }

    /* What was opened for QEMU and for the supervisor is not for this one. */
    syscall(SYS_close_range, 0, ended - 1, 0);
    syscall(SYS_close_range, ended + 1, ~0U, 0);

    /* Whatever else dies in its world is its child in the end. */
    siginfo_t end = {0};
    while (waitid(P_ALL, 0, &end, WEXITED) == 0 && end.si_pid != qemu)
        ;
    _exit(write(ended, &end, sizeof end) != sizeof end);
}
