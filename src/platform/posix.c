/* SPDX-License-Identifier: MIT
 *
 * The operating system seam on POSIX systems.
 */
#define _POSIX_C_SOURCE 200809L
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#elif defined(__linux__)
#define _GNU_SOURCE /* pipe2 */
#endif

#include "platform.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

/* Seconds from 1601-01-01 to 1970-01-01: 369 years, 89 of them leap years. */
#define FILETIME_UNIX_EPOCH_S UINT64_C(11644473600)

/* --- Libraries -------------------------------------------------------------------------------- */

void *
platform_library_open(const char *path, DWORD *code, char *text, size_t text_size)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        const char *message = dlerror();
        size_t path_size = strlen(path);
        *code = access(path, F_OK) == 0 ? ERROR_INVALID_DATA : ERROR_FILE_NOT_FOUND;
        if (message != NULL && strncmp(message, path, path_size) == 0 &&
            strncmp(message + path_size, ": ", 2) == 0) {
            message += path_size + 2; /* the caller knows the path, which may be longer than text */
        }
        (void)snprintf(text, text_size, "%s", message != NULL ? message : "dlopen failed");
    }
    return library;
}

void
platform_library_close(void *library)
{
    (void)dlclose(library);
}

bool
platform_file_hold(const char *path, HANDLE *file, DWORD *code)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor == -1) {
        *code = errno == ENOENT                      ? ERROR_FILE_NOT_FOUND
                : errno == EMFILE || errno == ENFILE ? ERROR_NOT_ENOUGH_MEMORY
                                                     : ERROR_ACCESS_DENIED;
        return false;
    }
    *file = (HANDLE)(intptr_t)descriptor;
    return true;
}

void *
platform_library_symbol(void *library, const char *name)
{
    return dlsym(library, name);
}

void *
platform_ip_helper_symbol(const char *name)
{
    (void)name;
    return NULL;
}

platform_last_error_function
platform_library_last_error(void *library)
{
    /* ISO C has no cast from an object pointer to a function pointer; POSIX promises the bytes. */
    platform_last_error_function function = NULL;
    void *symbol = dlsym(library, "GetLastError");
    memcpy(&function, &symbol, sizeof(function));
    return function;
}

void
platform_error_text(DWORD code, char *text, size_t text_size)
{
    /* Windows' own English texts (FormatMessage) for the codes that the API gives. */
    static const struct {
        DWORD code;
        const char *text;
    } texts[] = {
        {ERROR_FILE_NOT_FOUND, "The system cannot find the file specified"},
        {ERROR_ACCESS_DENIED, "Access is denied"},
        {ERROR_INVALID_HANDLE, "The handle is invalid"},
        {ERROR_NOT_ENOUGH_MEMORY, "Not enough memory resources are available"},
        {ERROR_INVALID_DATA, "The data is invalid"},
        {ERROR_OUTOFMEMORY, "Not enough memory resources are available"},
        {ERROR_GEN_FAILURE, "A device attached to the system is not functioning"},
        {ERROR_HANDLE_EOF, "Reached the end of the file"},
        {ERROR_NOT_SUPPORTED, "The request is not supported"},
        {ERROR_DEV_NOT_EXIST, "The specified network resource or device is no longer available"},
        {ERROR_FILE_EXISTS, "The file exists"},
        {ERROR_INVALID_PARAMETER, "The parameter is incorrect"},
        {ERROR_BUFFER_OVERFLOW, "The file name is too long"},
        {ERROR_INSUFFICIENT_BUFFER, "The data area passed to a system call is too small"},
        {ERROR_INVALID_NAME, "The filename, directory name, or volume label syntax is incorrect"},
        {ERROR_PROC_NOT_FOUND, "The specified procedure could not be found"},
        {ERROR_ALREADY_EXISTS, "Cannot create a file when that file already exists"},
        {WAIT_TIMEOUT, "The wait operation timed out"},
        {ERROR_NO_MORE_ITEMS, "No more data is available"},
        {ERROR_DEVICE_NOT_CONNECTED, "The device is not connected"},
        {ERROR_NOT_FOUND, "Element not found"},
        {ERROR_NO_MATCH, "There was no match for the specified key in the index"},
        {ERROR_SET_NOT_FOUND, "The property set specified does not exist on the object"},
        {ERROR_ALREADY_INITIALIZED,
         "An attempt was made to perform an initialization operation when initialization has "
         "already been completed"},
        {ERROR_PRIVILEGE_NOT_HELD, "A required privilege is not held by the client"},
        {ERROR_NO_SYSTEM_RESOURCES,
         "Insufficient system resources exist to complete the requested service"},
        {ERROR_COMMITMENT_LIMIT, "The paging file is too small for this operation to complete"},
        {ERROR_TIMEOUT, "This operation returned because the timeout period expired"},
        {ERROR_INVALID_USER_BUFFER,
         "The supplied user buffer is not valid for the requested operation"},
        {ERROR_DEVICE_IN_USE,
         "The device is in use by an active process and cannot be disconnected"},
        {ERROR_DEVICE_NOT_AVAILABLE, "The device is not ready for use"},
        {ERROR_OBJECT_ALREADY_EXISTS, "The object already exists"},
        {ERROR_INF_IN_USE_BY_DEVICES,
         "One or more devices are presently installed using the specified INF"},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].code == code) {
            (void)snprintf(text, text_size, "%s", texts[i].text);
            return;
        }
    }
    (void)snprintf(text, text_size, PLATFORM_UNKNOWN_ERROR(code), (unsigned long)code);
}

