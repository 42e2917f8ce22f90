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

/* The HRESULT of ERROR_ALREADY_EXISTS, which the system gives for a GUID that a device has. */
#define GUID_IN_USE 0x800700B7

/* Far from the numbers of real interfaces, so that one is not taken for the other. */
#define FIRST_INTERFACE_INDEX 10000

static adapter *all;
static DWORD handles;
static DWORD foreign_version; /* of a driver that another program has loaded */
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
    adapter *found = all;
    while (found != NULL && !text_is_same_name(found->connection.name, name)) {
        found = found->next;
    }
    return found;
}

/* Needs the global lock. */
static bool
has_guid(const GUID *guid)
{
    const adapter *found = all;
    while (found != NULL && memcmp(&found->guid, guid, sizeof(*guid)) != 0) {
        found = found->next;
    }
    return found != NULL;
}

adapter *
adapter_find(const char *utf8)
{
    adapter *found;
    global_lock();
    for (found = all; found != NULL && !text_is_same_in_utf8(found->connection.name, utf8);
         found = found->next) {
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
        if (luid->Value != 0 ? found->connection.luid.Value == luid->Value
                             : found->index == index) {
            found->references++;
            break;
        }
    }
    global_unlock();
    return found;
}

void
adapter_copy_name(adapter *self, WCHAR name[WINTUN_MAX_ADAPTER_NAME])
{
    global_lock();
    memcpy(name, self->connection.name, sizeof(self->connection.name));
    global_unlock();
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
    if (guid != NULL) {
        self->guid = *guid;
    } else {
        make_guid(&self->guid);
    }
    uint32_t number = ++last_number & 0xFFFFFF;
    self->connection.luid.Value = (ULONG64)INTERFACE_TYPE << 48 | (ULONG64)number << 24;
    self->index = FIRST_INTERFACE_INDEX + number;
    char utf8[4 * WINTUN_MAX_ADAPTER_NAME];
    text_to_utf8(name, utf8, sizeof(utf8));
    self->wanted = settings_of(utf8);
    if (!interfaces_init(&self->ip, self->connection.luid, self->index, self->wanted.delay_ms)) {
        destroy(self);
        return NULL;
    }
    return self;
}

/* Needs the global lock. The driver makes the device before it gives it the name. */
static DWORD
check_new(const WCHAR *name, const GUID *guid)
{
    if (guid != NULL && has_guid(guid)) {
        return GUID_IN_USE;
    }
    return connection_check_name(name);
}

struct WINTUN_ADAPTER *
adapter_create(const WCHAR *name, const GUID *guid, connection_renaming *renamed, DWORD *code)
{
    struct WINTUN_ADAPTER *handle = NULL;
    adapter *self = NULL;
    global_lock();
    *code = check_new(name, guid);
    if (*code == ERROR_SUCCESS) {
        self = make_adapter(name, guid);
        *code = self != NULL ? connection_add(&self->connection, name, renamed)
                             : ERROR_NOT_ENOUGH_MEMORY;
    }
    if (*code == ERROR_SUCCESS) {
        handle = make_handle(self, true);
        if (handle != NULL) {
            self->listed = true;
            self->next = all;
            all = self;
        } else {
            connection_remove(&self->connection);
            *code = ERROR_NOT_ENOUGH_MEMORY;
        }
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
    if (self != NULL && atom_u32_load(&self->disabled) != 0) {
        *code = WAIT_TIMEOUT; /* after the time that the driver waits for the interface */
    } else if (self != NULL) {
        *code = ERROR_NOT_ENOUGH_MEMORY;
        handle = make_handle(self, false);
        self->references += handle != NULL ? 1 : 0;
    }
    global_unlock();
    return handle;
}

/* The session stays the client's until it ends it, and is the adapter's no more. Needs the
 * adapter's lock. */
static void
end_session(adapter *self)
{
    if (self->session != NULL) {
        self->terminate(self->session);
        self->session = NULL;
        atom_u32_store(&self->ip.up, 0);
    }
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
        connection_remove(&self->connection);
    }
    global_unlock();
    platform_mutex_lock(&self->lock);
    self->removed = true;
    end_session(self);
    platform_mutex_unlock(&self->lock);
}

void
adapter_set_enabled(adapter *self, bool enabled)
{
    platform_mutex_lock(&self->lock);
    atom_u32_store(&self->disabled, enabled ? 0 : 1);
    interfaces_set_enabled(&self->ip, enabled);
    if (!enabled) {
        end_session(self);
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
    DWORD version = foreign_version != 0 ? foreign_version : all != NULL ? DRIVER_VERSION : 0;
    global_unlock();
    return version;
}

void
adapter_set_driver_version(DWORD version)
{
    global_lock();
    foreign_version = version;
    global_unlock();
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
