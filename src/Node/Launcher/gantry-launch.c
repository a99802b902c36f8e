/*
 * gantry-launch starts QEMU outside the daemon's lifetime and watches over it.
 *
 * It runs as root only long enough to open what QEMU itself must not be able to open. Then it leaves the daemon's
 * session, makes a world for QEMU (namespaces.h), becomes the instance's own user without any privilege, starts QEMU
 * with fixed descriptors, and stays: it keeps the serial line and QEMU's own words in files of bounded size, and at
 * the end writes how QEMU ended. All these files were opened by root in directories of root: the guest's user can
 * neither replace them nor reach anything beside them.
 *
 *   gantry-launch --uid N --run DIR --serial FILE --serial-limit BYTES --log FILE [OPTION VALUE]... -- PROGRAM ARGUMENT...
 *
 *   --group       the one supplementary group QEMU keeps (the owner of /dev/kvm)
 *   --run         gets qmp.sock, tty.sock (the serial line, console.h), pids ("QEMU-PID START SUPERVISOR-PID START BOOT":
 *                 field 22 of /proc/PID/stat and the kernel's boot_id, which together name one process for ever)
 *                 and, at the end, exit ("exit CODE" or "signal NUMBER", then what --counters holds)
 *   --serial      keeps the last of the serial line, no more than the limit (serial_log.h)
 *   --open        NUMBER:r|rw:FILE: QEMU gets the file, which its own user need not be able to reach, under that number (6 and up)
 *   --tap         NUMBER:NAME: QEMU gets that TAP device, of the network this runs in
 *   --listen      NUMBER:NAME: QEMU gets a listening socket of that name in DIR under that number
 *   --tpm         starts swtpm on the state in DIR, as user --tpm-uid; QEMU gets its control channel as 5
 *   --device      a device QEMU sees, such as /dev/kvm
 *   --limit       nofile=, nproc= or memlock=NUMBER: what QEMU may have at most
 *   --cgroup      a directory of cgroups that all of this joins; one for each hierarchy
 *   --counters    a file of such a directory, copied into exit: it tells whether QEMU was killed for want of memory
 *   --apparmor    the profile QEMU runs under
 *   --namespaces  new (the default) or host, where none can be made
 *   --network     new (the default: a loopback device that is down) or host, for a QEMU that reaches its disks by it
 *
 * QEMU finds: 0 /dev/null, 1 and 2 its log, 3 the listening QMP socket, 4 its end of the serial line.
 * Ends with 0 when QEMU was executed; else with 1 and a sentence on stderr, and nothing is left running.
 *
 * Three processes: this supervisor in the host's world; as its child gantry-init, the first process of QEMU's world
 * (init.h); and QEMU. Each dies with its parent (PR_SET_PDEATHSIG): unwatched, QEMU would stall on a full serial line
 * and nobody would learn how it ended.
 */
#define _GNU_SOURCE
#include "confine.h"
#include "console.h"
#include "descriptors.h"
#include "fail.h"
#include "init.h"
#include "keep.h"
#include "serial_log.h"
#include "tap.h"
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

enum { LEAST_SERIAL_LIMIT = 64 << 10, LOG_LIMIT = 256 << 10, SHOWN_OF_LAST_RUN = 64 << 10 };

int report = STDERR_FILENO;

void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vdprintf(report, format, arguments);
    va_end(arguments);
    _exit(1);
}

struct list {
    const char *items[MOST_HANDED];
    int count;
};

static void add(struct list *list, const char *item)
{
    if (list->count == MOST_HANDED)
        fail("more than %d of one option\n", MOST_HANDED);
    list->items[list->count++] = item;
}

