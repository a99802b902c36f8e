#define _GNU_SOURCE
#include "watch.h"
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

void watch(int pidfd, int serial, struct kept_file *serial_file, int log, struct kept_file *log_file)
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
