/* SPDX-License-Identifier: MIT
 *
 * The library's log.
 */
#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/atomics.h"
#include "global.h"
#include "platform/platform.h"
#include "text.h"

#define LINE_SIZE 1024

typedef struct log_thread {
    struct log_thread *next;
    platform_thread thread;
    atom_u32 ended;
    WINTUN_LOGGER_LEVEL level;
    DWORD64 timestamp;
    DWORD count;
    char message[LINE_SIZE];
} log_thread;

static WINTUN_LOGGER_CALLBACK logger;
static log_thread *threads; /* started and not waited for */

void
log_set_callback(WINTUN_LOGGER_CALLBACK callback)
{
    global_lock();
    logger = callback;
    global_unlock();
}

static void
emit(WINTUN_LOGGER_LEVEL level, DWORD64 timestamp, const char *message)
{
    global_lock();
    WINTUN_LOGGER_CALLBACK callback = logger;
    global_unlock();
    if (callback != NULL) {
        WCHAR wide[LINE_SIZE];
        text_to_utf16(message, wide, LINE_SIZE);
        callback(level, timestamp != 0 ? timestamp : platform_filetime(), wide);
    }
}

void
log_line(WINTUN_LOGGER_LEVEL level, const char *format, ...)
{
    char message[LINE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    emit(level, 0, message);
}

static void
run_log_thread(void *argument)
{
    log_thread *self = argument;
    for (DWORD i = 0; i < self->count; i++) {
        emit(self->level, self->timestamp, self->message);
    }
    atom_u32_store(&self->ended, 1);
}

static void
finish(log_thread *self)
{
    platform_thread_join(self->thread);
    free(self);
}

void
log_reap_threads(void)
{
    log_thread *ended = NULL;
    global_lock();
    for (log_thread **link = &threads; *link != NULL;) {
        log_thread *found = *link;
        if (atom_u32_load(&found->ended) != 0) {
            *link = found->next;
            found->next = ended;
            ended = found;
        } else {
            link = &found->next;
        }
    }
    global_unlock();
    while (ended != NULL) {
        log_thread *next = ended->next;
        finish(ended);
        ended = next;
    }
}

DWORD
log_from_thread(WINTUN_LOGGER_LEVEL level, DWORD64 timestamp, const char *message, DWORD count,
                BOOL wait)
{
    log_reap_threads();
    log_thread *self = calloc(1, sizeof(*self));
    if (self == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    self->level = level;
    self->timestamp = timestamp;
    self->count = count;
    (void)snprintf(self->message, sizeof(self->message), "%s", message);
    if (!platform_thread_start(&self->thread, run_log_thread, self)) {
        free(self);
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    if (wait) {
        finish(self);
    } else {
        global_lock();
        self->next = threads;
        threads = self;
        global_unlock();
    }
    return ERROR_SUCCESS;
}
