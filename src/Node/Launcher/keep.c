#define _GNU_SOURCE
#include "keep.h"
#include "descriptors.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct kept_file keep_in(const char *path, off_t limit, int flags)
{
    struct kept_file file = {.fd = own(open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0600), path), .limit = limit};
    file.size = lseek(file.fd, 0, SEEK_END);
    return file;
}

void keep(struct kept_file *file, const char *bytes, size_t count)
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

bool pump(int fd, struct kept_file *file)
{
    char bytes[16384];
    ssize_t got = read(fd, bytes, sizeof bytes);
    if (got > 0)
        keep(file, bytes, (size_t)got);
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}