DWORD
platform_thread_error(void)
{
    return (DWORD)errno;
}

void
platform_set_thread_error(DWORD code)
{
    errno = (int)code;
}

/* --- Events ----------------------------------------------------------------------------------- */

static int
handle_descriptor(HANDLE handle)
{
    return (int)(intptr_t)handle;
}

#ifndef __linux__ /* others may have no pipe2 */
static bool
make_private_nonblocking(int descriptor)
{
    int flags = fcntl(descriptor, F_GETFL);
    return flags != -1 && fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) != -1 &&
           fcntl(descriptor, F_SETFD, FD_CLOEXEC) != -1;
}

static bool
make_pipe(int ends[2])
{
    if (pipe(ends) != 0) {
        return false;
    }
    if (!make_private_nonblocking(ends[0]) || !make_private_nonblocking(ends[1])) {
        (void)close(ends[0]);
        (void)close(ends[1]);
        return false;
    }
    return true;
}
#else
/* In one step, so that no program started meanwhile by another thread inherits it. */
static bool
make_pipe(int ends[2])
{
    return pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0;
}
#endif

bool
platform_event_create(platform_event *event, bool manual_reset)
{
    (void)manual_reset; /* platform_wait never consumes its cancel event */
    int ends[2];
    if (!make_pipe(ends)) {
        return false;
    }
    event->wait = (HANDLE)(intptr_t)ends[0];
    event->set = (HANDLE)(intptr_t)ends[1];
    return true;
}

void
platform_event_set(const platform_event *event)
{
    static const char signal = 1;
    ssize_t written;
    do {
        written = write(handle_descriptor(event->set), &signal, 1);
        /* A full pipe (EAGAIN) is signaled already. */
    } while (written == -1 && errno == EINTR);
}

void
platform_event_close(platform_event *event)
{
    (void)close(handle_descriptor(event->wait));
    (void)close(handle_descriptor(event->set));
}

bool
platform_handle_duplicate(HANDLE handle, HANDLE *duplicate)
{
    int descriptor = fcntl(handle_descriptor(handle), F_DUPFD_CLOEXEC, 0);
    *duplicate = (HANDLE)(intptr_t)descriptor;
    return descriptor != -1;
}

void
platform_handle_close(HANDLE handle)
{
    (void)close(handle_descriptor(handle));
}

/* Takes the signal off an auto-reset event: 1, 0 if another thread took it first, -1 if the event
 * cannot be read. */
static int
consume_signal(int descriptor)
{
    int consumed = 0;
    char bytes[256];
    for (;;) {
        ssize_t count = read(descriptor, bytes, sizeof(bytes));
        if (count == -1 && errno == EINTR) {
            continue;
        }
        if (count == -1 && errno != EAGAIN && errno != EWOULDBLOCK) {
            return -1;
        }
        if (count > 0) {
            consumed = 1;
        }
        if (count < (ssize_t)sizeof(bytes)) {
            return consumed;
        }
    }
}

static int
milliseconds_left(int64_t deadline_ns)
{
    int64_t left_ms = (deadline_ns - platform_clock_ns() + NS_PER_MS - 1) / NS_PER_MS;
    if (left_ms < 0) {
        return 0;
    }
    return left_ms > 0x7FFFFFFF ? 0x7FFFFFFF : (int)left_ms;
}

