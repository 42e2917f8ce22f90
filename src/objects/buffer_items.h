/* SPDX-License-Identifier: MIT
 *
 * Items and slices of an object that is a writable buffer of bytes: as those of a bytearray, but
 * that it keeps its size and that a slice is bytes.
 */
#ifndef BUFFER_ITEMS_H
#define BUFFER_ITEMS_H

#include "python.h"

/* For mp_subscript and mp_ass_subscript. */
PyObject *buffer_item(PyObject *object, PyObject *key);
int buffer_set_item(PyObject *object, PyObject *key, PyObject *value);

#endif