int main(int argc, char **argv)
{
    const char *run = NULL, *serial_path = NULL, *log_path = NULL, *tpm_state = NULL, *counters_path = NULL;
    long tpm_uid = 0, serial_limit = 0;
    struct start start = {.apart = true};
    struct list files = {0}, taps = {0}, sockets = {0}, cgroups = {0};
    int i = 1, devices = 0, limits = 0;
    for (; i + 1 < argc && strcmp(argv[i], "--") != 0; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (!strcmp(name, "--uid")) start.uid = (uid_t)atol(value);
        else if (!strcmp(name, "--group")) start.group = (gid_t)atol(value);
        else if (!strcmp(name, "--run")) run = start.view.at = value;
        else if (!strcmp(name, "--serial")) serial_path = value;
        else if (!strcmp(name, "--serial-limit")) serial_limit = atol(value);
        else if (!strcmp(name, "--log")) log_path = value;
        else if (!strcmp(name, "--tpm")) tpm_state = value;
        else if (!strcmp(name, "--tpm-uid")) tpm_uid = atol(value);
        else if (!strcmp(name, "--apparmor")) start.apparmor = value;
        else if (!strcmp(name, "--counters")) counters_path = value;
        else if (!strcmp(name, "--namespaces") && (!strcmp(value, "new") || !strcmp(value, "host"))) start.apart = *value == 'n';
        else if (!strcmp(name, "--network") && (!strcmp(value, "new") || !strcmp(value, "host"))) start.networked = *value == 'h';
        else if (!strcmp(name, "--open")) add(&files, value);
        else if (!strcmp(name, "--tap")) add(&taps, value);
        else if (!strcmp(name, "--listen")) add(&sockets, value);
        else if (!strcmp(name, "--cgroup")) add(&cgroups, value);
        else if (!strcmp(name, "--device") && devices < MOST_SHOWN - 1) start.view.devices[devices++] = value;
        else if (!strcmp(name, "--limit") && limits < MOST_LIMITS - 1) start.limits[limits++] = value;
        else fail("unknown argument %s %s, or one too many\n", name, value);
    }
    if (start.uid == 0 || (tpm_state && tpm_uid <= 0) || !run || !serial_path || serial_limit < LEAST_SERIAL_LIMIT || !log_path || i + 1 >= argc)
        fail("usage: gantry-launch --uid N --run DIR --serial FILE --serial-limit BYTES --log FILE [OPTION VALUE]... -- PROGRAM ARGUMENT...\n");
    start.program = argv + i + 1;
    start.view.program = start.program[0];

    umask(077);
    syscall(SYS_close_range, 3, ~0U, 0);
    signal(SIGPIPE, SIG_IGN);

    hand(QMP_FD, listen_on(run, "qmp.sock", SOCK_STREAM));
    int console = listen_on(run, "tty.sock", SOCK_SEQPACKET | SOCK_NONBLOCK);
    for (int file = 0; file < files.count; file++)
        hand_file(files.items[file]);
    for (int tap = 0; tap < taps.count; tap++)
        hand_tap(taps.items[tap]);
    for (int socket = 0; socket < sockets.count; socket++)
        hand_socket(run, sockets.items[socket]);
    int counters = counters_path ? open(counters_path, O_RDONLY | O_CLOEXEC) : -1;
    if (counters >= 0) /* what cannot be counted is not told */
        counters = own(counters, counters_path);
    int pids = open_in(run, "pids", O_WRONLY | O_TRUNC);
    int exit_file = open_in(run, "exit", O_WRONLY | O_TRUNC);
    struct serial_log serial_log = open_serial_log(serial_path, serial_limit);
    static char shown[SHOWN_OF_LAST_RUN];
    open_console(console, serial_log.end, shown, tail_of_serial_log(&serial_log, shown, sizeof shown));
    struct kept_file log_file = keep_in(log_path, LOG_LIMIT, O_TRUNC);
    char boot[37] = "";
    int boot_id = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (boot_id < 0 || read(boot_id, boot, 36) != 36)
        fail("boot_id: %s\n", strerror(errno));
    close(boot_id);
    spare_the_host();
    int null = own(open("/dev/null", O_RDWR | O_CLOEXEC), "/dev/null");

    int news[2], serial[2], log[2], executed[2], ended[2];
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
    for (int cgroup = 0; cgroup < cgroups.count; cgroup++)
        join_cgroup(cgroups.items[cgroup]);
    if (tpm_state)
        start_tpm((uid_t)tpm_uid, tpm_state, run, start.apart, log[1]);

    /* Made only now: their ends are seen when nobody but QEMU, or its parent, holds the writing side. */
    if (pipe2(executed, O_CLOEXEC) != 0 || pipe2(ended, O_CLOEXEC) != 0)
        fail("pipe: %s\n", strerror(errno));
    executed[1] = own(executed[1], "pipe");
    ended[1] = own(ended[1], "pipe");
    start.log = log[1];
    pid_t init = start_qemu(&start, executed[1], ended[1]);
    int pidfd = (int)syscall(SYS_pidfd_open, init, 0);
    drop_privileges(start.uid, 0);
    close_handed();
    close(log[1]);
    close(executed[1]);
    close(ended[1]);
    fcntl(serial[0], F_SETFL, O_NONBLOCK);
    fcntl(log[0], F_SETFL, O_NONBLOCK);

    /* A service manager that ends all of a group at once ends QEMU, and this when that has ended. */
    for (int number = 0; number < 3; number++)
        signal((int[]){SIGHUP, SIGINT, SIGTERM}[number], SIG_IGN);

    /* QEMU's pid, and why it was not executed: nothing when it was. */
    char told[2048], *why;
    size_t length = 0;
    for (ssize_t got; length < sizeof told - 1 && (got = read(executed[0], told + length, sizeof told - 1 - length)) > 0; length += (size_t)got)
        ;
    told[length] = 0;
    pid_t self = getpid(), qemu = (pid_t)strtol(told, &why, 10);
    if (length == 0)
        fail("QEMU's process was ended before it was executed\n");
    if (*why != '\n' || why[1] != 0)
        fail("%s", *why == '\n' ? why + 1 : why);
    if (pidfd < 0 || dprintf(pids, "%d %llu %d %llu %s\n", qemu, start_of(qemu), self, start_of(self), boot) < 0)
        fail("pids: %s\n", strerror(errno));

    /* The daemon may have been killed and restarted meanwhile, and have given this start up: then it has removed the folder. */
    struct stat written;
    if (fstat(pids, &written) != 0 || written.st_nlink == 0)
        fail("the run folder was removed meanwhile\n");
    close(pids);
    if (write(report, "ok", 2) != 2)
        _exit(1);
    close(report);

    watch(pidfd, serial[0], &serial_log, log[0], &log_file);
    tell_end(ended[0], counters, exit_file);
    close_console();
    return 0;
}
