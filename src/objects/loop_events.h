/* SPDX-License-Identifier: MIT
 *
 * The LoopEvents object: what an event loop has of a session.
 */
#ifndef LOOP_EVENTS_H
#define LOOP_EVENTS_H

#include "core/session.h"

#include "module.h"

extern PyType_Spec loop_events_spec;

/* Session._loop_events(). */
PyObject *session_loop_events(PyObject *session, PyObject *ignored);

#endif
