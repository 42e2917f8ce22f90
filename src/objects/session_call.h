/* SPDX-License-Identifier: MIT
 *
 * What the methods of a Session have in common: they attempt, and make an exception of what that
 * came to.
 */
#ifndef SESSION_CALL_H
#define SESSION_CALL_H

#include "core/wait.h"

#include "session_object.h"

/* Whether an outcome is neither success nor that nothing was there in time. */
static inline bool
session_is_error(outcome result)
{
    return result != OUTCOME_DONE && result != OUTCOME_NOT_YET && result != OUTCOME_INTERRUPTED;
}

/* Sets the exception for an outcome other than OUTCOME_DONE, and returns NULL. OUTCOME_NOT_YET is
 * the ring that stayed full. function is the API's function that was called. */
PyObject *session_raise(session_object *self, const char *function, outcome result, DWORD code);

/* Attempts at once and then, if that came to nothing, until the deadline. Called with the GIL.
 * False: a signal handler raised an exception meanwhile. */
bool session_attempt_until(session_object *self, int64_t deadline_ns, attempt *tried,
                           outcome *result);

/* Attempts once. Called with the GIL. */
outcome session_attempt_once(session_object *self, attempt *tried);

/* Counts packets for which there is no object to return. Returns NULL. */
PyObject *session_count_lost(session_object *self, uint64_t packets);

#endif
