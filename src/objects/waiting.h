/* SPDX-License-Identifier: MIT
 *
 * Long waits that a signal can end: they go in slices, and between slices the thread holds the GIL
 * and is not inside the session, so that a signal handler may do anything, also close it.
 */
#ifndef WAITING_H
#define WAITING_H

#include "core/wait.h"

#include "module.h"

/* Whether a wait that was started with deadline_ns and came to result goes on: 1 yes, 0 no, -1 an
 * exception was raised by a signal handler. */
int wait_goes_on(outcome result, int64_t deadline_ns);

/* Attempts at once and then, if that came to nothing, until the deadline. Called with the GIL.
 * False: a signal handler raised an exception meanwhile. */
bool wait_in_slices(module_state *state, shared_session *session, int64_t deadline_ns,
                    attempt *tried, outcome *result);

#endif
