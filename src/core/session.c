/* SPDX-License-Identifier: MIT
 *
 * A session as several threads share it: start, events for loops, end.
 */
#include "session.h"

#include <stdlib.h>

/* --- Life ------------------------------------------------------------------------------------- */

static void
wake_all(lifetime *life)
{
    /* Also with nobody inside: an event loop may watch a duplicate of it. */
    platform_event_set(&((shared_session *)life)->cancel);
}

/* Drops what was read ahead and nobody will read; one of these packets may be in the ring. */
static void
drop_store(lifetime *life)
{
    shared_session *session = (shared_session *)life;
    store *ahead = session->ahead;
    uint64_t owned = 0;
    store_lock(ahead);
    while (!store_is_empty(ahead)) {
        const BYTE *in_ring = store_front(ahead)->in_ring;
        store_pop(ahead);
        atom_u64_count(&session->statistics.packets_unread, 1);
        if (in_ring != NULL) {
            session->api->ReleaseReceivePacket(session->handle, in_ring);
            owned += GATE_HOLD;
        }
    }
    store_unlock(ahead);
    if (owned > 0) {
        session_give_back(session, owned);
    }
}

static void
end_handle(lifetime *life)
{
    shared_session *session = (shared_session *)life;
    session->api->EndSession(session->handle);
    if (adapter_detach_session(session->adapter, life)) {
        session_unreference(session);
    }
}

static void
destroy(lifetime *life)
{
    shared_session *session = (shared_session *)life;
    platform_event_close(&session->cancel);
    platform_event_close(&session->baton);
    platform_event_close(&session->loop_baton);
    store_free(session->ahead);
    adapter_unreference(session->adapter);
    free(session);
}

static const lifetime_rules rules = {wake_all, drop_store, end_handle, destroy};

void
session_end(shared_session *session)
{
    lifetime_close(&session->life);
}

bool
session_is_terminating(shared_session *session)
{
    if (atom_u32_load(&session->terminating) == 0 && session_enter(session)) {
        if (adapter_is_removed(session->adapter)) {
            atom_u32_store(&session->terminating, 1);
        }
        session_give_back(session, GATE_CALL);
    }
    return atom_u32_load(&session->terminating) != 0;
}

uint64_t
session_packets_held(shared_session *session)
{
    uint64_t holds = gate_holds(&session->life.gate);
    uint64_t ahead = store_in_ring(session->ahead);
    return holds > ahead ? holds - ahead : 0; /* the two were not seen at one instant */
}

/* --- Start ------------------------------------------------------------------------------------ */

/* OUTCOME_FAILED: the system has no more events. */
static outcome
new_session(shared_adapter *adapter, shared_session **made)
{
    outcome result = OUTCOME_NO_MEMORY;
    shared_session *session = calloc(1, sizeof(*session));
    if (session == NULL) {
        return result;
    }
    session->ahead = store_new();
    if (session->ahead == NULL) {
        goto cleanup_session;
    }
    result = OUTCOME_FAILED;
    if (!platform_event_create(&session->cancel, true)) {
        goto cleanup_store;
    }
    if (!platform_event_create(&session->baton, false)) {
        goto cleanup_cancel;
    }
    if (!platform_event_create(&session->loop_baton, false)) {
        goto cleanup_baton;
    }
    lifetime_begin(&session->life, &rules, adapter->life.process);
    atom_u32_store(&session->spin_us, DEFAULT_SPIN_US);
    session->api = &adapter->library->wintun;
    session->last_error = adapter->library->last_error;
    adapter_reference(adapter);
    session->adapter = adapter;
    *made = session;
    return OUTCOME_DONE;
cleanup_baton:
    platform_event_close(&session->baton);
cleanup_cancel:
    platform_event_close(&session->cancel);
cleanup_store:
    store_free(session->ahead);
cleanup_session:
    free(session);
    return result;
}

/* Starts the API's session and finds its event; false with *code and *function on failure. */
static bool
open_handle(shared_session *session, DWORD capacity, DWORD *code, const char **function)
{
    *function = "WintunStartSession";
    session->handle = session->api->StartSession(session->adapter->handle, capacity);
    if (session->handle == NULL) {
        *code = session->last_error();
        return false;
    }
    *function = "WintunGetReadWaitEvent";
    session->read_event = session->api->GetReadWaitEvent(session->handle);
    if (session->read_event == NULL) {
        *code = session->last_error();
        session->api->EndSession(session->handle);
        return false;
    }
    return true;
}

static outcome
start_inside(shared_adapter *adapter, DWORD capacity, shared_session **started, DWORD *code,
             const char **function)
{
    adapter_wait_for_closed_session(adapter);
    shared_session *session = NULL;
    outcome made = new_session(adapter, &session);
    if (made != OUTCOME_DONE) {
        *function = "CreateEvent";
        *code = ERROR_NOT_ENOUGH_MEMORY;
        return made;
    }
    if (!open_handle(session, capacity, code, function)) {
        session_unreference(session);
        return OUTCOME_FAILED;
    }
    adapter_attach_session(adapter, &session->life);
    if (gate_is_closed(&adapter->life.gate)) {
        /* Closed meanwhile, and whoever closed it may not have seen this session. */
        session_end(session);
        session_unreference(session);
        return OUTCOME_CLOSED;
    }
    *started = session;
    return OUTCOME_DONE;
}

outcome
session_start(shared_adapter *adapter, DWORD capacity, shared_session **started, DWORD *code,
              const char **function)
{
    if (!adapter_enter(adapter)) {
        return OUTCOME_CLOSED;
    }
    outcome result = start_inside(adapter, capacity, started, code, function);
    adapter_leave(adapter);
    return result;
}

/* --- Event loops ------------------------------------------------------------------------------ */

static bool
duplicate_events(shared_session *session, loop_events *events)
{
    if (!platform_handle_duplicate(session->read_event, &events->packets)) {
        return false;
    }
    if (!platform_handle_duplicate(session->loop_baton.wait, &events->baton)) {
        goto close_packets;
    }
    if (!platform_handle_duplicate(session->cancel.wait, &events->closed)) {
        goto close_baton;
    }
    return true;
close_baton:
    platform_handle_close(events->baton);
close_packets:
    platform_handle_close(events->packets);
    return false;
}

outcome
session_begin_watch(shared_session *session, loop_events *events)
{
    if (!session_enter(session)) {
        return OUTCOME_CLOSED;
    }
    bool duplicated = duplicate_events(session, events);
    if (duplicated) {
        /* Before the loop's tasks look at the ring, as a thread counts itself among the waiters. */
        (void)atom_u32_add(&session->watches, 1);
    }
    session_give_back(session, GATE_CALL);
    return duplicated ? OUTCOME_DONE : OUTCOME_FAILED;
}

void
session_end_watch(shared_session *session)
{
    uint32_t watches = atom_u32_load(&session->watches);
    while (watches > 0 && !atom_u32_cas(&session->watches, &watches, watches - 1)) {
    }
}
