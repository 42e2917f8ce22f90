/* SPDX-License-Identifier: MIT
 *
 * An adapter as several threads share it.
 */
#include "session.h"

#include <stdlib.h>

static atom_u32 forks;

static void
count_fork(void)
{
    (void)atom_u32_add(&forks, 1);
}

void
adapter_initialize(void)
{
    platform_on_fork(count_fork);
}

uint32_t
fork_count(void)
{
    return atom_u32_load(&forks);
}

shared_adapter *
adapter_share(const library *library, WINTUN_ADAPTER_HANDLE handle)
{
    shared_adapter *adapter = calloc(1, sizeof(*adapter));
    if (adapter == NULL) {
        library->wintun.CloseAdapter(handle);
        return NULL;
    }
    atom_u32_store(&adapter->references, 1);
    adapter->library = library;
    adapter->handle = handle;
    adapter->process = fork_count();
    platform_mutex_init(&adapter->lock);
    library->wintun.GetAdapterLUID(handle, &adapter->luid);
    return adapter;
}

void
adapter_reference(shared_adapter *adapter)
{
    (void)atom_u32_add(&adapter->references, 1);
}

void
adapter_unreference(shared_adapter *adapter)
{
    if (atom_u32_add(&adapter->references, UINT32_MAX) == 1) {
        platform_mutex_destroy(&adapter->lock);
        free(adapter);
    }
}

bool
adapter_enter(shared_adapter *adapter)
{
    return adapter_is_ours(adapter) && gate_enter(&adapter->gate);
}

bool
adapter_is_ours(const shared_adapter *adapter)
{
    return adapter->process == fork_count();
}

/* Called exactly once, by the adapter's last user. */
static void
finish(shared_adapter *adapter)
{
    adapter->library->wintun.CloseAdapter(adapter->handle);
    atom_u32_store(&adapter->over, 1);
}

void
adapter_leave(shared_adapter *adapter)
{
    if (gate_leave(&adapter->gate)) {
        finish(adapter);
    }
}

void
adapter_unhold(shared_adapter *adapter)
{
    if (gate_unhold(&adapter->gate, 1)) {
        finish(adapter);
    }
}

shared_session *
adapter_session(shared_adapter *adapter)
{
    platform_mutex_lock(&adapter->lock);
    shared_session *session = adapter->session;
    if (session != NULL) {
        session_reference(session);
    }
    platform_mutex_unlock(&adapter->lock);
    return session;
}

static bool
has_calls(void *adapter)
{
    return gate_has_calls(&((shared_adapter *)adapter)->gate);
}

static bool
is_ending(void *adapter)
{
    shared_adapter *ending = adapter;
    return atom_u32_load(&ending->over) == 0 && !gate_has_holds(&ending->gate);
}

void
adapter_close(shared_adapter *adapter)
{
    /* In this order a session that is being started either is seen below or sees the closed gate.
     */
    gate_closing closing = gate_close(&adapter->gate);
    if (!adapter_is_ours(adapter)) {
        return;
    }
    if (closing == GATE_UNUSED) {
        finish(adapter);
    }
    shared_session *session = adapter_session(adapter);
    if (session != NULL) {
        session_end(session);
        session_unreference(session);
    }
    wait_while(has_calls, adapter);
    wait_while(is_ending, adapter);
}
