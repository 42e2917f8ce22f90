/* SPDX-License-Identifier: MIT
 *
 * Putting off log lines.
 */
#include "quiet.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Lines are short; a message without an end is cut here. */
#define LONGEST_MESSAGE 0x10000

struct quiet_line {
    struct quiet_line *next;
    WINTUN_LOGGER_LEVEL level;
    DWORD64 timestamp;
    bool has_message;
    WCHAR message[];
};

static WINTUN_LOGGER_CALLBACK pass;
static platform_slot slot; /* the quiet of each thread that holds a lock */

bool
quiet_initialize(WINTUN_LOGGER_CALLBACK logger)
{
    pass = logger;
    return platform_slot_new(&slot);
}

static size_t
length_of(const WCHAR *message)
{
    size_t length = 0;
    while (message != NULL && length < LONGEST_MESSAGE && message[length] != 0) {
        length++;
    }
    return length;
}

/* Without memory for it the line is lost: nobody could be told of it here. */
static void
put_off(quiet *lines, WINTUN_LOGGER_LEVEL level, DWORD64 timestamp, const WCHAR *message)
{
    size_t length = length_of(message);
    struct quiet_line *line = malloc(sizeof(*line) + (length + 1) * sizeof(WCHAR));
    if (line == NULL) {
        return;
    }
    line->next = NULL;
    line->level = level;
    line->timestamp = timestamp;
    line->has_message = message != NULL;
    if (length > 0) {
        memcpy(line->message, message, length * sizeof(WCHAR));
    }
    line->message[length] = 0;
    struct quiet_line **end = &lines->first;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = line;
}

void CALLBACK
quiet_log(WINTUN_LOGGER_LEVEL level, DWORD64 timestamp, const WCHAR *message)
{
    DWORD error = platform_thread_error();
    quiet *lines = platform_slot_get(&slot);
    if (lines != NULL) {
        put_off(lines, level, timestamp, message);
    } else {
        pass(level, timestamp, message);
    }
    platform_set_thread_error(error);
}

void
quiet_lock(platform_mutex *lock, quiet *lines)
{
    platform_mutex_lock(lock);
    lines->first = NULL;
    platform_slot_set(&slot, lines);
}

void
quiet_unlock(platform_mutex *lock, quiet *lines)
{
    struct quiet_line *line = lines->first;
    platform_slot_set(&slot, NULL);
    platform_mutex_unlock(lock);
    while (line != NULL) {
        struct quiet_line *next = line->next;
        pass(line->level, line->timestamp, line->has_message ? line->message : NULL);
        free(line);
        line = next;
    }
}
