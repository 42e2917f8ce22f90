/* SPDX-License-Identifier: MIT
 *
 * An adapter as several threads share it.
 */
#include "adapter.h"

#include <stdlib.h>

/* The session that is not over, as a new reference, or NULL. */
static lifetime *
current_session(shared_adapter *adapter)
{
    platform_mutex_lock(&adapter->lock);
    lifetime *session = adapter->session;
    if (session != NULL) {
        lifetime_reference(session);
    }
    platform_mutex_unlock(&adapter->lock);
    return session;
}

static void
close_session(lifetime *life)
{
    lifetime *session = current_session((shared_adapter *)life);
    if (session != NULL) {
        lifetime_close(session);
        lifetime_unreference(session);
    }
}

static void
clear_nothing(lifetime *life)
{
    (void)life;
}

static void
close_handle(lifetime *life)
{
    shared_adapter *adapter = (shared_adapter *)life;
    adapter->library->wintun.CloseAdapter(adapter->handle);
}

static void
destroy(lifetime *life)
{
    shared_adapter *adapter = (shared_adapter *)life;
    platform_mutex_destroy(&adapter->lock);
    free(adapter);
}

static const lifetime_rules rules = {close_session, clear_nothing, close_handle, destroy};

bool
adapter_is_removed(const shared_adapter *adapter)
{
    const IP_HELPER_API *api = &adapter->library->ip_helper;
    NET_IFINDEX index;
    /* Both arguments are valid, so this is its answer to a LUID that no interface has. */
    return api->ConvertInterfaceLuidToIndex != NULL &&
           api->ConvertInterfaceLuidToIndex(&adapter->luid, &index) == ERROR_INVALID_PARAMETER;
}

shared_adapter *
adapter_share(const library *library, WINTUN_ADAPTER_HANDLE handle)
{
    shared_adapter *adapter = calloc(1, sizeof(*adapter));
    if (adapter == NULL) {
        library->wintun.CloseAdapter(handle);
        return NULL;
    }
    lifetime_begin(&adapter->life, &rules, fork_count());
    adapter->library = library;
    adapter->handle = handle;
    platform_mutex_init(&adapter->lock);
    library->wintun.GetAdapterLUID(handle, &adapter->luid);
    return adapter;
}

void
adapter_reference(shared_adapter *adapter)
{
    lifetime_reference(&adapter->life);
}

void
adapter_unreference(shared_adapter *adapter)
{
    lifetime_unreference(&adapter->life);
}

bool
adapter_is_open(shared_adapter *adapter)
{
    return lifetime_is_open(&adapter->life);
}

bool
adapter_enter(shared_adapter *adapter)
{
    return lifetime_enter(&adapter->life);
}

void
adapter_leave(shared_adapter *adapter)
{
    lifetime_give_back(&adapter->life, GATE_CALL);
}

void
adapter_wait_for_closed_session(shared_adapter *adapter)
{
    lifetime *before = current_session(adapter);
    if (before != NULL) {
        if (!lifetime_is_open(before)) {
            lifetime_wait_over(before);
        }
        lifetime_unreference(before);
    }
}

void
adapter_attach_session(shared_adapter *adapter, lifetime *session)
{
    lifetime_reference(session);
    gate_take(&adapter->life.gate, GATE_HOLD);
    platform_mutex_lock(&adapter->lock);
    /* One that has ended at the API, so that this one could start, but has not said so yet. */
    lifetime *before = adapter->session;
    adapter->session = session;
    platform_mutex_unlock(&adapter->lock);
    if (before != NULL) {
        lifetime_unreference(before);
    }
}

bool
adapter_detach_session(shared_adapter *adapter, lifetime *session)
{
    platform_mutex_lock(&adapter->lock);
    bool attached = adapter->session == session;
    if (attached) {
        adapter->session = NULL;
    }
    platform_mutex_unlock(&adapter->lock);
    lifetime_give_back(&adapter->life, GATE_HOLD);
    return attached;
}

void
adapter_close(shared_adapter *adapter)
{
    lifetime_close(&adapter->life);
}
