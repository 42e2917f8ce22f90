/* SPDX-License-Identifier: MIT
 *
 * A session as several threads share it: start, waiting, the two ring operations that can wait,
 * end.
 */
#include "receive.h"

#include <stdlib.h>

/* Attempts on a full ring: first again at once, then after yielding, then after sleeping. The sleep
 * is the system's shortest (on Windows up to 15.6 ms), so it comes late. */
#define BACK_OFF_SPINS 64
#define BACK_OFF_YIELDS 1024
#define BACK_OFF_SLEEP_NS INT64_C(1000000)

/* Traffic counts as heavy from here on: wireguard-go's 800 Mbit/s, or as many small packets as mean
 * that the next one is due within the time of the spin. */
#define HEAVY_BYTES_PER_S UINT64_C(100000000)
#define HEAVY_PACKETS_PER_S UINT64_C(80000)

/* The least time that the traffic is measured over. Short, for spinning is of use from the first
 * packets of a transfer on, and a wrong verdict costs no more than the spins of this time. */
#define MEASURE_NS UINT64_C(10000000)

/* --- References and the gate ------------------------------------------------------------------ */

void
session_reference(shared_session *session)
{
    (void)atom_u32_add(&session->references, 1);
}

void
session_unreference(shared_session *session)
{
    if (atom_u32_add(&session->references, UINT32_MAX) == 1) {
        platform_event_close(&session->cancel);
        platform_event_close(&session->baton);
        platform_event_close(&session->loop_baton);
        read_ahead_free(session->ahead);
        adapter_unreference(session->adapter);
        free(session);
    }
}

/* Ends the session at the API. Called exactly once, by its last user. */
static void
finish(shared_session *session)
{
    shared_adapter *adapter = session->adapter;
    session->api->EndSession(session->handle);
    platform_mutex_lock(&adapter->lock);
    bool registered = adapter->session == session;
    if (registered) {
        adapter->session = NULL;
    }
    platform_mutex_unlock(&adapter->lock);
    adapter_unhold(adapter);
    atom_u32_store(&session->over, 1);
    if (registered) {
        session_unreference(session);
    }
}

uint64_t
session_packets_held(shared_session *session)
{
    uint64_t holds = gate_holds(&session->gate);
    uint64_t ahead = read_ahead_in_ring(session->ahead);
    return holds > ahead ? holds - ahead : 0; /* the two were not seen at one instant */
}

bool
session_enter(shared_session *session)
{
    return adapter_is_ours(session->adapter) && gate_enter(&session->gate);
}

void
session_leave(shared_session *session)
{
    if (gate_leave(&session->gate)) {
        finish(session);
    }
}

void
session_unhold(shared_session *session, uint64_t count)
{
    if (gate_unhold(&session->gate, count)) {
        finish(session);
    }
}

void
wait_while(bool (*condition)(void *context), void *context)
{
    int64_t deadline_ns = platform_clock_ns() + SHARED_PATIENCE_NS;
    for (unsigned attempt = 0; condition(context) && platform_clock_ns() < deadline_ns; attempt++) {
        if (attempt < BACK_OFF_SPINS) {
            platform_yield();
        } else {
            platform_sleep_ns(BACK_OFF_SLEEP_NS);
        }
    }
}

static bool
has_calls(void *session)
{
    return gate_has_calls(&((shared_session *)session)->gate);
}

static bool
is_ending(void *session)
{
    shared_session *ending = session;
    return atom_u32_load(&ending->over) == 0 && !gate_has_holds(&ending->gate);
}

