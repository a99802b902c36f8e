/* The supervisor's life beside QEMU. */
#pragma once
#include "keep.h"

/* A process's start, field 22 of /proc/PID/stat: with the pid it names one process for ever. */
unsigned long long start_of(pid_t pid);

/* Keeps QEMU's serial line and its words until it ends, and writes how it ended. */
void watch(pid_t qemu, int pidfd, int serial, struct kept_file *serial_file, int log, struct kept_file *log_file, int exit_file);
