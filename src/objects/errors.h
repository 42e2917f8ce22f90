/* SPDX-License-Identifier: MIT
 *
 * From codes of Windows to Python exceptions.
 */
#ifndef ERRORS_H
#define ERRORS_H

#include "module.h"

/* Each sets an exception that is an OSError with .winerror, the system's text and, where there is
 * one, advice (codes.h); and returns NULL. function is the exported name of the API's function that
 * failed. An HRESULT becomes the Win32 code that it wraps; code 0, a failure that left no code,
 * ERROR_GEN_FAILURE. */

/* The builtin subclass of OSError that fits the code. */
PyObject *raise_error(const char *function, DWORD code);

/* The same with the name of the adapter, as .filename, and with advice of the caller's; each may be
 * NULL. */
PyObject *raise_error_of(const char *function, DWORD code, PyObject *name, const char *advice);

/* For a file: what was to be done with it, and the reason, which may have any bytes; NULL: the
 * system's text. */
PyObject *raise_path_error(const char *doing, DWORD code, const char *reason, const char *path);

/* For a name that a network connection has already, as a str. */
PyObject *raise_name_taken(PyObject *name);

/* For the ring operations, where three codes have a meaning of Wintun's own. */
PyObject *raise_ring_error(module_state *state, const char *function, DWORD code);

/* AdapterTerminatingError, with whatever code the function had, for an adapter that is gone; name
 * as for raise_error_of(). */
PyObject *raise_removed(module_state *state, const char *function, DWORD code, PyObject *name);

/* For use after close; what: "session", "adapter". */
PyObject *raise_closed(module_state *state, const char *what);

/* For a device whose adapter is gone, before a function of the API says so. */
PyObject *raise_gone(module_state *state);

/* For a device without a session. */
PyObject *raise_down(module_state *state);

/* Creates the exception types of the module. */
bool errors_add_types(PyObject *module, module_state *state);

#endif
