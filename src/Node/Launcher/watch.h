/* The supervisor's life beside QEMU. */
#pragma once
#include "keep.h"
#include "serial_log.h"

/* A process's start, field 22 of /proc/PID/stat: with the pid it names one process for ever. */
unsigned long long start_of(pid_t pid);

/* Keeps QEMU's serial line and its words and serves the console until it ends, and writes how it ended. */
void watch(pid_t qemu, int pidfd, int serial, struct serial_log *serial_log, int log, struct kept_file *log_file, int exit_file);
