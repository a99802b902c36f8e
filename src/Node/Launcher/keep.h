/* Files of bounded size. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

/* A file that holds the last of what was written: never more than its limit, and at least half of it once it was full. */
struct kept_file {
    int fd;
    off_t size, limit;
};

struct kept_file keep_in(const char *path, off_t limit, int flags);

void keep(struct kept_file *file, const char *bytes, size_t count);

/* Takes what is there to be read; false when the other end is closed. */
bool pump(int fd, struct kept_file *file);
