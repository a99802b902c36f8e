/*
 * gantry-launch starts QEMU outside the daemon's lifetime and watches over it.
 *
 * It runs as root only long enough to open what QEMU itself must not be able to open. Then it leaves the daemon's
 * session, becomes the instance's own user without any privilege, starts QEMU with fixed descriptors, and stays as
 * its parent: it keeps the serial line and QEMU's own words in files of bounded size, and at the end writes how
 * QEMU ended. All these files were opened by root in directories of root: the guest's user can neither replace
 * them nor reach anything beside them.
 *
 *   gantry-launch --uid N [--group N] --run DIR --serial FILE --log FILE -- PROGRAM ARGUMENT...
 *
 *   --group   the one supplementary group QEMU keeps (the owner of /dev/kvm)
 *   --run     gets qmp.sock, pids ("QEMU-PID START SUPERVISOR-PID START BOOT": field 22 of /proc/PID/stat and the
 *             kernel's boot_id, which together name one process for ever)
 *             and, at the end, exit ("exit CODE" or "signal NUMBER")
 *
 * QEMU finds: 0 /dev/null, 1 and 2 its log, 3 the listening QMP socket, 4 its end of the serial line.
 * Ends with 0 when QEMU was executed; else with 1 and a sentence on stderr, and nothing is left running.
 *
 * QEMU dies with this supervisor (PR_SET_PDEATHSIG): unwatched, it would stall on a full serial line and nobody
 * would learn how it ended.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { QMP_FD = 3, SERIAL_FD = 4, FIRST_FREE_FD = 5, OWN_FDS = 10 };
enum { SERIAL_LIMIT = 4 << 20, LOG_LIMIT = 256 << 10 };

static int report = STDERR_FILENO; /* where a failure is told: stderr, in the supervisor a pipe to the launcher */

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vdprintf(report, format, arguments);
    va_end(arguments);
    _exit(1);
}

/* Moves a descriptor out of the way of the fixed numbers; it never reaches QEMU. */
static int own(int fd, const char *what)
{
    int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, OWN_FDS);
    if (high < 0)
        fail("%s: %s\n", what, strerror(errno));
    close(fd);
    return high;
}

static int open_in(const char *directory, const char *name, int flags)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path)
        fail("the path of %s is too long\n", name);
    return own(open(path, flags | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), path);
}

static int listen_on(const char *directory, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", directory, name);
    if (length >= (int)sizeof address.sun_path)
        fail("the socket path %s/%s has %d bytes, Linux allows 107: choose a shorter root\n", directory, name, length);

    unlink(address.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 16) != 0)
        fail("%s: %s\n", address.sun_path, strerror(errno));
    return own(fd, name);
}

/* A file that holds the last of what was written: never more than its limit, and at least half of it once it was full. */
struct kept_file {
    int fd;
    off_t size, limit;
};

static struct kept_file keep_in(const char *path, off_t limit, int flags)
{
    struct kept_file file = {.fd = own(open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0600), path), .limit = limit};
    file.size = lseek(file.fd, 0, SEEK_END);
    return file;
}

static void keep(struct kept_file *file, const char *bytes, size_t count)
{
    if (file->size + (off_t)count > file->limit) {
        /* The newer half moves to the front. A reader at that very moment may see parts of both; it only reads text. */
        char block[16384];
        off_t from = file->size - file->limit / 2, to = 0;
        ssize_t got;
        while ((got = pread(file->fd, block, sizeof block, from + to)) > 0 && pwrite(file->fd, block, (size_t)got, to) == got)
            to += got;
        file->size = ftruncate(file->fd, to) == 0 ? to : 0;
    }

    /* On a full disk the output is lost; the guest goes on. */
    ssize_t written = pwrite(file->fd, bytes, count, file->size);
    file->size += written > 0 ? written : 0;
}