int
platform_wait(HANDLE cancel, const HANDLE *events, unsigned count, int64_t timeout_ns)
{
    struct pollfd polled[PLATFORM_MAX_EVENTS + 1];
    if (count > PLATFORM_MAX_EVENTS) {
        return PLATFORM_WAIT_FAILED;
    }
    /* A negative descriptor is one that poll passes over. */
    polled[0].fd = cancel != NULL ? handle_descriptor(cancel) : -1;
    polled[0].events = POLLIN;
    for (unsigned i = 0; i < count; i++) {
        polled[i + 1].fd = handle_descriptor(events[i]);
        polled[i + 1].events = POLLIN;
    }
    int64_t deadline_ns = timeout_ns > 0 ? platform_clock_ns() + timeout_ns : 0;
    for (;;) {
        int timeout_ms = -1;
        if (timeout_ns >= 0) {
            timeout_ms = timeout_ns == 0 ? 0 : milliseconds_left(deadline_ns);
        }
        int ready = poll(polled, (nfds_t)count + 1, timeout_ms);
        if (ready == -1) {
            return errno == EINTR ? PLATFORM_WAIT_INTERRUPTED : PLATFORM_WAIT_FAILED;
        }
        if (ready == 0) {
            return PLATFORM_WAIT_TIMEOUT;
        }
        if (cancel != NULL && polled[0].revents != 0) {
            return PLATFORM_WAIT_CANCELLED;
        }
        for (unsigned i = 0; i < count; i++) {
            int consumed = polled[i + 1].revents != 0 ? consume_signal(polled[i + 1].fd) : 0;
            if (consumed != 0) {
                return consumed > 0 ? (int)i : PLATFORM_WAIT_FAILED;
            }
        }
        if (timeout_ns == 0) {
            return PLATFORM_WAIT_TIMEOUT; /* another thread took the signal */
        }
    }
}

/* --- Memory ----------------------------------------------------------------------------------- */

/* Whole pages for so many bytes. */
static size_t
page_span(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (size + page - 1) / page * page;
}

void *
platform_guarded_alloc(size_t size)
{
    size_t guard = page_span(PLATFORM_GUARD_SIZE);
    size_t span = page_span(size);
    char *map = mmap(NULL, guard + span + guard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        return NULL;
    }
    if (mprotect(map + guard, span, PROT_READ | PROT_WRITE) != 0) {
        (void)munmap(map, guard + span + guard);
        return NULL;
    }
    return map + guard + span - size;
}

void
platform_guarded_free(void *memory, size_t size)
{
    size_t guard = page_span(PLATFORM_GUARD_SIZE);
    size_t span = page_span(size);
    if (memory != NULL) {
        (void)munmap((char *)memory + size - span - guard, guard + span + guard);
    }
}

/* --- Threads and time ------------------------------------------------------------------------- */

void
platform_mutex_init(platform_mutex *mutex)
{
    (void)pthread_mutex_init(mutex, NULL);
}

void
platform_mutex_lock(platform_mutex *mutex)
{
    (void)pthread_mutex_lock(mutex);
}

bool
platform_mutex_try_lock(platform_mutex *mutex)
{
    return pthread_mutex_trylock(mutex) == 0;
}

void
platform_mutex_unlock(platform_mutex *mutex)
{
    (void)pthread_mutex_unlock(mutex);
}

void
platform_mutex_destroy(platform_mutex *mutex)
{
    (void)pthread_mutex_destroy(mutex);
}

bool
platform_slot_new(platform_slot *slot)
{
    return pthread_key_create(slot, NULL) == 0;
}

void *
platform_slot_get(const platform_slot *slot)
{
    return pthread_getspecific(*slot);
}

void
platform_slot_set(const platform_slot *slot, void *value)
{
    (void)pthread_setspecific(*slot, value);
}

struct thread_start {
    platform_thread_function function;
    void *argument;
};

static void *
run_thread(void *opaque)
{
    struct thread_start start = *(struct thread_start *)opaque;
    free(opaque);
    start.function(start.argument);
    return NULL;
}

bool
platform_thread_start(platform_thread *thread, platform_thread_function function, void *argument)
{
    struct thread_start *start = malloc(sizeof(*start));
    if (start == NULL) {
        return false;
    }
    start->function = function;
    start->argument = argument;
    if (pthread_create(thread, NULL, run_thread, start) != 0) {
        free(start);
        return false;
    }
    return true;
}

void
platform_thread_join(platform_thread thread)
{
    (void)pthread_join(thread, NULL);
}

void
platform_on_fork(void (*in_child)(void))
{
    (void)pthread_atfork(NULL, NULL, in_child);
}

void
platform_yield(void)
{
    (void)sched_yield();
}

void
platform_sleep_ns(int64_t duration_ns)
{
    struct timespec left = {(time_t)(duration_ns / NS_PER_S), (long)(duration_ns % NS_PER_S)};
    while (nanosleep(&left, &left) == -1 && errno == EINTR) {
    }
}

int64_t
platform_clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + (int64_t)now.tv_nsec;
}

uint64_t
platform_filetime(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return ((uint64_t)now.tv_sec + FILETIME_UNIX_EPOCH_S) * 10000000U + (uint64_t)now.tv_nsec / 100;
}
