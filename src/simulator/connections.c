/* SPDX-License-Identifier: MIT
 *
 * The names of network connections.
 */
#include "connections.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

/* IF_TYPE_ETHERNET_CSMACD. */
#define ETHERNET_TYPE 6

static connection *all;
static ULONG64 foreign_number;

connection *
connection_find(const WCHAR *name)
{
    connection *found = all;
    while (found != NULL && !text_is_same_name(found->name, name)) {
        found = found->next;
    }
    return found;
}

const connection *
connection_at(DWORD index)
{
    const connection *found = all;
    while (found != NULL && index-- > 0) {
        found = found->next;
    }
    return found;
}

/* Windows refuses what it refuses in the names of files. */
static bool
is_refused(WCHAR unit)
{
    static const char refused[] = "\\/:*?\"<>|";
    return unit < 0x20 || (unit < 0x80 && strchr(refused, (int)unit) != NULL);
}

DWORD
connection_check_name(const WCHAR *name)
{
    size_t length = text_utf16_length(name, WINTUN_MAX_ADAPTER_NAME);
    if (length == WINTUN_MAX_ADAPTER_NAME) {
        return ERROR_BUFFER_OVERFLOW;
    }
    for (size_t i = 0; i < length; i++) {
        if (is_refused(name[i])) {
            return ERROR_INVALID_NAME;
        }
    }
    return length > 0 ? ERROR_SUCCESS : ERROR_INVALID_NAME;
}

/* Writes name, a space and a number; false if it has no room. */
static bool
write_numbered(WCHAR *numbered, const WCHAR *name, unsigned number)
{
    WCHAR digits[10];
    size_t count = 0;
    for (; number > 0; number /= 10) {
        digits[count++] = (WCHAR)('0' + number % 10);
    }
    size_t length = text_utf16_length(name, WINTUN_MAX_ADAPTER_NAME);
    if (length + 1 + count >= WINTUN_MAX_ADAPTER_NAME) {
        return false;
    }
    memcpy(numbered, name, length * sizeof(WCHAR));
    numbered[length++] = ' ';
    while (count > 0) {
        numbered[length++] = digits[--count];
    }
    numbered[length] = 0;
    return true;
}

static void
set_name(WCHAR *target, const WCHAR *name)
{
    size_t length = text_utf16_length(name, WINTUN_MAX_ADAPTER_NAME - 1);
    memcpy(target, name, length * sizeof(WCHAR));
    target[length] = 0;
}

DWORD
connection_add(connection *self, const WCHAR *name, connection_renaming *renamed)
{
    connection *other = connection_find(name);
    renamed->before[0] = 0;
    if (other != NULL) {
        unsigned number = 1;
        do {
            if (!write_numbered(renamed->after, name, number++)) {
                return ERROR_BUFFER_OVERFLOW;
            }
        } while (connection_find(renamed->after) != NULL);
        set_name(renamed->before, other->name);
        renamed->foreign = other->foreign;
        set_name(other->name, renamed->after);
    }
    set_name(self->name, name);
    self->next = all;
    all = self;
    return ERROR_SUCCESS;
}

void
connection_remove(connection *self)
{
    connection **link = &all;
    while (*link != self) {
        link = &(*link)->next;
    }
    *link = self->next;
}

DWORD
connection_add_foreign(const WCHAR *name)
{
    connection_renaming renamed;
    DWORD code = connection_check_name(name);
    if (code != ERROR_SUCCESS) {
        return code;
    }
    if (connection_find(name) != NULL) {
        return ERROR_ALREADY_EXISTS;
    }
    connection *self = calloc(1, sizeof(*self));
    if (self == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    self->foreign = true;
    self->luid.Value = (ULONG64)ETHERNET_TYPE << 48 | (++foreign_number & 0xFFFFFF) << 24;
    return connection_add(self, name, &renamed);
}

DWORD
connection_remove_foreign(const WCHAR *name)
{
    connection *found = connection_find(name);
    if (found == NULL || !found->foreign) {
        return ERROR_NOT_FOUND;
    }
    connection_remove(found);
    free(found);
    return ERROR_SUCCESS;
}

void
connection_reset(void)
{
    connection **link = &all;
    while (*link != NULL) {
        connection *found = *link;
        if (found->foreign) {
            *link = found->next;
            free(found);
        } else {
            link = &found->next;
        }
    }
}
