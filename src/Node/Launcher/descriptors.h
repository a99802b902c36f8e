/* What is opened as root, and what of it QEMU is handed at which number. */
#pragma once

enum { QMP_FD = 3, SERIAL_FD = 4, TPM_FD = 5, MOST_HANDED = 512 };

/* Moves a descriptor out of the way of the numbers QEMU knows; it never reaches QEMU by itself. */
int own(int fd, const char *what);

/* A file in a directory of root's, made if need be and never followed elsewhere. */
int open_in(const char *directory, const char *name, int flags);

/* A Unix socket of that type there that listens. */
int listen_on(const char *directory, const char *name, int type);

/* From "NUMBER:r:PATH", "NUMBER:rw:PATH": QEMU will have that file under that number. */
void hand_file(const char *what);

/* From "NUMBER:NAME": QEMU will have a listening socket of that name in the directory under that number. */
void hand_socket(const char *directory, const char *what);

/* QEMU will have fd under that number. */
void hand(int number, int fd);

/* In QEMU's process: everything handed over at its number, everything else gone at exec. False when it cannot be. */
int place_handed(void);

/* In the supervisor: what was handed over is QEMU's alone. */
void close_handed(void);
