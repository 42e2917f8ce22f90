/* SPDX-License-Identifier: MIT
 *
 * The library's log: lines for the callback that WintunSetLogger has set.
 */
#ifndef SIMULATOR_LOG_H
#define SIMULATOR_LOG_H

#include "wintun.h"

void log_set_callback(WINTUN_LOGGER_CALLBACK callback);

/* A line in printf's format, UTF-8, from the calling thread. Not to be called with a lock held: the
 * callback may call the API. */
void log_line(WINTUN_LOGGER_LEVEL level, const char *format, ...);

/* Gives the callback Count times the same line from a thread of its own; timestamp 0: now. Returns
 * a Win32 code. */
DWORD log_from_thread(WINTUN_LOGGER_LEVEL level, DWORD64 timestamp, const char *message,
                      DWORD count, BOOL wait);

/* Gives back the threads of log_from_thread that have ended. */
void log_reap_threads(void);

#endif
