/* SPDX-License-Identifier: MIT
 *
 * The one logger of the process: lines of the library's log, from any thread, to a Python callable.
 */
#ifndef LOGGER_H
#define LOGGER_H

#include "module.h"

/* Must come before the other functions, once. */
void logger_initialize(void);

/* Gets the lines: from threads of the library or from ours inside one of its functions. Must not be
 * called with a lock of ours held. */
void CALLBACK logger_deliver(WINTUN_LOGGER_LEVEL level, DWORD64 timestamp, const WCHAR *message);

/* For a call of the library that has ended: raises what a signal handler has raised since it began,
 * also inside the log callback. False if there is none, and no error was set before. */
bool logger_raise_interrupt(void);

/* Returns the result of such a call, or gives it back and raises that. */
PyObject *logger_return(PyObject *result);

/* Lets lines through: once an interpreter, for one process may have several, one after the other.
 */
void logger_start(void);

/* set_logger(): takes a callable or None, returns what was set before. */
PyObject *logger_set(PyObject *callback);

/* Sets the callable unless logger_set was called before: a module that is made a second time must
 * not take the program's own away. */
void logger_set_default(PyObject *callback);

/* Stops all callbacks until logger_start and waits for those that run: called at exit, before the
 * interpreter is taken apart. */
void logger_stop(void);

#endif
