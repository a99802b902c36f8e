#define _GNU_SOURCE
#include "watch.h"
#include "console.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The name in field 2 may hold anything but ends with the last ')'. */
unsigned long long start_of(pid_t pid)
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

/* False when QEMU has closed its end. */
static bool hear(int serial, struct serial_log *kept)
{
    char bytes[16384];
    ssize_t got = read(serial, bytes, sizeof bytes);
    if (got > 0) {
        log_serial(kept, bytes, (size_t)got);
        show_on_console(bytes, (size_t)got);
    }
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

void watch(int pidfd, int serial, struct serial_log *serial_log, int log, struct kept_file *log_file)
{
    enum { OWN = 3 };
    struct pollfd on[OWN + 1 + PLACES] = {{.fd = pidfd, .events = POLLIN}, {.fd = serial}, {.fd = log, .events = POLLIN}};
    while (!(on[0].revents & POLLIN)) {
        /* What it does not take stays with us, what we have no room for with the readers: nobody waits for a guest. */
        on[1].events = console_has_input() ? POLLIN | POLLOUT : POLLIN;
        int readers = console_waits_for(on + OWN);
        if (poll(on, OWN + (nfds_t)readers, -1) < 0) {
            if (errno != EINTR)
                break;
            continue;
        }
        if (on[1].revents & POLLOUT)
            type_console_input(serial);
        if (on[1].revents & ~POLLOUT && !hear(serial, serial_log))
            on[1].fd = -1;
        if (on[2].revents && !pump(log, log_file))
            on[2].fd = -1;
        serve_console(on + OWN, readers);
    }

    /* What was still under way; bounded by what a pipe and a socket can hold. */
    for (int i = 0; i < 64; i++) {
        hear(serial, serial_log);
        pump(log, log_file);
    }
}

void tell_end(int ended, int counters, int exit_file)
{
    siginfo_t end;
    if (read(ended, &end, sizeof end) != sizeof end)
        return;
    dprintf(exit_file, "%s %d\n", end.si_code == CLD_EXITED ? "exit" : "signal", end.si_status);

    char text[1024];
    ssize_t length = counters < 0 ? 0 : pread(counters, text, sizeof text, 0);
    if (length > 0 && write(exit_file, text, (size_t)length) != length)
        return; /* a full disk */
}
