/* SPDX-License-Identifier: MIT
 *
 * The Session object, as its two files see it: session.c (the object, waiting, packets in place)
 * and session_copy.c (reading and writing copies).
 */
#ifndef SESSION_H
#define SESSION_H

#include "module.h"

typedef struct session_object {
    PyObject_HEAD module_state *state;
    PyObject *adapter;
    PyObject *weak_references;
    shared_session *shared;
    DWORD capacity;
} session_object;

/* Sets the exception for an outcome other than OUTCOME_DONE, and returns NULL. OUTCOME_NOT_YET is
 * the ring that stayed full. function is the API's function that was called. */
PyObject *session_raise(session_object *self, const char *function, outcome result, DWORD code);

#endif
