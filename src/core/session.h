/* SPDX-License-Identifier: MIT
 *
 * A session as several threads share it: its rings, its events, what it has counted, its start and
 * its end.
 *
 * Calls use it, and packets in its rings hold it (lifetime.h). Everything here is called without
 * the GIL, except where it says otherwise.
 */
#ifndef CORE_SESSION_H
#define CORE_SESSION_H

#include "adapter.h"
#include "outcome.h"
#include "store.h"

/* How long a thread spins before a wait while traffic is heavy: as wireguard-go does, 1/80 ms. */
#define DEFAULT_SPIN_US 12
#define LONGEST_SPIN_US 100000

typedef struct session_statistics {
    atom_u64 packets_received;
    atom_u64 bytes_received;
    atom_u64 packets_sent;
    atom_u64 bytes_sent;
    atom_u64 ring_full;      /* calls that the full ring refused something in the end */
    atom_u64 packets_unsent; /* allocated, and given back without being sent */
    atom_u64 packets_unread; /* taken out of the ring, and lost before anybody read them */
    atom_u64 packets_not_ip; /* sent, and discarded by the driver for being no IP */
    atom_u64 waits;          /* times that a thread went to sleep */
    atom_u64 spins;          /* times that a thread looked again and again instead, first */
} session_statistics;

/* How much arrived lately: whether it pays to spin before a wait. */
typedef struct traffic {
    atom_u64 since_ns; /* when the current measurement began */
    atom_u64 bytes;    /* the session's count of bytes and packets then */
    atom_u64 packets;
    atom_u32 heavy; /* by the measurement before */
} traffic;

typedef struct shared_session {
    lifetime life;
    const WINTUN_API *api;
    platform_last_error_function last_error;
    WINTUN_SESSION_HANDLE handle;
    HANDLE read_event;
    shared_adapter *adapter;   /* a reference, and a hold on its gate */
    platform_event cancel;     /* manual-reset: set when the session is closed */
    platform_event baton;      /* auto-reset: "there may be more", from one waiter to the next */
    atom_u32 waiters;          /* threads that look at the ring and then wait */
    platform_event loop_baton; /* auto-reset: the same, from a thread to the event loops */
    atom_u32 watches;          /* event loops that have duplicates of the events */
    atom_u32 event_given;      /* the program has read_event, and may wait for it itself */
    store *ahead;              /* its lock is also that of taking packets out of the ring */
    bool ring_corrupt;         /* under that lock: the library gave what cannot be a packet */
    atom_u32 ip_only;          /* what the driver would discard is refused */
    atom_u32 spin_us;
    traffic traffic;
    session_statistics statistics;
    atom_u32 terminating; /* the library said that the adapter is: for good */
} shared_session;

/* Starts the adapter's session. One that is closed, but not over because packets are held, is
 * waited for, up to PATIENCE_NS. On OUTCOME_DONE *started is a new reference; on OUTCOME_FAILED
 * *code and *function, the name of what failed, are stored. */
outcome session_start(shared_adapter *adapter, DWORD capacity, shared_session **started,
                      DWORD *code, const char **function);

static inline void
session_reference(shared_session *session)
{
    lifetime_reference(&session->life);
}

static inline void
session_unreference(shared_session *session)
{
    lifetime_unreference(&session->life);
}

/* Whether it can be used: it is neither closed nor another process's. With or without the GIL. */
static inline bool
session_is_open(shared_session *session)
{
    return lifetime_is_open(&session->life);
}

/* The caller owns GATE_CALL then; or nothing, if the session cannot be used: false. */
static inline bool
session_enter(shared_session *session)
{
    return lifetime_enter(&session->life);
}

/* Gives back what the caller owns of the session: GATE_CALL, or GATE_HOLD a packet. */
static inline void
session_give_back(shared_session *session, uint64_t owned)
{
    lifetime_give_back(&session->life, owned);
}

/* Closes the session: wakes all that wait, and returns when it is over or packets are held. Any
 * number of times. */
void session_end(shared_session *session);

/* Notes what a failed function of the ring said, if that is the end of the adapter. */
static inline void
session_note_end(shared_session *session, DWORD code)
{
    if (code == ERROR_HANDLE_EOF) {
        atom_u32_store(&session->terminating, 1);
    }
}

/* Whether the session's adapter was removed, or disabled and one of the ring's functions said so:
 * no packet passes any more. False for one that was closed before that was seen. Without the GIL.
 */
bool session_is_terminating(shared_session *session);

/* Packets in the rings that the program holds: received and not released, allocated and not sent.
 * Those that were read ahead are not the program's. With or without the GIL. */
uint64_t session_packets_held(shared_session *session);

/* Handles of a session's events for an event loop; they stay valid when the session is over. */
typedef struct loop_events {
    HANDLE packets;
    HANDLE baton;
    HANDLE closed;
} loop_events;

/* Begins a watch: from now on threads that leave packets to the loops say so. */
outcome session_begin_watch(shared_session *session, loop_events *events);

/* Ends one. */
void session_end_watch(shared_session *session);

#endif
