/* SPDX-License-Identifier: MIT
 *
 * Log lines that a library writes while the calling thread holds a lock of ours. They are put off
 * until it has given the lock back, for the log callback may call anything, also what needs the
 * lock. All other lines pass at once.
 */
#ifndef QUIET_H
#define QUIET_H

#include "platform/platform.h"
#include "wintun.h"

struct quiet_line;

/* The lines that the holder of a lock has put off. */
typedef struct quiet {
    struct quiet_line *first;
} quiet;

/* Must come before the other functions, once. logger: whom the lines are for.
 * False: the system has no room for a pointer of each thread's own. */
bool quiet_initialize(WINTUN_LOGGER_CALLBACK logger);

/* The log callback of every library. */
void CALLBACK quiet_log(WINTUN_LOGGER_LEVEL level, DWORD64 timestamp, const WCHAR *message);

/* Takes a lock under which the library is called; not a second one. */
void quiet_lock(platform_mutex *lock, quiet *lines);

/* Gives the lock back, and then passes on the lines that came meanwhile. */
void quiet_unlock(platform_mutex *lock, quiet *lines);

#endif
