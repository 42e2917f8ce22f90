/* SPDX-License-Identifier: MIT
 *
 * The adapters of the process. An adapter is in the list, with its name taken, from its creation to
 * its removal; it stays in memory for as long as a handle, a session or a call refers to it.
 */
#ifndef SIMULATOR_ADAPTER_H
#define SIMULATOR_ADAPTER_H

#include "connections.h"
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
    atom_u32 disabled;

    connection connection; /* with its name, under the global lock, and LUID */
    GUID guid;
    NET_IFINDEX index;
    interfaces ip;
    counters counters;
} adapter;

/* A handle of the API. */
struct WINTUN_ADAPTER {
    adapter *adapter;
    bool creator; /* closing it removes the adapter */
};

/* Return a handle, or NULL and a Win32 code. The first takes the name away from whoever has it. */
struct WINTUN_ADAPTER *adapter_create(const WCHAR *name, const GUID *guid,
                                      connection_renaming *renamed, DWORD *code);
struct WINTUN_ADAPTER *adapter_open(const WCHAR *name, DWORD *code);
void adapter_close(struct WINTUN_ADAPTER *handle);

/* Takes the adapter out of the list and ends its session's rings. */
void adapter_remove(adapter *self);

/* Disables the adapter, which ends its session's rings and takes its IP interfaces with what was
 * set on them, or enables it again. */
void adapter_set_enabled(adapter *self, bool enabled);

/* Return a counted reference, or NULL. The second goes by the LUID, or by the index if that is 0.
 */
adapter *adapter_find(const char *utf8);
adapter *adapter_find_interface(const NET_LUID *luid, NET_IFINDEX index);

/* The adapter's name at this moment. */
void adapter_copy_name(adapter *self, WCHAR name[WINTUN_MAX_ADAPTER_NAME]);

void adapter_retain(adapter *self);
void adapter_release(adapter *self);

/* Calls visit for each adapter of the list, with the global lock held. */
typedef void (*adapter_visitor)(void *context, adapter *self);
void adapter_visit(adapter_visitor visit, void *context);

/* The version of the driver that is loaded: by another program, or as long as there is an adapter;
 * 0 for none. */
DWORD adapter_driver_version(void);

/* Has another program load a driver of this version; 0: it is gone. */
void adapter_set_driver_version(DWORD version);

void adapter_count(DWORD *adapters, DWORD *handles);

#endif
