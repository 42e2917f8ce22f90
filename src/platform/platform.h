/* SPDX-License-Identifier: MIT
 *
 * The operating system seam: everything that the extension and the simulator need of the system
 * and that portable C does not have. Implemented by windows.c and posix.c; knows
 * nothing of Python. Every function may be called from any thread.
 */
#ifndef PLATFORM_H
#define PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "win32_types.h"

#ifdef _WIN32
typedef CRITICAL_SECTION platform_mutex;
typedef DWORD platform_slot;
typedef HANDLE platform_thread;
#else
#include <pthread.h>
typedef pthread_mutex_t platform_mutex;
typedef pthread_key_t platform_slot;
typedef pthread_t platform_thread;
#endif

/* --- Libraries -------------------------------------------------------------------------------- */

typedef DWORD(WINAPI *platform_last_error_function)(void);

/* Loads a shared library by its absolute path (UTF-8 on Windows, the file system's bytes
 * elsewhere). Loading a file twice gives the same handle. On failure returns NULL, stores a Win32
 * code and a text without a final full stop. */
void *platform_library_open(const char *path, DWORD *code, char *text, size_t text_size);

/* Gives back a library of which nothing is used. */
void platform_library_close(void *library);

/* Opens a file for reading. As long as it is open, nobody can write to it, replace, rename or
 * delete it; but outside Windows nothing keeps them from it. Not inherited by child processes;
 * close it with platform_handle_close. On failure returns false and stores a Win32 code. */
bool platform_file_hold(const char *path, HANDLE *file, DWORD *code);

/* The address of an exported function, or NULL. */
void *platform_library_symbol(void *library, const char *name);

/* Like platform_library_symbol, in the system library that has the IP Helper functions; NULL where
 * the system has no such library or the library no such function. */
void *platform_ip_helper_symbol(const char *name);

/* GetLastError as the library means it: Windows' own, or on other systems the one that the library
 * exports beside the API. NULL if there is none. */
platform_last_error_function platform_library_last_error(void *library);

/* Writes the system's text for a Win32 error code or one of SetupAPI's (0xE000nnnn) as UTF-8,
 * without a final full stop or newline; "Win32 error N" where the system has none. */
void platform_error_text(DWORD code, char *text, size_t text_size);

/* Two numbers of errno as Python has them: on Windows those of Winsock, not of the C library, which
 * makes no TimeoutError there. */
#ifdef _WIN32
#define PLATFORM_ETIMEDOUT WSAETIMEDOUT
#define PLATFORM_ENOBUFS WSAENOBUFS
#else
#include <errno.h>
#define PLATFORM_ETIMEDOUT ETIMEDOUT
#define PLATFORM_ENOBUFS ENOBUFS
#endif

/* The format of that text for an unsigned long; codes with a severity are written in hexadecimal.
 */
#define PLATFORM_UNKNOWN_ERROR(code)                                                               \
    ((code) < 0x80000000u ? "Win32 error %lu" : "Win32 error 0x%08lX")

/* The calling thread's error code, as the system keeps it (GetLastError, errno): who calls back
 * into a program keeps it over the call, because the library may not have looked at it yet. */
DWORD platform_thread_error(void);
void platform_set_thread_error(DWORD code);

/* --- Events ----------------------------------------------------------------------------------- */

/* An event and the end of it that sets it. On Windows both are the same handle; elsewhere they are
 * the two descriptors of a pipe. */
typedef struct platform_event {
    HANDLE wait;
    HANDLE set;
} platform_event;

/* manual_reset: stays signaled until it is reset; otherwise one wait consumes the signal. An event
 * made with manual_reset may only be waited for as platform_wait's cancel, any other only as one of
 * its events. False where the system has no more handles. */
bool platform_event_create(platform_event *event, bool manual_reset);

/* How many packets may share a signal where only throughput counts. Wine's signals cost 40
 * microseconds, as much as thousands of packets; with fewer packets for each, they would be what is
 * measured. */
#ifdef _WIN32
#define PLATFORM_SIGNAL_BURST 256
#else
#define PLATFORM_SIGNAL_BURST 64
#endif

void platform_event_set(const platform_event *event);
void platform_event_close(platform_event *event);

/* Another handle of the same event, which outlives the event itself; close it with
 * platform_handle_close. False where the system has no more handles. */
bool platform_handle_duplicate(HANDLE handle, HANDLE *duplicate);
void platform_handle_close(HANDLE handle);

enum {
    PLATFORM_WAIT_CANCELLED = -1,
    PLATFORM_WAIT_TIMEOUT = -2,
    PLATFORM_WAIT_INTERRUPTED = -3, /* a signal arrived: run its handlers, then wait on */
    PLATFORM_WAIT_FAILED = -4
};

#define PLATFORM_MAX_EVENTS 4

/* Waits until cancel (manual-reset, or NULL for none) or one of count auto-reset events is
 * signaled. Returns the index of the event whose signal it consumed, or one of the values above;
 * cancel goes first. timeout_ns: negative waits for ever, 0 polls; rounded up to milliseconds. */
int platform_wait(HANDLE cancel, const HANDLE *events, unsigned count, int64_t timeout_ns);

/* --- Memory ----------------------------------------------------------------------------------- */

/* Bytes on both sides of guarded memory that nobody can touch: whoever begins to copy a packet of
 * the largest size inside the memory and leaves it is stopped by the system, wherever he ends. */
#define PLATFORM_GUARD_SIZE 0x10000

/* Zeroed memory that ends where its guard begins; so its start is aligned as its size is (at least
 * 4). The guard in front of it begins up to a page before it. NULL if there is no memory. */
void *platform_guarded_alloc(size_t size);
void platform_guarded_free(void *memory, size_t size);

/* --- Threads and time ------------------------------------------------------------------------- */

void platform_mutex_init(platform_mutex *mutex);
void platform_mutex_lock(platform_mutex *mutex);
bool platform_mutex_try_lock(platform_mutex *mutex);
void platform_mutex_unlock(platform_mutex *mutex);
void platform_mutex_destroy(platform_mutex *mutex);

/* A pointer of each thread's own, NULL at first. False: the system has no slot left. */
bool platform_slot_new(platform_slot *slot);
void *platform_slot_get(const platform_slot *slot);
void platform_slot_set(const platform_slot *slot, void *value);

typedef void (*platform_thread_function)(void *argument);

bool platform_thread_start(platform_thread *thread, platform_thread_function function,
                           void *argument);
void platform_thread_join(platform_thread thread);

/* Whether a process can be forked: 1 or 0. */
#ifdef _WIN32
#define PLATFORM_HAS_FORK 0
#else
#define PLATFORM_HAS_FORK 1
#endif

/* Has a forked child call a function before anything else of it runs. Whoever held a lock in the
 * parent is not in the child, so there the locks have to be made anew. No effect where the system
 * has no fork. */
void platform_on_fork(void (*in_child)(void));

/* Gives the processor to another thread. */
void platform_yield(void);

/* Sleeps at least this long; on Windows the timer rounds it up to as much as 15.6 ms. */
void platform_sleep_ns(int64_t duration_ns);

/* Nanoseconds of a clock that never goes back. */
int64_t platform_clock_ns(void);

/* Now, in units of 100 ns since 1601-01-01 UTC (a FILETIME). */
uint64_t platform_filetime(void);

#endif
