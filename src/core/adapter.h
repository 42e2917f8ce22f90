/* SPDX-License-Identifier: MIT
 *
 * An adapter as several threads share it.
 *
 * Calls use it, and its session holds it (lifetime.h). Everything here is called without the GIL,
 * except where it says otherwise.
 */
#ifndef CORE_ADAPTER_H
#define CORE_ADAPTER_H

#include "library.h"
#include "lifetime.h"

typedef struct shared_adapter {
    lifetime life;
    const library *library;
    WINTUN_ADAPTER_HANDLE handle;
    NET_LUID luid;
    platform_mutex lock;  /* guards session */
    lifetime *session;    /* the one that has not ended; a reference */
    atom_u32 waited_ipv4; /* its interface was waited for in vain */
    atom_u32 waited_ipv6;
} shared_adapter;

/* Wraps a handle that was just created or opened. NULL: no memory; the handle is then closed. */
shared_adapter *adapter_share(const library *library, WINTUN_ADAPTER_HANDLE handle);
void adapter_reference(shared_adapter *adapter);
void adapter_unreference(shared_adapter *adapter);

/* Whether it can be used: it is neither closed nor another process's. With or without the GIL. */
bool adapter_is_open(shared_adapter *adapter);

/* False if it cannot be used. */
bool adapter_enter(shared_adapter *adapter);
void adapter_leave(shared_adapter *adapter);

/* Whether the system knows no such adapter any more: it was removed. Between adapter_enter and
 * adapter_leave. One that is disabled is still known. */
bool adapter_is_removed(const shared_adapter *adapter);

/* Waits, not longer than PATIENCE_NS, for the adapter's session to be over if it is closed: packets
 * may still be held of it, most often for a moment. */
void adapter_wait_for_closed_session(shared_adapter *adapter);

/* Makes a session, which has started, the adapter's: it holds the adapter, and is closed with it.
 * Inside adapter_enter. */
void adapter_attach_session(shared_adapter *adapter, lifetime *session);

/* Undoes that when the session has ended. True: a reference to the session that the adapter had is
 * the caller's. */
bool adapter_detach_session(shared_adapter *adapter, lifetime *session);

/* Closes the adapter and its session, and returns when it is over or packets are held. Any number
 * of times. */
void adapter_close(shared_adapter *adapter);

#endif
