#define _GNU_SOURCE
#include "serial_log.h"
#include "descriptors.h"
#include "fail.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Marks take at most half as much room as the bytes: a guest of empty lines only is kept for less long. */
enum { BYTES_A_MARK = 2 * sizeof(struct mark) };

static bool read_mark(const struct segment *in, off_t number, struct mark *mark)
{
    return pread(in->marks, mark, sizeof *mark, number * (off_t)sizeof *mark) == sizeof *mark;
}

static bool add_mark(struct segment *to, struct mark mark)
{
    if (pwrite(to->marks, &mark, sizeof mark, to->count * (off_t)sizeof mark) != sizeof mark)
        return false;
    to->count++;
    return true;
}

static struct segment open_segment(const char *path, const char *suffix)
{
    char name[4096];
    struct segment one = {0};
    int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
    if (snprintf(name, sizeof name, "%s%s.times", path, suffix) >= (int)sizeof name)
        fail("the path %s is too long\n", path);
    one.marks = own(open(name, flags, 0600), name);
    snprintf(name, sizeof name, "%s%s", path, suffix);
    one.bytes = own(open(name, flags, 0600), name);
    one.size = lseek(one.bytes, 0, SEEK_END);
    one.count = lseek(one.marks, 0, SEEK_END) / (off_t)sizeof(struct mark);

    /* Marks whose bytes never came: the last supervisor was killed between the two. */
    struct mark last;
    while (one.count > 0 && (!read_mark(&one, one.count - 1, &last) || (off_t)last.position >= one.size))
        one.count--;
    return one;
}

static uint64_t end_of(const struct segment *of)
{
    struct mark last;
    return of->count > 0 && read_mark(of, of->count - 1, &last) ? last.offset + (uint64_t)of->size - last.position : (uint64_t)of->size;
}

/* A log of before there were segments, or of a larger limit: its newest part moves to the front, and its times are lost. */
static void cut(struct segment *of, off_t most, uint64_t end)
{
    char block[16384];
    off_t from = of->size - most, to = 0;
    ssize_t got;
    while ((got = pread(of->bytes, block, sizeof block, from + to)) > 0 && pwrite(of->bytes, block, (size_t)got, to) == got)
        to += got;
    of->size = ftruncate(of->bytes, to) == 0 ? to : 0;
    of->count = ftruncate(of->marks, 0);
    add_mark(of, (struct mark){.offset = end - (uint64_t)of->size});
}

static void empty(struct segment *which)
{
    /* In this order: marks without bytes mean nothing, bytes without marks would seem to be the first of all. */
    if (ftruncate(which->bytes, 0) == 0 && ftruncate(which->marks, 0) == 0)
        which->size = which->count = 0;
}

struct serial_log open_serial_log(const char *path, off_t limit)
{
    struct serial_log log = {.segments = {open_segment(path, ""), open_segment(path, ".1")}, .most = limit / 2, .must_mark = true};
    struct segment *both = log.segments;
    log.now = both[1].size > 0 && (both[0].size == 0 || end_of(&both[1]) > end_of(&both[0]));
    struct segment *now = &both[log.now], *other = &both[1 - log.now];
    log.end = end_of(now);
    if (now->size > log.most)
        cut(now, log.most, log.end);
    if (other->size > log.most)
        empty(other);

    char last = '\n';
    log.at_line_start = now->size == 0 || (pread(now->bytes, &last, 1, now->size - 1) == 1 && last == '\n');
    return log;
}

static void turn(struct serial_log *log)
{
    log->now = 1 - log->now;
    log->must_mark = true;
    empty(&log->segments[log->now]);
}

void log_serial(struct serial_log *log, const char *bytes, size_t count)
{
    struct segment *to = &log->segments[log->now];
    if (to->size + (off_t)count > log->most || to->count > log->most / BYTES_A_MARK) {
        turn(log);
        to = &log->segments[log->now];
    }

    /* One mark does for all lines that begin in what came at once. */
    const char *end_of_line = memchr(bytes, '\n', count);
    size_t begins = log->must_mark || log->at_line_start ? 0 : end_of_line ? (size_t)(end_of_line - bytes) + 1 : count;
    bool marked = true;
    if (begins < count) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        marked = add_mark(to, (struct mark){(uint64_t)to->size + begins, log->end + begins, now.tv_sec * 1000000LL + now.tv_nsec / 1000});
    }

    ssize_t written = marked ? pwrite(to->bytes, bytes, count, to->size) : 0;
    to->size += written > 0 ? written : 0;
    log->must_mark = written != (ssize_t)count;
    log->end += count;
    log->at_line_start = bytes[count - 1] == '\n';
}

size_t tail_of_serial_log(const struct serial_log *log, char *to, size_t most)
{
    size_t got = 0;
    for (int older = 1; older >= 0; older--) {
        const struct segment *from = &log->segments[older ? 1 - log->now : log->now];
        off_t newer = older ? log->segments[log->now].size : 0;
        off_t wanted = (off_t)most - newer < from->size ? (off_t)most - newer : from->size;
        ssize_t count = wanted > 0 ? pread(from->bytes, to + got, (size_t)wanted, from->size - wanted) : 0;
        got += count > 0 ? (size_t)count : 0;
    }
    return got;
}
