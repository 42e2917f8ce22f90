/* SPDX-License-Identifier: MIT
 *
 * The Session object, as the files of its methods see it.
 */
#ifndef SESSION_OBJECT_H
#define SESSION_OBJECT_H

#include "core/session.h"

#include "module.h"

typedef struct session_object {
    PyObject_HEAD
    module_state *state;
    PyObject *adapter;
    PyObject *weak_references;
    shared_session *shared;
    DWORD capacity;
    char replaced; /* a bool: another session takes its place, and its calls go on with that one */
} session_object;

#endif
