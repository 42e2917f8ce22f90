/* SPDX-License-Identifier: MIT
 *
 * The Session object, as its files see it: session.c (the object, waiting, packets in place)
 * and session_copy.c (reading and writing copies).
 */
#ifndef OBJECT_SESSION_H
#define OBJECT_SESSION_H

#include "core/receive.h"

#include "module.h"

typedef struct session_object {
    PyObject_HEAD
    module_state *state;
    PyObject *adapter;
    PyObject *weak_references;
    shared_session *shared;
    DWORD capacity;
} session_object;

/* Whether an outcome is neither success nor that nothing was there in time. */
bool session_is_error(outcome result);

/* Sets the exception for an outcome other than OUTCOME_DONE, and returns NULL. OUTCOME_NOT_YET is
 * the ring that stayed full. function is the API's function that was called. */
PyObject *session_raise(session_object *self, const char *function, outcome result, DWORD code);

/* Attempts at once and then, if there is nothing, until the deadline. Called with the GIL. False: a
 * signal handler raised an exception meanwhile. */
bool session_attempt_until(session_object *self, int64_t deadline_ns, attempt_function attempt,
                           void *context, outcome *result, DWORD *code);

/* A packet to write, in memory of the program. */
typedef struct packet_source {
    const void *data;
    DWORD size;
} packet_source;

/* Puts packets into the ring, and waits for room until the deadline; *written counts on. Called
 * with the GIL. False: a signal handler raised an exception meanwhile. */
bool session_put_until(session_object *self, int64_t deadline_ns, const packet_source *packets,
                       Py_ssize_t count, Py_ssize_t *written, outcome *result, DWORD *code);

/* The result of a call that writes many: how many were accepted, or an exception. */
PyObject *session_written(session_object *self, Py_ssize_t written, outcome result, DWORD code);

#endif
