/* SPDX-License-Identifier: MIT
 *
 * The adapters of the process. An adapter is in the list, with its name taken, from its creation to
 * its removal; it stays in memory for as long as a handle, a session or a call refers to it.
 */
#ifndef SIMULATOR_ADAPTER_H
#define SIMULATOR_ADAPTER_H

#include "counters.h"
#include "interfaces.h"
#include "wintun.h"

typedef struct adapter {
    struct adapter *next; /* next, references, listed, wanted: under the global lock */
    uint32_t references;
    bool listed;
    settings wanted;

    platform_mutex lock; /* over session, terminate and removed */
    struct WINTUN_SESSION *session;
    void (*terminate)(struct WINTUN_SESSION *session); /* ends the rings of one */
    bool removed;

    WCHAR name[WINTUN_MAX_ADAPTER_NAME];
    char utf8[WINTUN_MAX_ADAPTER_NAME * 3];
    GUID guid;
    NET_LUID luid;
    NET_IFINDEX index;
    interfaces ip;
    counters counters;
} adapter;

/* A handle of the API. */
struct WINTUN_ADAPTER {
    adapter *adapter;
    bool creator; /* closing it removes the adapter */
};

/* Return a handle, or NULL and a Win32 code. */
struct WINTUN_ADAPTER *adapter_create(const WCHAR *name, const GUID *guid, DWORD *code);
struct WINTUN_ADAPTER *adapter_open(const WCHAR *name, DWORD *code);
void adapter_close(struct WINTUN_ADAPTER *handle);

/* Takes the adapter out of the list and ends its session's rings. */
void adapter_remove(adapter *self);

/* Return a counted reference, or NULL. The second goes by the LUID, or by the index if that is 0.
 */
adapter *adapter_find(const char *utf8);
adapter *adapter_find_interface(const NET_LUID *luid, NET_IFINDEX index);

/* Stores the LUID of the adapter that the system shows under a name, whose case does not matter;
 * false if there is none. */
bool adapter_find_alias(const WCHAR *name, NET_LUID *luid);

void adapter_retain(adapter *self);
void adapter_release(adapter *self);

/* Calls visit for each adapter of the list, with the global lock held. */
typedef void (*adapter_visitor)(void *context, adapter *self);
void adapter_visit(adapter_visitor visit, void *context);

/* The version of the driver, 0 while none is loaded; loaded by the first adapter. */
DWORD adapter_driver_version(void);

/* False if an adapter exists. */
bool adapter_unload_driver(void);

void adapter_count(DWORD *adapters, DWORD *handles);

#endif
