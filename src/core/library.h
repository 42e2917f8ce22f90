/* SPDX-License-Identifier: MIT
 *
 * A loaded Wintun implementation: the official DLL or the simulator, or any other with the exports
 * of wintun.h. Knows nothing of Python.
 *
 * A library stays loaded until the process ends: a log line may still be on its way in it after the
 * last adapter is gone.
 */
#ifndef LIBRARY_H
#define LIBRARY_H

#include "ip_helper.h"
#include "platform/platform.h"
#include "wintun.h"

typedef struct library {
    WINTUN_API wintun;
    IP_HELPER_API ip_helper;
    platform_last_error_function last_error;
    struct library *next;
    char *path;
    void *handle;
} library;

/* Must come before the other functions, once. logger gets the log lines of every library, from the
 * moment that it is loaded; no lock of ours is held then. False: the system has no room for a
 * pointer of each thread's own. */
bool library_initialize(WINTUN_LOGGER_CALLBACK logger);

/* Loads path, makes it the library of the process for whatever is opened from then on, and gives it
 * the logger. On failure returns NULL, stores a Win32 code and a text. */
library *library_load(const char *path, DWORD *code, char *text, size_t text_size);

/* The library loaded last, or NULL. */
library *library_current(void);

#endif
