/* How anything here ends that cannot go on. */
#pragma once
#include <unistd.h>

/* Where a failure is told: stderr, in the supervisor a pipe to the launcher. */
extern int report;

__attribute__((format(printf, 1, 2), noreturn)) void fail(const char *format, ...);
