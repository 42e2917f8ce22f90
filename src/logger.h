/* SPDX-License-Identifier: MIT
 *
 * The one logger of the process: lines of the library's log, from any thread, to a Python callable.
 */
#ifndef LOGGER_H
#define LOGGER_H

#include "module.h"

/* Must come before the other functions, once. */
void logger_initialize(void);

/* set_logger(): takes a callable or None, returns what was set before. */
PyObject *logger_set(PyObject *callback);

/* Stops all callbacks for good and waits for those that run: called at exit, before the interpreter
 * is taken apart. */
void logger_stop(void);

#endif
