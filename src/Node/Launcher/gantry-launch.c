/*
 * gantry-launch starts QEMU outside the daemon's lifetime and watches over it.
 *
 * It runs as root only long enough to open what QEMU itself must not be able to open. Then it leaves the daemon's
 * session, becomes the instance's own user without any privilege, starts QEMU with fixed descriptors, and stays as
 * its parent: it keeps the serial line and QEMU's own words in files of bounded size, and at the end writes how
 * QEMU ended. All these files were opened by root in directories of root: the guest's user can neither replace
 * them nor reach anything beside them.
 *
 *   gantry-launch --uid N [--group N] --run DIR --serial FILE --log FILE [--open NUMBER:r|rw:FILE]...
 *                 [--tpm DIR --tpm-uid N] -- PROGRAM ARGUMENT...
 *
 *   --group   the one supplementary group QEMU keeps (the owner of /dev/kvm)
 *   --run     gets qmp.sock, pids ("QEMU-PID START SUPERVISOR-PID START BOOT": field 22 of /proc/PID/stat and the
 *             kernel's boot_id, which together name one process for ever)
 *             and, at the end, exit ("exit CODE" or "signal NUMBER")
 *
 *   --open    QEMU gets the file, which its own user need not be able to reach, under that number (6 and up)
 *   --tpm     starts swtpm on the state in DIR, as user --tpm-uid; QEMU gets its control channel as 5
 *
 * QEMU finds: 0 /dev/null, 1 and 2 its log, 3 the listening QMP socket, 4 its end of the serial line.
 * Ends with 0 when QEMU was executed; else with 1 and a sentence on stderr, and nothing is left running.
 *
 * QEMU dies with this supervisor (PR_SET_PDEATHSIG): unwatched, it would stall on a full serial line and nobody
 * would learn how it ended.
 */
#define _GNU_SOURCE
#include "confine.h"
#include "descriptors.h"
#include "fail.h"
#include "keep.h"
#include "tpm.h"
#include "watch.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SERIAL_LIMIT = 4 << 20, LOG_LIMIT = 256 << 10 };

int report = STDERR_FILENO;

void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vdprintf(report, format, arguments);
    va_end(arguments);
    _exit(1);
}

/* In QEMU's process. Returns only when it could not be executed. */
static void become(char **program, pid_t supervisor, int log)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != supervisor)
        _exit(1);

    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigset_t nothing;
    sigemptyset(&nothing);
    sigprocmask(SIG_SETMASK, &nothing, NULL);

    if (dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0 || !place_handed())
        return;

    /* Nothing of the daemon's environment: it may hold the password of its database. */
    char *environment[] = {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", NULL};
    execve(program[0], program, environment);
}

int main(int argc, char **argv)
{
    const char *run = NULL, *serial_path = NULL, *log_path = NULL, *tpm_state = NULL;
    long uid = 0, group = 0, tpm_uid = 0;
    const char *files[MOST_HANDED];
    int i = 1, count_files = 0;
    for (; i + 1 < argc && strcmp(argv[i], "--") != 0; i += 2) {
        if (!strcmp(argv[i], "--uid")) uid = atol(argv[i + 1]);
        else if (!strcmp(argv[i], "--group")) group = atol(argv[i + 1]);
        else if (!strcmp(argv[i], "--run")) run = argv[i + 1];
        else if (!strcmp(argv[i], "--serial")) serial_path = argv[i + 1];
        else if (!strcmp(argv[i], "--log")) log_path = argv[i + 1];
        else if (!strcmp(argv[i], "--tpm")) tpm_state = argv[i + 1];
        else if (!strcmp(argv[i], "--tpm-uid")) tpm_uid = atol(argv[i + 1]);
        else if (!strcmp(argv[i], "--open")) files[count_files++ % MOST_HANDED] = argv[i + 1];
        else fail("unknown argument %s\n", argv[i]);
    }
    if (count_files > MOST_HANDED)
        fail("more than %d files to open\n", MOST_HANDED);
    if (uid <= 0 || (tpm_state && tpm_uid <= 0) || !run || !serial_path || !log_path || i + 1 >= argc)
        fail("usage: gantry-launch --uid N [--group N] --run DIR --serial FILE --log FILE [--open NUMBER:r|rw:FILE]... [--tpm DIR --tpm-uid N] -- PROGRAM ARGUMENT...\n");
    char **program = argv + i + 1;

    umask(077);
    syscall(SYS_close_range, 3, ~0U, 0);
    signal(SIGPIPE, SIG_IGN);

    hand(QMP_FD, listen_on(run, "qmp.sock"));
    for (int file = 0; file < count_files; file++)
        hand_file(files[file]);
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
    hand(SERIAL_FD, serial[1]);

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
    if (tpm_state)
        start_tpm((uid_t)tpm_uid, tpm_state, log[1]);
    drop_privileges((uid_t)uid, (gid_t)group);

    /* Made only now: its end is seen when nobody but QEMU holds the writing side. */
    if (pipe2(executed, O_CLOEXEC) != 0)
        fail("pipe: %s\n", strerror(errno));
    executed[1] = own(executed[1], "pipe");
    pid_t self = getpid(), qemu = fork();
    if (qemu < 0)
        fail("fork: %s\n", strerror(errno));
    if (qemu == 0) {
        become(program, self, log[1]);
        dprintf(executed[1], "%s: %s\n", program[0], strerror(errno));
        _exit(127);
    }

    int pidfd = (int)syscall(SYS_pidfd_open, qemu, 0);
    if (pidfd < 0 || dprintf(pids, "%d %llu %d %llu %s\n", qemu, start_of(qemu), self, start_of(self), boot) < 0)
        fail("pids: %s\n", strerror(errno));
    close_handed();
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
