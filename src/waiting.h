/* SPDX-License-Identifier: MIT
 *
 * Long waits that a signal can end: they go in slices, and between slices the thread holds the GIL
 * and is not inside the session, so that a signal handler may do anything, also close it.
 */
#ifndef WAITING_H
#define WAITING_H

#include "module.h"

/* Whether a wait that was started with deadline_ns and came to result goes on: 1 yes, 0 no, -1 an
 * exception was raised by a signal handler. */
int wait_goes_on(outcome result, int64_t deadline_ns);

/* When the next slice of the wait ends. The main thread runs the signal handlers, so its slices are
 * short; other threads sleep through. False: an exception was raised, perhaps by such a handler. */
bool wait_slice(int64_t deadline_ns, int64_t *slice_ns);

#endif
