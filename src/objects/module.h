/* SPDX-License-Identifier: MIT
 *
 * The module as its objects see it: its state, and what src/_wintun.c does for all of them.
 */
#ifndef MODULE_H
#define MODULE_H

#include "core/library.h"
#include "platform/atomics.h"

#include "python.h"

typedef struct module_state {
    PyObject *adapter_type;
    PyObject *session_type;
    PyObject *packet_type;
    PyObject *packet_batch_type;
    PyObject *batch_item_type;
    PyObject *device_base_type;
    PyObject *loop_events_type;
    PyObject *ring_full_error;
    PyObject *adapter_terminating_error;
    PyObject *ring_corrupt_error;
    PyObject *closed_error;
    atom_u64 main_thread;    /* its ident (waiting.c), */
    atom_u32 main_thread_of; /* after this many forks, and 1; 0: not asked for yet */
} module_state;

/* The module's state for a type of the module or a subclass of one; NULL with an exception set. */
module_state *state_of_type(PyTypeObject *type);

/* Refuses instantiation from Python, with a text that says what to call instead. */
PyObject *refuse_new(PyTypeObject *type, PyObject *args, PyObject *keywords);

/* Gives an object of a heap type back. */
void free_object(PyObject *self);

/* --- The library ------------------------------------------------------------------------------ */

/* The current library; the package is asked to load the default if there is none yet. NULL with an
 * exception set on failure. */
library *require_library(void);

#endif
