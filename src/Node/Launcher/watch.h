/* The supervisor's life beside QEMU. */
#pragma once
#include "keep.h"
#include "serial_log.h"

/* A process's start, field 22 of /proc/PID/stat: with the pid it names one process for ever. */
unsigned long long start_of(pid_t pid);

/* Keeps QEMU's serial line and its words and serves the console until the process of that descriptor ends. */
void watch(int pidfd, int serial, struct serial_log *serial_log, int log, struct kept_file *log_file);

/* Writes how QEMU ended, read from ended, and what its cgroup counted meanwhile (-1 for nothing). */
void tell_end(int ended, int counters, int exit_file);
