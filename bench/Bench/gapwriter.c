/* Writes 4 KiB to each of the disks given in turn, past the page cache, without pause. Four times a second a line says the longest
   time that passed between two writes that ended, in milliseconds of this machine's own clock. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 4096, BLOCKS = 4096 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

int main(int count, char **disks)
{
    int open_disks[16], n = 0;
    void *block;
    if (posix_memalign(&block, BLOCK, BLOCK))
        return 1;
    memset(block, 'x', BLOCK);
    for (int i = 1; i < count && n < 16; i++)
        if ((open_disks[n++] = open(disks[i], O_WRONLY | O_DIRECT)) < 0)
            return 2;

    double last = now(), said = last, most = 0;
    for (long written = 0;; written++) {
        if (pwrite(open_disks[written % n], block, BLOCK, (written / n % BLOCKS) * BLOCK) != BLOCK)
            return 3;
        double ended = now();
        if (ended - last > most)
            most = ended - last;
        last = ended;
        if (ended - said >= 250) {
            printf("gap %.3f\n", most);
            fflush(stdout);
            most = 0;
            said = last = now();
        }
    }
}
