/* SPDX-License-Identifier: MIT
 *
 * The type Session.
 */
#ifndef SESSION_H
#define SESSION_H

#include "core/session.h"

#include "module.h"

extern PyType_Spec session_spec;

/* A Session for a reference to a shared_session, which it takes over also on failure. */
PyObject *session_new(module_state *state, PyObject *adapter, shared_session *shared,
                      DWORD capacity);

#endif
