/* SPDX-License-Identifier: MIT
 *
 * Attempts, and waiting for them to succeed: for packets, or for room in the ring. Every call that
 * reads or writes is an attempt; nothing else waits.
 */
#ifndef CORE_WAIT_H
#define CORE_WAIT_H

#include "session.h"

/* Marks an instant that is never reached. */
#define NO_DEADLINE INT64_MAX

/* What an attempt that comes to OUTCOME_NOT_YET waits for. */
typedef enum awaited {
    AWAIT_PACKETS, /* the session's events tell of them */
    AWAIT_ROOM,    /* of which no event tells */
    AWAIT_NOTHING  /* never waited for */
} awaited;

typedef struct attempt attempt;

/* Anything but OUTCOME_NOT_YET and OUTCOME_PARTLY ends the wait. */
typedef outcome (*attempt_function)(shared_session *session, attempt *tried);

struct attempt {
    attempt_function function;
    void *context; /* the function's own */
    awaited for_what;
    DWORD code;     /* of a failure */
    bool slept;     /* the last sleep was over in time: the next one goes on with it */
    uint64_t owned; /* what the call owns of the session. It gives that back at its end; a function
                     * that keeps memory of the ring takes it over, and leaves 0 */
};

static inline attempt
attempt_of(attempt_function function, void *context, awaited for_what)
{
    return (attempt){function, context, for_what, 0, false, 0};
}

/* Enters the session, attempts and leaves: OUTCOME_CLOSED if it cannot be used. With a deadline
 * other than 0 it attempts again, as often as may be of use, until the deadline. Without the GIL.
 */
outcome session_attempt(shared_session *session, int64_t deadline_ns, attempt *tried);

/* For who has seen that there may be packets, and leaves: wakes a waiting thread, if there are more
 * of them than the caller itself (0 or 1). */
void session_wake_thread(shared_session *session, uint32_t myself);

/* The same, and wakes the event loops that watch the session. */
void session_pass_baton(shared_session *session, uint32_t myself);

#endif
