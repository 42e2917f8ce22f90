/* SPDX-License-Identifier: MIT
 *
 * The adapters of the process.
 */
#include "adapter.h"

#include <stdlib.h>
#include <string.h>

#include "global.h"
#include "text.h"

#define DRIVER_VERSION 14 /* 0.14 */

/* IF_TYPE_PROP_VIRTUAL, the type of a Wintun adapter. */
#define INTERFACE_TYPE 53

/* Far from the numbers of real interfaces, so that one is not taken for the other. */
#define FIRST_INTERFACE_INDEX 10000

static adapter *all;
static DWORD handles;
static DWORD driver_version;
static uint32_t last_number;

/* --- References ------------------------------------------------------------------------------ */

static void
destroy(adapter *self)
{
    settings_clear(&self->wanted);
    interfaces_destroy(&self->ip);
    platform_mutex_destroy(&self->lock);
    free(self);
}

void
adapter_retain(adapter *self)
{
    global_lock();
    self->references++;
    global_unlock();
}

void
adapter_release(adapter *self)
{
    global_lock();
    bool last = --self->references == 0;
    global_unlock();
    if (last) {
        destroy(self);
    }
}

/* Needs the global lock. */
static adapter *
find_name(const WCHAR *name)
{
    for (adapter *found = all; found != NULL; found = found->next) {
        size_t length = text_utf16_length(found->name, WINTUN_MAX_ADAPTER_NAME);
        if (text_utf16_length(name, WINTUN_MAX_ADAPTER_NAME) == length &&
            memcmp(found->name, name, length * sizeof(WCHAR)) == 0) {
            return found;
        }
    }
    return NULL;
}

adapter *
adapter_find(const char *utf8)
{
    adapter *found;
    global_lock();
    for (found = all; found != NULL && strcmp(found->utf8, utf8) != 0; found = found->next) {
    }
    if (found != NULL) {
        found->references++;
    }
    global_unlock();
    return found;
}

adapter *
adapter_find_interface(const NET_LUID *luid, NET_IFINDEX index)
{
    adapter *found;
    global_lock();
    for (found = all; found != NULL; found = found->next) {
        if (luid->Value != 0 ? found->luid.Value == luid->Value : found->index == index) {
            found->references++;
            break;
        }
    }
    global_unlock();
    return found;
}

bool
adapter_find_alias(const WCHAR *name, NET_LUID *luid)
{
    global_lock();
    adapter *found = all;
    while (found != NULL && !text_is_same_name(found->name, name)) {
        found = found->next;
    }
    if (found != NULL) {
        *luid = found->luid;
    }
    global_unlock();
    return found != NULL;
}

void
adapter_visit(adapter_visitor visit, void *context)
{
    global_lock();
    for (adapter *found = all; found != NULL; found = found->next) {
        visit(context, found);
    }
    global_unlock();
}

/* --- Handles --------------------------------------------------------------------------------- */

/* Takes over a reference. Needs the global lock. */
static struct WINTUN_ADAPTER *
make_handle(adapter *self, bool creator)
{
    struct WINTUN_ADAPTER *handle = malloc(sizeof(*handle));
    if (handle != NULL) {
        handle->adapter = self;
        handle->creator = creator;
        handles++;
        driver_version = DRIVER_VERSION;
    }
    return handle;
}

static void
make_guid(GUID *guid)
{
    uint64_t halves[2] = {global_random(), global_random()};
    memcpy(guid, halves, sizeof(*guid));
    guid->Data3 = (uint16_t)((guid->Data3 & 0x0FFF) | 0x4000); /* version 4: random */
    guid->Data4[0] = (uint8_t)((guid->Data4[0] & 0x3F) | 0x80);
}

/* Needs the global lock. NULL if there is no memory. */
static adapter *
make_adapter(const WCHAR *name, const GUID *guid)
{
    adapter *self = calloc(1, sizeof(*self));
    if (self == NULL) {
        return NULL;
    }
    platform_mutex_init(&self->lock);
    self->references = 1;
    memcpy(self->name, name, text_utf16_length(name, WINTUN_MAX_ADAPTER_NAME) * sizeof(WCHAR));
    text_to_utf8(self->name, self->utf8, sizeof(self->utf8));
    if (guid != NULL) {
        self->guid = *guid;
    } else {
        make_guid(&self->guid);
    }
    uint32_t number = ++last_number & 0xFFFFFF;
    self->luid.Value = (ULONG64)INTERFACE_TYPE << 48 | (ULONG64)number << 24;
    self->index = FIRST_INTERFACE_INDEX + number;
    self->wanted = settings_of(self->utf8);
    if (!interfaces_init(&self->ip, self->luid, self->index, self->wanted.delay_ms)) {
        destroy(self);
        return NULL;
    }
    return self;
}

struct WINTUN_ADAPTER *
adapter_create(const WCHAR *name, const GUID *guid, DWORD *code)
{
    struct WINTUN_ADAPTER *handle = NULL;
    adapter *self = NULL;
    global_lock();
    *code = ERROR_ALREADY_EXISTS;
    if (find_name(name) == NULL) {
        *code = ERROR_NOT_ENOUGH_MEMORY;
        self = make_adapter(name, guid);
        handle = self != NULL ? make_handle(self, true) : NULL;
    }
    if (handle != NULL) {
        self->listed = true;
        self->next = all;
        all = self;
    }
    global_unlock();
    if (handle == NULL && self != NULL) {
        adapter_release(self);
    }
    return handle;
}

struct WINTUN_ADAPTER *
adapter_open(const WCHAR *name, DWORD *code)
{
    struct WINTUN_ADAPTER *handle = NULL;
    global_lock();
    *code = ERROR_NOT_FOUND;
    adapter *self = find_name(name);
    if (self != NULL) {
        *code = ERROR_NOT_ENOUGH_MEMORY;
        handle = make_handle(self, false);
        self->references += handle != NULL ? 1 : 0;
    }
    global_unlock();
    return handle;
}

void
adapter_remove(adapter *self)
{
    global_lock();
    if (self->listed) {
        adapter **link = &all;
        while (*link != self) {
            link = &(*link)->next;
        }
        *link = self->next;
        self->listed = false;
    }
    global_unlock();
    platform_mutex_lock(&self->lock);
    self->removed = true;
    if (self->session != NULL) {
        self->terminate(self->session);
    }
    platform_mutex_unlock(&self->lock);
}

void
adapter_close(struct WINTUN_ADAPTER *handle)
{
    if (handle->creator) {
        adapter_remove(handle->adapter);
    }
    global_lock();
    handles--;
    global_unlock();
    adapter_release(handle->adapter);
    free(handle);
}

/* --- The driver ------------------------------------------------------------------------------ */

DWORD
adapter_driver_version(void)
{
    global_lock();
    DWORD version = driver_version;
    global_unlock();
    return version;
}

bool
adapter_unload_driver(void)
{
    global_lock();
    bool unused = all == NULL;
    if (unused) {
        driver_version = 0;
    }
    global_unlock();
    return unused;
}

void
adapter_count(DWORD *adapters, DWORD *adapter_handles)
{
    global_lock();
    *adapters = 0;
    for (const adapter *found = all; found != NULL; found = found->next) {
        *adapters += 1;
    }
    *adapter_handles = handles;
    global_unlock();
}