/* False when the other end is closed. */
static bool pump(int fd, struct kept_file *file)
{
    char bytes[16384];
    ssize_t got = read(fd, bytes, sizeof bytes);
    if (got > 0)
        keep(file, bytes, (size_t)got);
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

static void drop_privileges(uid_t uid, gid_t group)
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

/* When memory runs out the guest goes before the host's own services; the daemon's protection is not inherited. */
static void spare_the_host(void)
{
    int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (score < 0 || write(score, "300", 3) != 3)
        fail("oom_score_adj: %s\n", strerror(errno));
    close(score);
}

/* In QEMU's process. Returns only when it could not be executed. */
static void become(char **program, pid_t supervisor, int qmp, int serial, int log)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != supervisor)
        _exit(1);

    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigset_t nothing;
    sigemptyset(&nothing);
    sigprocmask(SIG_SETMASK, &nothing, NULL);

    if (dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0 || dup2(qmp, QMP_FD) < 0 || dup2(serial, SERIAL_FD) < 0 ||
        syscall(SYS_close_range, FIRST_FREE_FD, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */) != 0)
        return;

    /* Nothing of the daemon's environment: it may hold the password of its database. */
    char *environment[] = {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", NULL};
    execve(program[0], program, environment);
}

/* Field 22 of /proc/PID/stat: with the pid it names one process for ever. The name in field 2 may hold anything but ends with the last ')'. */
static unsigned long long start_of(pid_t pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    close(fd);
    text[got < 0 ? 0 : got] = 0;
    const char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at, NULL, 10) : 0;
}

static void watch(pid_t qemu, int pidfd, int serial, struct kept_file *serial_file, int log, struct kept_file *log_file, int exit_file)
{
    struct pollfd on[] = {{.fd = pidfd, .events = POLLIN}, {.fd = serial, .events = POLLIN}, {.fd = log, .events = POLLIN}};
    while (!(on[0].revents & POLLIN)) {
        if (poll(on, 3, -1) < 0 && errno != EINTR)
            break;
        if (on[1].revents && !pump(serial, serial_file))
            on[1].fd = -1;
        if (on[2].revents && !pump(log, log_file))
            on[2].fd = -1;
    }

    /* What was still under way; bounded by what a pipe and a socket can hold. */
    for (int i = 0; i < 64; i++) {
        pump(serial, serial_file);
        pump(log, log_file);
    }

    siginfo_t end;
    if (waitid(P_PID, (id_t)qemu, &end, WEXITED) == 0)
        dprintf(exit_file, "%s %d\n", end.si_code == CLD_EXITED ? "exit" : "signal", end.si_status);
}

