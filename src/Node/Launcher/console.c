#define _GNU_SOURCE
#include "console.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* The stream is kept once for all readers, so none of them costs memory, and none waits for another. */
enum { RING = 1 << 20, INPUT = 64 << 10, PACKET = 16 << 10, LAST_WORDS_MS = 200 };

static char ring[RING], input[INPUT];
static uint64_t begin, end;
static size_t waiting;
static int door = -1;
static struct reader {
    int fd;         /* 0 is none */
    bool greeted, served;
    bool gone;      /* but may have left input behind */
    uint64_t at;    /* the offset of what it gets next */
} readers[PLACES];      /* the last is for one that is told that there are too many */

void open_console(int listener, uint64_t stream_end, const char *tail, size_t count)
{
    door = listener;
    begin = end = stream_end - count;
    show_on_console(tail, count);
}

void show_on_console(const char *bytes, size_t count)
{
    while (count > 0) {
        size_t at = end % RING, fits = count < RING - at ? count : RING - at;
        memcpy(ring + at, bytes, fits);
        bytes += fits;
        count -= fits;
        end += fits;
    }
    if (end - begin > RING)
        begin = end - RING;
}

bool console_has_input(void)
{
    return waiting > 0;
}

void type_console_input(int serial)
{
    ssize_t typed = write(serial, input, waiting);
    if (typed < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (typed < 0)
        typed = (ssize_t)waiting; /* QEMU has closed its end */
    waiting -= (size_t)typed;
    memmove(input, input + typed, waiting);
}

static bool has_news(const struct reader *one)
{
    return one->greeted && !one->gone && (!one->served || one->at < end);
}

int console_waits_for(struct pollfd *on)
{
    on[0] = (struct pollfd){.fd = door, .events = POLLIN};
    for (int i = 0; i < PLACES; i++) {
        const struct reader *one = &readers[i];
        bool hear = INPUT - waiting >= LONGEST_INPUT || !one->greeted;
        on[1 + i] = (struct pollfd){
            .fd = one->fd > 0 && (hear || !one->gone) ? one->fd : -1,
            .events = (short)((hear ? POLLIN : 0) | (has_news(one) ? POLLOUT : 0)),
        };
    }
    return 1 + PLACES;
}

static void hang_up(struct reader *one)
{
    close(one->fd);
    *one = (struct reader){0};
}

static void let_in(void)
{
    int fd = accept4(door, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    for (int i = 0; i < PLACES; i++) {
        if (readers[i].fd == 0) {
            readers[i] = (struct reader){.fd = fd};
            return;
        }
    }
    close(fd);
}

static void greet(struct reader *one)
{
    struct hello hello;
    ssize_t got = recv(one->fd, &hello, sizeof hello, MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    uint64_t full = NO_OFFSET;
    if (one == &readers[MOST_READERS])
        send(one->fd, &full, sizeof full, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (got != sizeof hello || one == &readers[MOST_READERS]) {
        hang_up(one);
        return;
    }
    uint64_t kept = end - begin;
    one->greeted = true;
    one->at = hello.since == NO_OFFSET ? end - (hello.tail < kept ? hello.tail : kept) : hello.since < begin ? begin : hello.since < end ? hello.since : end;
}

static void listen_to(struct reader *one)
{
    if (!one->greeted) {
        greet(one);
        return;
    }
    if (INPUT - waiting < LONGEST_INPUT)
        return;
    ssize_t got = recv(one->fd, input + waiting, LONGEST_INPUT, MSG_DONTWAIT);
    if (got > 0)
        waiting += (size_t)got;
    else if (got == 0 || (errno != EAGAIN && errno != EINTR))
        hang_up(one);
}

/* False when it takes no more for now, or is gone. */
static bool show(struct reader *one)
{
    /* Back among what is newest, so that the next hole is not the next packet. */
    if (one->at < begin)
        one->at = end - PACKET;

    size_t left = end - one->at, from = one->at % RING, count = left < PACKET ? left : PACKET;
    size_t first = count < RING - from ? count : RING - from;
    struct iovec parts[] = {{&one->at, sizeof one->at}, {ring + from, first}, {ring, count - first}};
    struct msghdr packet = {.msg_iov = parts, .msg_iovlen = 3};
    ssize_t sent = sendmsg(one->fd, &packet, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
            hang_up(one);
        return false;
    }
    one->served = true;
    one->at += count;
    return true;
}

void serve_console(const struct pollfd *on, int count)
{
    for (int i = 0; i + 1 < count; i++) {
        struct reader *one = &readers[i];
        if (on[1 + i].fd < 0)
            continue;
        one->gone = on[1 + i].revents & (POLLHUP | POLLERR);
        if (on[1 + i].revents & POLLIN)
            listen_to(one);
        if (one->fd != 0 && (on[1 + i].revents & POLLOUT) && has_news(one))
            show(one);
    }
    if (on[0].revents & POLLIN)
        let_in();
}

void close_console(void)
{
    struct pollfd on[1 + PLACES];
    for (int waits = 0; waits < LAST_WORDS_MS / 20; waits++) {
        bool all = true;
        for (int i = 0; i < PLACES; i++) {
            while (readers[i].fd != 0 && has_news(&readers[i]) && show(&readers[i])) {
            }
            all = all && (readers[i].fd == 0 || !has_news(&readers[i]));
        }
        if (all)
            break;
        console_waits_for(on);
        poll(on + 1, PLACES, 20);
    }
    for (int i = 0; i < PLACES; i++)
        if (readers[i].fd != 0)
            hang_up(&readers[i]);
    close(door);
}
