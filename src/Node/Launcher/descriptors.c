#define _GNU_SOURCE
#include "descriptors.h"
#include "fail.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

static int handed[MOST_HANDED]; /* by number; 0 is none */

int own(int fd, const char *what)
{
    int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, MOST_HANDED);
    if (high < 0)
        fail("%s: %s\n", what, strerror(errno));
    close(fd);
    return high;
}

int open_in(const char *directory, const char *name, int flags)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path)
        fail("the path of %s is too long\n", name);
    return own(open(path, flags | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), path);
}

int listen_on(const char *directory, const char *name, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", directory, name);
    if (length >= (int)sizeof address.sun_path)
        fail("the socket path %s/%s has %d bytes, Linux allows 107: choose a shorter root\n", directory, name, length);

    unlink(address.sun_path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 16) != 0)
        fail("%s: %s\n", address.sun_path, strerror(errno));
    return own(fd, name);
}

void hand(int number, int fd)
{
    if (number < QMP_FD || number >= MOST_HANDED || handed[number] != 0)
        fail("descriptor %d cannot be handed over: from %d to %d, each once\n", number, QMP_FD, MOST_HANDED - 1);
    handed[number] = fd;
}

void hand_file(const char *what)
{
    char *mode, *path;
    long number = strtol(what, &mode, 10);
    int flags = !strncmp(mode, ":r:", 3) ? O_RDONLY : !strncmp(mode, ":rw:", 4) ? O_RDWR : -1;
    if (flags < 0)
        fail("%s is not NUMBER:r:PATH or NUMBER:rw:PATH\n", what);
    path = strchr(mode + 1, ':') + 1;

    /* Not blocking, so that a pipe in a file's place cannot hold us up; it has no meaning for files. */
    int fd = own(open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), path);
    struct stat is;
    if (fstat(fd, &is) != 0 || !(S_ISREG(is.st_mode) || S_ISBLK(is.st_mode)))
        fail("%s is neither a file nor a block device\n", path);
    fcntl(fd, F_SETFL, 0);
    hand((int)number, fd);
}

void hand_socket(const char *directory, const char *what)
{
    char *name;
    long number = strtol(what, &name, 10);
    if (*name != ':' || name[1] == 0 || strchr(name, '/'))
        fail("%s is not NUMBER:NAME\n", what);
    hand((int)number, listen_on(directory, name + 1, SOCK_STREAM));
}

int place_handed(void)
{
    int after = QMP_FD;
    for (int number = QMP_FD; number < MOST_HANDED; number++) {
        if (handed[number] == 0)
            continue;
        if (dup2(handed[number], number) < 0 || (number > after && syscall(SYS_close_range, after, number - 1, 4 /* CLOSE_RANGE_CLOEXEC */) != 0))
            return 0;
        after = number + 1;
    }
    return syscall(SYS_close_range, after, ~0U, 4) == 0;
}

void close_handed(void)
{
    for (int number = QMP_FD; number < MOST_HANDED; number++)
        if (handed[number] != 0)
            close(handed[number]);
}
