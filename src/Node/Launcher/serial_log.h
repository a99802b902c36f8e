/* What a guest wrote on its serial line: the last of it, with the times at which its lines began. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Two segments take turns: when one is full, the other is emptied and written on. So what is kept is never more than the
 * limit and, once it was full, at least half of it; nothing is moved, and a process killed at any point leaves
 * both readable. Each segment is a file of the guest's bytes just as they came (PATH, PATH.1) and a file of
 * marks beside it (PATH.times, PATH.1.times).
 */

/* From this position in the file on its bytes are those of the whole stream from offset on; they came at that time. 0 is unknown. */
struct mark {
    uint64_t position, offset;
    int64_t microseconds;
};

struct segment {
    int bytes, marks;
    off_t size, count;
};

struct serial_log {
    struct segment segments[2];
    int now;             /* which of them is written to */
    off_t most;          /* bytes in one of them */
    uint64_t end;        /* how much the guest has written since it was made */
    bool at_line_start, must_mark;
};

/* Opens or makes the files, whose last bytes stay; a guest's next start goes on where its last one ended. */
struct serial_log open_serial_log(const char *path, off_t limit);

/* On a full disk the bytes are lost; the guest goes on, and the marks tell of the hole. */
void log_serial(struct serial_log *log, const char *bytes, size_t count);

/* The last of the bytes kept, at most so many. */
size_t tail_of_serial_log(const struct serial_log *log, char *to, size_t most);
