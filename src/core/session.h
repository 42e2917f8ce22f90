/* SPDX-License-Identifier: MIT
 *
 * Adapters and sessions as several threads share them: who may use them, how to wait, and when they
 * end. Knows nothing of Python; everything here is called without the GIL, except where it says
 * otherwise.
 *
 * An adapter or session is closed at once and ends when its last user has gone (gate.h): a session
 * is used by calls and by packets that are held, an adapter by calls and by its session. Apart from
 * that, each struct lives as long as references to it.
 */
#ifndef SESSION_H
#define SESSION_H

#include "gate.h"
#include "library.h"

typedef struct shared_session shared_session;
struct read_ahead;

typedef struct shared_adapter {
    atom_u32 references;
    gate gate; /* its session holds it */
    const library *library;
    WINTUN_ADAPTER_HANDLE handle;
    uint32_t process; /* that the handle belongs to, by its number of forks */
    NET_LUID luid;
    atom_u32 over;           /* the handle is closed */
    platform_mutex lock;     /* guards session */
    shared_session *session; /* the one that has not ended; a reference */
    atom_u32 waited_ipv4;    /* its interface was waited for in vain */
    atom_u32 waited_ipv6;
} shared_adapter;

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

struct shared_session {
    atom_u32 references;
    gate gate;     /* packets hold it */
    atom_u32 over; /* the API's session has ended */
    const WINTUN_API *api;
    platform_last_error_function last_error;
    WINTUN_SESSION_HANDLE handle;
    HANDLE read_event;
    shared_adapter *adapter;   /* a reference, and a hold on its gate */
    platform_event cancel;     /* manual-reset: set when the session is closed */
    platform_event baton;      /* auto-reset: "there may be more", from one waiter to the next */
    atom_u32 waiters;          /* threads that look at the ring and then wait */
    platform_event loop_baton; /* auto-reset: the same, from a thread to the event loops */
    atom_u32 watched;          /* an event loop has, or had, a duplicate of it */
    struct read_ahead *ahead;  /* receive.h */
    atom_u32 spin_us;
    atom_u32 ip_only; /* what the driver would discard is refused */
    traffic traffic;
    session_statistics statistics;
};

/* What a step came to. A failure's Win32 code is stored by the function that met it. */
typedef enum outcome {
    OUTCOME_DONE,
    OUTCOME_NOT_YET, /* nothing to read, no room to write: before the deadline or after it */
    OUTCOME_INTERRUPTED,
    OUTCOME_CLOSED,
    OUTCOME_FAILED,      /* the API's function */
    OUTCOME_WAIT_FAILED, /* the system's wait for what it gives */
    OUTCOME_NO_MEMORY
} outcome;

/* How long one thread waits for others that are about to leave. They do so at once, except a thread
 * that the interpreter's exit has stopped, or the own one inside a call that calls back. */
#define SHARED_PATIENCE_NS INT64_C(1000000000)

/* How long a thread spins before a wait while traffic is heavy: as wireguard-go does, 1/80 ms. */
#define DEFAULT_SPIN_US 12
#define LONGEST_SPIN_US 100000

/* Marks an instant that is never reached. */
#define NO_DEADLINE INT64_MAX

/* Waits, not longer than SHARED_PATIENCE_NS, while the condition holds. */
void wait_while(bool (*condition)(void *context), void *context);

/* --- Adapters --------------------------------------------------------------------------------- */

/* Must come before the other functions, once. */
void adapter_initialize(void);

/* How many forks lie between the process that loaded this and the one that runs it. */
uint32_t fork_count(void);

/* Wraps a handle that was just created or opened. NULL: no memory; the handle is then closed. */
shared_adapter *adapter_share(const library *library, WINTUN_ADAPTER_HANDLE handle);
void adapter_reference(shared_adapter *adapter);
void adapter_unreference(shared_adapter *adapter);

/* False when it is closed, or not ours. */
bool adapter_enter(shared_adapter *adapter);
void adapter_leave(shared_adapter *adapter);

/* False in a forked child: there nobody enters the adapter and its session, and they never end.
 * They are the parent's, whose threads the child does not have and whose locks it may have found
 * taken.
 */
bool adapter_is_ours(const shared_adapter *adapter);

/* Gives back the hold that its session had. */
void adapter_unhold(shared_adapter *adapter);

/* The session that is not over, as a new reference, or NULL. */
shared_session *adapter_session(shared_adapter *adapter);

/* Closes the adapter and its session, and returns when it is over or packets are held. Any number
 * of times. */
void adapter_close(shared_adapter *adapter);

/* --- Sessions --------------------------------------------------------------------------------- */

/* Starts the adapter's session. One that is closed, but not over because packets are held, is
 * waited for, up to SHARED_PATIENCE_NS. On OUTCOME_DONE *started is a new reference; on
 * OUTCOME_FAILED *code and *function, the name of what failed, are stored. */
outcome session_start(shared_adapter *adapter, DWORD capacity, shared_session **started,
                      DWORD *code, const char **function);
void session_reference(shared_session *session);
void session_unreference(shared_session *session);

/* False when it is closed, or its adapter is not ours. */
bool session_enter(shared_session *session);
void session_leave(shared_session *session);
void session_unhold(shared_session *session, uint64_t count);

/* Counts packets that were sent and are no IP; most often there are none. */
static inline void
session_count_not_ip(shared_session *session, uint64_t packets)
{
    if (packets > 0) {
        atom_u64_count(&session->statistics.packets_not_ip, packets);
    }
}

/* Packets in the rings that the program holds: received and not released, allocated and not sent.
 * Those that were read ahead are not the program's. */
uint64_t session_packets_held(shared_session *session);

/* Closes the session: wakes all that wait, and returns when it is over or packets are held. Any
 * number of times. */
void session_end(shared_session *session);

/* --- Waiting, between session_enter and session_leave ----------------------------------------- */

/* One attempt at what a thread waits for: anything but OUTCOME_NOT_YET ends the wait. */
typedef outcome (*attempt_function)(shared_session *session, void *context, DWORD *code);

/* Attempts again whenever packets may have arrived, until the deadline. */
outcome session_wait_for(shared_session *session, int64_t deadline_ns, attempt_function attempt,
                         void *context, DWORD *code);

/* For who has seen that there may be packets, and leaves: wakes a waiting thread, if there are more
 * of them than the caller itself (0 or 1). */
void session_wake_thread(shared_session *session, uint32_t myself);

/* The same, and wakes the event loops that watch the session. */
void session_pass_baton(shared_session *session, uint32_t myself);

/* Waits a little for the driver to take packets out of a full ring; there is no event for that, so
 * it spins, then yields, then sleeps, by the number of attempts made before. */
outcome session_back_off(shared_session *session, unsigned attempt, DWORD *code);

/* What session_allocate does when there was no room. */
outcome session_wait_for_room(shared_session *session, int64_t deadline_ns, DWORD size,
                              BYTE **packet, DWORD *code);

/* Reserves room for a packet, or waits for room until the deadline (0: does not wait). */
static inline outcome
session_allocate(shared_session *session, int64_t deadline_ns, DWORD size, BYTE **packet,
                 DWORD *code)
{
    *packet = session->api->AllocateSendPacket(session->handle, size);
    return *packet != NULL ? OUTCOME_DONE
                           : session_wait_for_room(session, deadline_ns, size, packet, code);
}

#endif
