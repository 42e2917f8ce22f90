/* SPDX-License-Identifier: MIT
 *
 * The functions of wintun.offload.
 */
#ifndef OFFLOAD_H
#define OFFLOAD_H

#include "module.h"

/* Adds them to the extension; false with an exception set. */
bool offload_add_functions(PyObject *module);

#endif
