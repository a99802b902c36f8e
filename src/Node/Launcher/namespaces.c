#define _GNU_SOURCE
#include "namespaces.h"
#include "fail.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { APART = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS, READ_ONLY = MS_RDONLY | MS_NOSUID | MS_NODEV };

/*
 * Programs and libraries, and of /etc only where the libraries lie. QEMU asks for nothing of /sys, /run and /var: its sockets,
 * disks, kernels and TAP devices come as descriptors, huge pages from memfd_create(2), its own firmware lies under /usr.
 */
static const char *const PROGRAMS[] = {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"};
static const char *const DEVICES[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"};
static const char LIBRARIES[] = "/etc/ld.so.cache";

/* The new tree grows in a folder of the tmpfs, and that folder becomes the root in the end. */
static const char TREE[] = "tree";

pid_t fork_apart(bool apart, bool networked)
{
    if (!apart)
        return fork();
    unsigned long namespaces = networked ? APART & ~(unsigned long)CLONE_NEWNET : APART;
    pid_t child = (pid_t)syscall(SYS_clone, namespaces | CLONE_NEWCGROUP | SIGCHLD, 0, 0, 0, 0);
    if (child < 0 && errno == EINVAL) /* a kernel without cgroups knows no namespaces of them */
        child = (pid_t)syscall(SYS_clone, namespaces | SIGCHLD, 0, 0, 0, 0);
    if (child < 0)
        fail("namespaces cannot be made: %s\n", strerror(errno));
    return child;
}

/* Makes the folders above path in the new tree and says where there path is. */
static const char *place(const char *path)
{
    static char there[4200];
    if (snprintf(there, sizeof there, "%s%s", TREE, path) >= (int)sizeof there)
        fail("the path %s is too long\n", path);
    for (char *slash = strchr(there, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(there, 0755) != 0 && errno != EEXIST)
            fail("%s: %s\n", there, strerror(errno));
        *slash = '/';
    }
    return there;
}

static void show(const char *path, unsigned long flags)
{
    const char *there = place(path);
    struct stat is;
    if (stat(path, &is) != 0)
        fail("%s: %s\n", path, strerror(errno));
    int made = S_ISDIR(is.st_mode) ? mkdir(there, 0755) : mknod(there, S_IFREG | 0600, 0);
    if ((made != 0 && errno != EEXIST) || mount(path, there, NULL, MS_BIND, NULL) != 0 ||
        mount(NULL, there, NULL, MS_BIND | MS_REMOUNT | flags, NULL) != 0)
        fail("%s cannot be shown: %s\n", path, strerror(errno));
}

/* A folder as such; where /usr holds it and a link leads there, the link. */
static void show_programs(const char *path)
{
    struct stat is;
    char target[256];
    if (lstat(path, &is) != 0)
        return;
    ssize_t length = S_ISLNK(is.st_mode) ? readlink(path, target, sizeof target - 1) : 0;
    if (length <= 0)
        show(path, READ_ONLY);
    else {
        target[length] = 0;
        if (symlink(target, place(path)) != 0)
            fail("%s: %s\n", path, strerror(errno));
    }
}

static bool is_shown(const char *program)
{
    for (size_t i = 0; i < sizeof PROGRAMS / sizeof *PROGRAMS; i++) {
        size_t length = strlen(PROGRAMS[i]);
        if (!strncmp(program, PROGRAMS[i], length) && program[length] == '/')
            return true;
    }
    return false;
}

void enter(const struct view *view)
{
    mode_t mask = umask(0);
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", view->at, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755,size=64k,nr_inodes=256") != 0 || chdir(view->at) != 0)
        fail("a file system of its own cannot be made: %s\n", strerror(errno));

    for (size_t i = 0; i < sizeof PROGRAMS / sizeof *PROGRAMS; i++)
        show_programs(PROGRAMS[i]);
    for (size_t i = 0; i < sizeof DEVICES / sizeof *DEVICES; i++)
        show(DEVICES[i], MS_RDONLY | MS_NOSUID | MS_NOEXEC);
    for (const char *const *device = view->devices; *device; device++)
        show(*device, MS_RDONLY | MS_NOSUID | MS_NOEXEC);
    if (access(LIBRARIES, R_OK) == 0)
        show(LIBRARIES, READ_ONLY | MS_NOEXEC);
    if (!is_shown(view->program))
        show(view->program, READ_ONLY);
    if (view->writable)
        show(view->writable, MS_NOSUID | MS_NODEV | MS_NOEXEC);

    /* Only processes, of these only its own, and nothing to be set. (A kernel before 5.8 cannot leave the rest out.) */
    const unsigned long proc = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
    const char *processes = place("/proc");
    if ((mkdir(processes, 0755) != 0 && errno != EEXIST) ||
        (mount("proc", processes, "proc", proc, "hidepid=2,subset=pid") != 0 && mount("proc", processes, "proc", proc, "hidepid=2") != 0))
        fail("/proc cannot be made: %s\n", strerror(errno));
    if (symlink("/proc/self/fd", place("/dev/fd")) != 0)
        fail("/dev/fd: %s\n", strerror(errno));

    /* The second pivot_root(2) idiom of its manual: the old root comes to lie over the new one and is let go. */
    if (syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 ||
        mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0)
        fail("the host's files cannot be left: %s\n", strerror(errno));

    /* A process whose root is not that of its mount namespace may make no user namespace, and so can never be root again in one. */
    if (chroot(TREE) != 0 || chdir("/") != 0 || sethostname("guest", 5) != 0)
        fail("the new root: %s\n", strerror(errno));
    umask(mask);
}
