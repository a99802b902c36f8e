/* The readers of a guest's serial line: who connects to its socket sees what the guest writes, and types. */
#pragma once
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The socket keeps packets apart (SOCK_SEQPACKET). A reader first sends a hello; then each packet it sends is typed
 * into the guest, and each it gets is eight bytes, the offset in the stream of the guest's output (in this machine's
 * order), and the bytes from there on. The first one comes at once, be it empty. Where an offset jumps, the reader was
 * too slow, and what lies between is gone from here. NO_OFFSET in the only packet: too many readers.
 */
#define NO_OFFSET UINT64_MAX

struct hello {
    uint64_t since; /* what follows this offset, or */
    uint64_t tail;  /* with since NO_OFFSET, at most so many of the last bytes */
};

enum { MOST_READERS = 16, PLACES = MOST_READERS + 1, LONGEST_INPUT = 4096 };

/* Listens; the stream so far ends at that offset with these bytes. */
void open_console(int listener, uint64_t end, const char *tail, size_t count);

/* What the guest wrote just now. */
void show_on_console(const char *bytes, size_t count);

/* Whether something is to be typed into the guest; types as much as it takes without waiting. */
bool console_has_input(void);
void type_console_input(int serial);

/* Fills in what to wait for, at most 1 + PLACES; then does what is possible without waiting. */
int console_waits_for(struct pollfd *on);
void serve_console(const struct pollfd *on, int count);

/* Shows what can still be shown, for a moment, and hangs up. */
void close_console(void);
