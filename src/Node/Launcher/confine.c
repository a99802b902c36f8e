#define _GNU_SOURCE
#include "confine.h"
#include "fail.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

void drop_privileges(uid_t uid, gid_t group)
{
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0)
            fail("capability %d cannot be dropped: %s\n", capability, strerror(errno));

    if (setgroups(group != 0, &group) != 0 || setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0)
        fail("cannot become user %u: %s\n", uid, strerror(errno));

    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
    struct rlimit no_core = {0, 0};
    if (syscall(SYS_capset, &header, none) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || setrlimit(RLIMIT_CORE, &no_core) != 0)
        fail("cannot give up privileges: %s\n", strerror(errno));
    if (setresuid(0, 0, 0) == 0)
        fail("user %u could become root again\n", uid);
}

void end_with(int parent)
{
    struct pollfd ended = {.fd = parent, .events = POLLIN};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || poll(&ended, 1, 0) != 0)
        _exit(1);
}

void limit(const char *what)
{
    static const struct { const char *name; int resource; } known[] = {
        {"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC}, {"memlock", RLIMIT_MEMLOCK}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t length = strlen(known[i].name);
        struct rlimit now;
        if (strncmp(what, known[i].name, length) != 0 || what[length] != '=')
            continue;

        /* In a container root itself may be unable to raise a limit. */
        rlim_t wanted = strtoull(what + length + 1, NULL, 10);
        if (getrlimit(known[i].resource, &now) != 0)
            fail("%s: %s\n", what, strerror(errno));
        struct rlimit limit = {wanted, wanted};
        if (setrlimit(known[i].resource, &limit) != 0) {
            limit.rlim_cur = limit.rlim_max = wanted < now.rlim_max ? wanted : now.rlim_max;
            if (setrlimit(known[i].resource, &limit) != 0)
                fail("%s: %s\n", what, strerror(errno));
        }
        return;
    }
    fail("%s is not nofile=, nproc= or memlock=NUMBER\n", what);
}

void join_cgroup(const char *directory)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/cgroup.procs", directory);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1)
        fail("the cgroup %s cannot be joined: %s\n", directory, strerror(errno));
    close(fd);
}

void spare_the_host(void)
{
    int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (score < 0 || write(score, "300", 3) != 3)
        fail("oom_score_adj: %s\n", strerror(errno));
    close(score);
}
