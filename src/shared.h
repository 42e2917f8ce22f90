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
#ifndef SHARED_H
#define SHARED_H

#include "gate.h"
#include "library.h"

typedef struct shared_session shared_session;

typedef struct shared_adapter {
    atom_u32 references;
    gate gate; /* its session holds it */
    const library *library;
    WINTUN_ADAPTER_HANDLE handle;
    NET_LUID luid;
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
    atom_u64 ring_full;         /* allocations refused because the ring was full */
    atom_u64 packets_discarded; /* accepted or received, and given back unused */
    atom_u64 waits;             /* times that a thread went to sleep */
} session_statistics;

struct shared_session {
    atom_u32 references;
    gate gate; /* packets hold it */
    const WINTUN_API *api;
    platform_last_error_function last_error;
    WINTUN_SESSION_HANDLE handle;
    HANDLE read_event;
    shared_adapter *adapter; /* a reference, and a hold on its gate */
    platform_event cancel;   /* manual-reset: set when the session is closed */
    platform_event baton;    /* auto-reset: "there may be more", from one waiter to the next */
    atom_u32 waiters;
    session_statistics statistics;
};

/* What a step came to. A failure's Win32 code is stored by the function that met it. */
typedef enum outcome {
    OUTCOME_DONE,
    OUTCOME_NOT_YET, /* nothing to read, no room to write: before the deadline or after it */
    OUTCOME_INTERRUPTED,
    OUTCOME_CLOSED,
    OUTCOME_FAILED
} outcome;

/* Marks an instant that is never reached. */
#define NO_DEADLINE INT64_MAX

/* --- Adapters -------------------------------------------------------------------------------- */

/* Wraps a handle that was just created or opened. NULL: no memory; the handle is then closed. */
shared_adapter *adapter_share(const library *library, WINTUN_ADAPTER_HANDLE handle);
void adapter_reference(shared_adapter *adapter);
void adapter_unreference(shared_adapter *adapter);

bool adapter_enter(shared_adapter *adapter);
void adapter_leave(shared_adapter *adapter);

/* Closes the adapter and its session. Any number of times. */
void adapter_close(shared_adapter *adapter);

/* --- Sessions -------------------------------------------------------------------------------- */

/* Starts the adapter's session. On OUTCOME_DONE *started is a new reference; on OUTCOME_FAILED
 * *code and *function, the name of what failed, are stored. */
outcome session_start(shared_adapter *adapter, DWORD capacity, shared_session **started,
                      DWORD *code, const char **function);
void session_reference(shared_session *session);
void session_unreference(shared_session *session);

bool session_enter(shared_session *session);
void session_leave(shared_session *session);
void session_unhold(shared_session *session, uint64_t count);

/* Closes the session: wakes all that wait and returns when no call is inside. It has ended then,
 * too, unless packets are held. Any number of times. */
void session_end(shared_session *session);

/* --- Waiting, between session_enter and session_leave ------------------------------------------
 */

/* Waits until packets may have arrived: OUTCOME_DONE, or OUTCOME_NOT_YET at the deadline. */
outcome session_wait(shared_session *session, int64_t deadline_ns, DWORD *code);

/* Waits a little for the driver to take packets out of a full ring; there is no event for that, so
 * it spins, then yields, then sleeps, by the number of attempts made before. */
outcome session_back_off(shared_session *session, unsigned attempt);

/* Takes the next packet, or waits for one until the deadline (0: does not wait). */
outcome session_receive(shared_session *session, int64_t deadline_ns, const BYTE **packet,
                        DWORD *size, DWORD *code);

/* Reserves room for a packet, or waits for room until the deadline (0: does not wait). */
outcome session_allocate(shared_session *session, int64_t deadline_ns, DWORD size, BYTE **packet,
                         DWORD *code);

#endif