int main(int argc, char **argv)
{
    const char *run = NULL, *serial_path = NULL, *log_path = NULL;
    long uid = 0, group = 0;
    int i = 1;
    for (; i + 1 < argc && strcmp(argv[i], "--") != 0; i += 2) {
        if (!strcmp(argv[i], "--uid")) uid = atol(argv[i + 1]);
        else if (!strcmp(argv[i], "--group")) group = atol(argv[i + 1]);
        else if (!strcmp(argv[i], "--run")) run = argv[i + 1];
        else if (!strcmp(argv[i], "--serial")) serial_path = argv[i + 1];
        else if (!strcmp(argv[i], "--log")) log_path = argv[i + 1];
        else fail("unknown argument %s\n", argv[i]);
    }
    if (uid <= 0 || !run || !serial_path || !log_path || i + 1 >= argc)
        fail("usage: gantry-launch --uid N [--group N] --run DIR --serial FILE --log FILE -- PROGRAM ARGUMENT...\n");
    char **program = argv + i + 1;

    umask(077);
    syscall(SYS_close_range, 3, ~0U, 0);
    signal(SIGPIPE, SIG_IGN);

    int qmp = listen_on(run, "qmp.sock");
    int pids = open_in(run, "pids", O_WRONLY | O_TRUNC);
    int exit_file = open_in(run, "exit", O_WRONLY | O_TRUNC);
    struct kept_file serial_file = keep_in(serial_path, SERIAL_LIMIT, 0);
    struct kept_file log_file = keep_in(log_path, LOG_LIMIT, O_TRUNC);
    char boot[37] = "";
    int boot_id = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (boot_id < 0 || read(boot_id, boot, 36) != 36)
        fail("boot_id: %s\n", strerror(errno));
    close(boot_id);
    spare_the_host();
    int null = own(open("/dev/null", O_RDWR | O_CLOEXEC), "/dev/null");

    int news[2], serial[2], log[2], executed[2];
    if (pipe2(news, O_CLOEXEC) != 0 || pipe2(log, O_CLOEXEC) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, serial) != 0)
        fail("pipes: %s\n", strerror(errno));
    for (int end = 0; end < 2; end++) {
        news[end] = own(news[end], "pipe");
        log[end] = own(log[end], "pipe");
        serial[end] = own(serial[end], "socket");
    }

    /* Twice, so that the supervisor leads no session and could never get a controlling terminal. */
    pid_t first = fork();
    if (first < 0)
        fail("fork: %s\n", strerror(errno));
    if (first > 0) {
        char message[2048];
        size_t length = 0;
        ssize_t got;
        close(news[1]);
        while (length < sizeof message && (got = read(news[0], message + length, sizeof message - length)) > 0)
            length += (size_t)got;
        waitpid(first, NULL, 0);
        if (length == 2 && memcmp(message, "ok", 2) == 0)
            return 0;
        if (length == 0)
            fail("the supervisor ended before QEMU was started\n");
        fail("%.*s", (int)length, message);
    }

    report = news[1];
    close(news[0]);
    if (setsid() < 0 || chdir("/") != 0)
        fail("setsid: %s\n", strerror(errno));
    pid_t second = fork();
    if (second != 0)
        _exit(second < 0);

    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    prctl(PR_SET_NAME, "gantry-watch", 0, 0, 0);
    drop_privileges((uid_t)uid, (gid_t)group);

    /* Made only now: its end is seen when nobody but QEMU holds the writing side. */
    if (pipe2(executed, O_CLOEXEC) != 0)
        fail("pipe: %s\n", strerror(errno));
    executed[1] = own(executed[1], "pipe");
    pid_t self = getpid(), qemu = fork();
    if (qemu < 0)
        fail("fork: %s\n", strerror(errno));
    if (qemu == 0) {
        become(program, self, qmp, serial[1], log[1]);
        dprintf(executed[1], "%s: %s\n", program[0], strerror(errno));
        _exit(127);
    }

    int pidfd = (int)syscall(SYS_pidfd_open, qemu, 0);
    if (pidfd < 0 || dprintf(pids, "%d %llu %d %llu %s\n", qemu, start_of(qemu), self, start_of(self), boot) < 0)
        fail("pids: %s\n", strerror(errno));
    close(qmp);
    close(serial[1]);
    close(log[1]);
    close(executed[1]);
    fcntl(serial[0], F_SETFL, O_NONBLOCK);
    fcntl(log[0], F_SETFL, O_NONBLOCK);

    /* Closed without a word by the exec; and when the launcher was killed meanwhile, nobody wants this QEMU. */
    char why[1024];
    ssize_t words = read(executed[0], why, sizeof why);
    if (words > 0)
        fail("%.*s", (int)words, why);

    /* The daemon may have been killed and restarted meanwhile, and have given this start up: then it has removed the folder. */
    struct stat written;
    if (fstat(pids, &written) != 0 || written.st_nlink == 0)
        fail("the run folder was removed meanwhile\n");
    close(pids);
    if (write(report, "ok", 2) != 2)
        _exit(1);
    close(report);

    watch(qemu, pidfd, serial[0], &serial_file, log[0], &log_file, exit_file);
    return 0;
}