void
session_end(shared_session *session)
{
    gate_closing closing = gate_close(&session->gate);
    if (!adapter_is_ours(session->adapter)) {
        return;
    }
    if (closing != GATE_WAS_CLOSED) {
        /* Also with nobody inside: an event loop may watch a duplicate of it. */
        platform_event_set(&session->cancel);
    }
    if (closing == GATE_UNUSED) {
        read_ahead_discard(session);
        finish(session);
        return;
    }
    wait_while(has_calls, session);
    if (closing == GATE_IN_USE) {
        read_ahead_discard(session);
    }
    wait_while(is_ending, session);
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
    session->ahead = read_ahead_new();
    if (session->ahead == NULL) {
        goto cleanup_session;
    }
    result = OUTCOME_FAILED;
    if (!platform_event_create(&session->cancel, true)) {
        goto cleanup_ahead;
    }
    if (!platform_event_create(&session->baton, false)) {
        goto cleanup_cancel;
    }
    if (!platform_event_create(&session->loop_baton, false)) {
        goto cleanup_baton;
    }
    atom_u32_store(&session->references, 1);
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
cleanup_ahead:
    read_ahead_free(session->ahead);
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

static bool
is_not_over(void *session)
{
    return atom_u32_load(&((shared_session *)session)->over) == 0;
}

/* Of a session that is closed, packets may still be held: most often for a moment. */
static void
wait_for_closed_session(shared_adapter *adapter)
{
    shared_session *before = adapter_session(adapter);
    if (before != NULL) {
        if (gate_is_closed(&before->gate)) {
            wait_while(is_not_over, before);
        }
        session_unreference(before);
    }
}

static void
register_session(shared_session *session)
{
    shared_adapter *adapter = session->adapter;
    session_reference(session);
    gate_hold(&adapter->gate, 1);
    platform_mutex_lock(&adapter->lock);
    /* One that has ended at the API, so that this one could start, but has not said so yet. */
    shared_session *before = adapter->session;
    adapter->session = session;
    platform_mutex_unlock(&adapter->lock);
    if (before != NULL) {
        session_unreference(before);
    }
}

static outcome
start_inside(shared_adapter *adapter, DWORD capacity, shared_session **started, DWORD *code,
             const char **function)
{
    wait_for_closed_session(adapter);
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
    register_session(session);
    if (gate_is_closed(&adapter->gate)) {
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

/* --- Waiting ---------------------------------------------------------------------------------- */

static int64_t
time_left(int64_t deadline_ns)
{
    if (deadline_ns == NO_DEADLINE) {
        return -1;
    }
    int64_t left_ns = deadline_ns - platform_clock_ns();
    return left_ns > 0 ? left_ns : 0;
}

/* One sleep: OUTCOME_DONE if an event was signaled, OUTCOME_NOT_YET if none was in that time. */
static outcome
sleep_for(shared_session *session, const HANDLE *events, unsigned count, int64_t timeout_ns,
          DWORD *code)
{
    atom_u64_count(&session->statistics.waits, 1);
    switch (platform_wait(session->cancel.wait, events, count, timeout_ns)) {
    case PLATFORM_WAIT_CANCELLED:
        return OUTCOME_CLOSED;
    case PLATFORM_WAIT_TIMEOUT:
        return OUTCOME_NOT_YET;
    case PLATFORM_WAIT_INTERRUPTED:
        return OUTCOME_INTERRUPTED;
    case PLATFORM_WAIT_FAILED:
        *code = ERROR_INVALID_HANDLE;
        return OUTCOME_WAIT_FAILED;
    default:
        return OUTCOME_DONE;
    }
}

/* One sleep of a thread that is counted in waiters. */
static outcome
sleep_once(shared_session *session, int64_t deadline_ns, DWORD *code)
{
    HANDLE events[2];
    events[0] = session->read_event;
    events[1] = session->baton.wait;
    return sleep_for(session, events, 2, time_left(deadline_ns), code);
}

static bool
traffic_is_heavy(shared_session *session)
{
    traffic *measured = &session->traffic;
    uint64_t now_ns = (uint64_t)platform_clock_ns();
    uint64_t passed_ns = now_ns - atom_u64_load(&measured->since_ns);
    if (passed_ns >= MEASURE_NS) {
        uint64_t bytes = atom_u64_load(&session->statistics.bytes_received);
        uint64_t packets = atom_u64_load(&session->statistics.packets_received);
        uint64_t passed_us = passed_ns / 1000;
        uint64_t new_bytes = bytes - atom_u64_exchange(&measured->bytes, bytes);
        uint64_t new_packets = packets - atom_u64_exchange(&measured->packets, packets);
        bool heavy = new_bytes >= HEAVY_BYTES_PER_S / 1000000 * passed_us ||
                     new_packets * 1000000 >= HEAVY_PACKETS_PER_S * passed_us;
        atom_u32_store(&measured->heavy, heavy);
        (void)atom_u64_exchange(&measured->since_ns, now_ns);
    }
    return atom_u32_load(&measured->heavy) != 0;
}

/* Attempts again for a short while, where a wait and its wake-up would take longer than the packets
 * take to arrive. */
static outcome
spin(shared_session *session, attempt_function attempt, void *context, DWORD *code)
{
    outcome result = OUTCOME_NOT_YET;
    int64_t spin_ns = (int64_t)atom_u32_load(&session->spin_us) * 1000;
    if (spin_ns == 0 || !traffic_is_heavy(session)) {
        return OUTCOME_NOT_YET;
    }
    atom_u64_count(&session->statistics.spins, 1);
    int64_t end_ns = platform_clock_ns() + spin_ns;
    while (result == OUTCOME_NOT_YET && platform_clock_ns() < end_ns &&
           !gate_is_closed(&session->gate)) {
        result = attempt(session, context, code);
    }
    return result;
}

outcome
session_wait_for(shared_session *session, int64_t deadline_ns, attempt_function attempt,
                 void *context, DWORD *code)
{
    outcome result = OUTCOME_DONE;
    bool woken = false;
    /* Before the look at the ring: a thread that takes one of several packets passes the signal on
     * only to those it sees waiting. */
    (void)atom_u32_add(&session->waiters, 1);
    while (result == OUTCOME_DONE) {
        result = attempt(session, context, code);
        if (result == OUTCOME_NOT_YET) {
            result = spin(session, attempt, context, code);
        }
        /* The event may be set again and again, for packets that other threads take. */
        if (result != OUTCOME_NOT_YET || (woken && time_left(deadline_ns) == 0)) {
            break;
        }
        result = sleep_once(session, deadline_ns, code);
        woken = true;
    }
    if (result == OUTCOME_DONE) {
        session_pass_baton(session, 1); /* one signal may stand for several packets */
    }
    (void)atom_u32_add(&session->waiters, UINT32_MAX);
    return result;
}

void
session_wake_thread(shared_session *session, uint32_t myself)
{
    if (atom_u32_load(&session->waiters) > myself) {
        platform_event_set(&session->baton);
    }
}

void
session_pass_baton(shared_session *session, uint32_t myself)
{
    session_wake_thread(session, myself);
    if (atom_u32_load(&session->watched) != 0) {
        platform_event_set(&session->loop_baton);
    }
}

outcome
session_back_off(shared_session *session, unsigned attempt, DWORD *code)
{
    if (attempt < BACK_OFF_SPINS) {
        return OUTCOME_DONE;
    }
    if (attempt < BACK_OFF_YIELDS) {
        platform_yield();
        return OUTCOME_DONE;
    }
    outcome slept = sleep_for(session, NULL, 0, BACK_OFF_SLEEP_NS, code);
    return slept == OUTCOME_NOT_YET ? OUTCOME_DONE : slept;
}

/* --- Writing ---------------------------------------------------------------------------------- */

outcome
session_wait_for_room(shared_session *session, int64_t deadline_ns, DWORD size, BYTE **packet,
                      DWORD *code)
{
    for (unsigned attempt = 0;; attempt++) {
        *code = session->last_error();
        if (*code != ERROR_BUFFER_OVERFLOW) {
            return OUTCOME_FAILED;
        }
        if (deadline_ns == 0 || platform_clock_ns() >= deadline_ns) {
            return OUTCOME_NOT_YET;
        }
        outcome result = session_back_off(session, attempt, code);
        if (result != OUTCOME_DONE) {
            return result;
        }
        *packet = session->api->AllocateSendPacket(session->handle, size);
        if (*packet != NULL) {
            return OUTCOME_DONE;
        }
    }
}
