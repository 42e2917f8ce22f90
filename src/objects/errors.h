/* SPDX-License-Identifier: MIT
 *
 * From Win32 codes to Python exceptions.
 */
#ifndef ERRORS_H
#define ERRORS_H

#include "module.h"

/* Each sets an exception that is an OSError with .winerror, the system's text and, where there is
 * one, advice; and returns NULL. function is the name of the API's function that failed. Code 0, a
 * failure that left no code, becomes ERROR_GEN_FAILURE. */

/* The builtin subclass of OSError that fits the code. */
PyObject *raise_error(const char *function, DWORD code);

/* The same with advice of the caller's. */
PyObject *raise_error_with_advice(const char *function, DWORD code, const char *advice);

/* For a name that a network connection has already, as a str. */
PyObject *raise_name_taken(PyObject *name);

/* For the ring operations, where three codes have a meaning of Wintun's own. */
PyObject *raise_ring_error(module_state *state, const char *function, DWORD code);

/* AdapterTerminatingError, with whatever code the function had, for an adapter that is gone. */
PyObject *raise_removed(module_state *state, const char *function, DWORD code);

/* For use after close; what: "session", "adapter". */
PyObject *raise_closed(module_state *state, const char *what);

/* For a device whose adapter is gone, before a function of the API says so. */
PyObject *raise_gone(module_state *state);

/* For a device without a session. */
PyObject *raise_down(module_state *state);

/* Creates the exception types of the module. */
bool errors_add_types(PyObject *module, module_state *state);

#endif
