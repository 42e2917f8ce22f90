/* SPDX-License-Identifier: MIT
 *
 * Waiting for packets and for room.
 */
#include "wait.h"

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
          attempt *tried)
{
    switch (platform_wait(session->cancel.wait, events, count, timeout_ns)) {
    case PLATFORM_WAIT_CANCELLED:
        return OUTCOME_CLOSED;
    case PLATFORM_WAIT_TIMEOUT:
        return OUTCOME_NOT_YET;
    case PLATFORM_WAIT_INTERRUPTED:
        return OUTCOME_INTERRUPTED;
    case PLATFORM_WAIT_FAILED:
        tried->code = ERROR_INVALID_HANDLE;
        return OUTCOME_WAIT_FAILED;
    default:
        return OUTCOME_DONE;
    }
}

/* --- For packets ------------------------------------------------------------------------------ */

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
    if (atom_u32_load(&session->watches) != 0) {
        platform_event_set(&session->loop_baton);
    }
}

/* An attempt without a wait has found nothing, and the program may wait for the event itself: for a
 * signal that nobody consumes it would find the event signaled for ever. */
static outcome
consume_signal(shared_session *session, attempt *tried)
{
    if (platform_wait(NULL, &session->read_event, 1, 0) < 0) {
        return OUTCOME_NOT_YET;
    }
    outcome result = tried->function(session, tried);
    if (result == OUTCOME_DONE) {
        session_pass_baton(session, 0); /* the signal may stand for several packets */
    }
    return result;
}

static outcome
attempt_without_wait(shared_session *session, attempt *tried)
{
    outcome result = tried->function(session, tried);
    if (result == OUTCOME_NOT_YET && tried->for_what == AWAIT_PACKETS &&
        atom_u32_load(&session->event_given) != 0) {
        return consume_signal(session, tried);
    }
    return result == OUTCOME_PARTLY ? OUTCOME_NOT_YET : result;
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
spin(shared_session *session, attempt *tried)
{
    outcome result = OUTCOME_NOT_YET;
    int64_t spin_ns = (int64_t)atom_u32_load(&session->spin_us) * 1000;
    if (spin_ns == 0 || !traffic_is_heavy(session)) {
        return OUTCOME_NOT_YET;
    }
    atom_u64_count(&session->statistics.spins, 1);
    int64_t end_ns = platform_clock_ns() + spin_ns;
    while (result == OUTCOME_NOT_YET && platform_clock_ns() < end_ns &&
           !gate_is_closed(&session->life.gate)) {
        result = tried->function(session, tried);
    }
    return result;
}

/* One sleep of a thread that is counted in waiters. One wait is counted once, also if it goes in
 * slices or a signal interrupts it. */
static outcome
sleep_for_packets(shared_session *session, int64_t deadline_ns, attempt *tried)
{
    HANDLE events[2];
    events[0] = session->read_event;
    events[1] = session->baton.wait;
    if (!tried->slept) {
        atom_u64_count(&session->statistics.waits, 1);
    }
    outcome result = sleep_for(session, events, 2, time_left(deadline_ns), tried);
    tried->slept = result == OUTCOME_NOT_YET || result == OUTCOME_INTERRUPTED;
    return result;
}

static outcome
wait_for_packets(shared_session *session, int64_t deadline_ns, attempt *tried)
{
    outcome result = OUTCOME_DONE;
    bool woken = false;
    /* Before the look at the ring: a thread that takes one of several packets passes the signal on
     * only to those it sees waiting. */
    (void)atom_u32_add(&session->waiters, 1);
    while (result == OUTCOME_DONE) {
        result = tried->function(session, tried);
        if (result == OUTCOME_NOT_YET) {
            result = spin(session, tried);
        }
        /* The event may be set again and again, for packets that other threads take. */
        if (result != OUTCOME_NOT_YET || (woken && time_left(deadline_ns) == 0)) {
            break;
        }
        result = sleep_for_packets(session, deadline_ns, tried);
        woken = true;
    }
    if (result == OUTCOME_DONE) {
        session_pass_baton(session, 1); /* one signal may stand for several packets */
    }
    (void)atom_u32_add(&session->waiters, UINT32_MAX);
    return result;
}

/* --- For room --------------------------------------------------------------------------------- */

/* Waits a little for the driver to take packets out of a full ring; there is no event for that, so
 * it spins, then yields, then sleeps, by the number of attempts made before in vain. */
static outcome
back_off(shared_session *session, unsigned in_vain, attempt *tried)
{
    if (in_vain < BACK_OFF_SPINS) {
        return OUTCOME_DONE;
    }
    if (in_vain < BACK_OFF_YIELDS) {
        platform_yield();
        return OUTCOME_DONE;
    }
    atom_u64_count(&session->statistics.waits, 1);
    outcome slept = sleep_for(session, NULL, 0, BACK_OFF_SLEEP_NS, tried);
    return slept == OUTCOME_NOT_YET ? OUTCOME_DONE : slept;
}

static outcome
wait_for_room(shared_session *session, int64_t deadline_ns, attempt *tried)
{
    unsigned in_vain = 0;
    for (;;) {
        outcome result = tried->function(session, tried);
        if (result == OUTCOME_PARTLY) {
            in_vain = 0;
        } else if (result != OUTCOME_NOT_YET) {
            return result;
        }
        if (platform_clock_ns() >= deadline_ns) {
            return OUTCOME_NOT_YET;
        }
        result = back_off(session, in_vain++, tried);
        if (result != OUTCOME_DONE) {
            return result;
        }
    }
}

/* --- Any attempt ------------------------------------------------------------------------------ */

outcome
session_attempt(shared_session *session, int64_t deadline_ns, attempt *tried)
{
    outcome result;
    if (!session_enter(session)) {
        return OUTCOME_CLOSED;
    }
    tried->owned = GATE_CALL;
    if (deadline_ns == 0) {
        result = attempt_without_wait(session, tried);
    } else if (tried->for_what == AWAIT_PACKETS) {
        result = wait_for_packets(session, deadline_ns, tried);
    } else {
        result = wait_for_room(session, deadline_ns, tried);
    }
    if (tried->owned != 0) {
        session_give_back(session, tried->owned);
    }
    return result;
}
