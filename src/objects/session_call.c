/* SPDX-License-Identifier: MIT
 *
 * What the methods of a Session have in common.
 */
#include "session_call.h"

#include "errors.h"
#include "waiting.h"

PyObject *
session_raise(session_object *self, const char *function, outcome result, DWORD code)
{
    switch (result) {
    case OUTCOME_CLOSED:
        return raise_closed(self->state, "session");
    case OUTCOME_NOT_YET:
        return raise_ring_error(self->state, function, ERROR_BUFFER_OVERFLOW);
    case OUTCOME_WAIT_FAILED:
        return raise_error("WaitForMultipleObjects", code);
    case OUTCOME_NO_MEMORY:
        return PyErr_NoMemory();
    default:
        return raise_ring_error(self->state, function, code);
    }
}

bool
session_attempt_until(session_object *self, int64_t deadline_ns, attempt *tried, outcome *result)
{
    return wait_in_slices(self->state, self->shared, deadline_ns, tried, result);
}

outcome
session_attempt_once(session_object *self, attempt *tried)
{
    outcome result;
    Py_BEGIN_ALLOW_THREADS
    result = session_attempt(self->shared, 0, tried);
    Py_END_ALLOW_THREADS
    return result;
}

PyObject *
session_count_lost(session_object *self, uint64_t packets)
{
    atom_u64_count(&self->shared->statistics.packets_unread, packets);
    return NULL;
}
