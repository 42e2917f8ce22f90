/* SPDX-License-Identifier: MIT
 *
 * Items and slices of an object that is a writable buffer of bytes.
 */
#include "buffer_items.h"

#include "convert.h"

#include <string.h>

/* Some of a buffer's bytes, as a slice tells them. */
typedef struct selection {
    Py_ssize_t start;
    Py_ssize_t step;
    Py_ssize_t count;
} selection;

/* Index or slice; *is_slice tells which. False with an exception set. */
static bool
select_bytes(PyObject *key, Py_ssize_t size, selection *selected, bool *is_slice)
{
    Py_ssize_t stop;
    *is_slice = PySlice_Check(key);
    if (*is_slice) {
        if (PySlice_Unpack(key, &selected->start, &stop, &selected->step) != 0) {
            return false;
        }
        selected->count = PySlice_AdjustIndices(size, &selected->start, &stop, selected->step);
        return true;
    }
    Py_ssize_t index = PyNumber_AsSsize_t(key, PyExc_IndexError);
    if (index == -1 && PyErr_Occurred()) {
        return false;
    }
    if (index < -size || index >= size) {
        PyErr_Format(PyExc_IndexError, "index %zd is not one of the packet's %zd bytes", index,
                     size);
        return false;
    }
    *selected = (selection){index < 0 ? index + size : index, 1, 1};
    return true;
}

PyObject *
buffer_item(PyObject *object, PyObject *key)
{
    Py_buffer view;
    selection selected;
    bool is_slice;
    PyObject *item = NULL;
    if (PyObject_GetBuffer(object, &view, PyBUF_SIMPLE) != 0) {
        return NULL;
    }
    const BYTE *bytes = view.buf;
    if (select_bytes(key, view.len, &selected, &is_slice)) {
        if (is_slice) {
            item = PyBytes_FromStringAndSize(NULL, selected.count);
            char *copy = item != NULL ? PyBytes_AsString(item) : NULL;
            for (Py_ssize_t i = 0; copy != NULL && i < selected.count; i++) {
                copy[i] = (char)bytes[selected.start + i * selected.step];
            }
        } else {
            item = PyLong_FromLong(bytes[selected.start]);
        }
    }
    PyBuffer_Release(&view);
    return item;
}

/* The bytes of value: an int for an index, as many as were selected for a slice. */
static bool
set_bytes(BYTE *bytes, const selection *selected, bool is_slice, PyObject *value)
{
    Py_buffer data;
    DWORD byte;
    if (!is_slice) {
        if (!convert_integer(value, "a byte", 0, 255, &byte)) {
            return false;
        }
        bytes[selected->start] = (BYTE)byte;
        return true;
    }
    if (!convert_packet(value, &data)) {
        return false;
    }
    bool fits = data.len == selected->count;
    if (!fits) {
        PyErr_Format(PyExc_ValueError,
                     "a packet keeps its size: %zd bytes take no other number, %zd",
                     selected->count, data.len);
    } else if (selected->step == 1) {
        memmove(bytes + selected->start, data.buf, (size_t)data.len);
    } else {
        for (Py_ssize_t i = 0; i < data.len; i++) {
            bytes[selected->start + i * selected->step] = ((const BYTE *)data.buf)[i];
        }
    }
    PyBuffer_Release(&data);
    return fits;
}

int
buffer_set_item(PyObject *object, PyObject *key, PyObject *value)
{
    Py_buffer view;
    selection selected;
    bool is_slice;
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "a packet keeps its size: its bytes cannot be deleted");
        return -1;
    }
    if (PyObject_GetBuffer(object, &view, PyBUF_WRITABLE) != 0) {
        return -1;
    }
    bool done = select_bytes(key, view.len, &selected, &is_slice) &&
                set_bytes(view.buf, &selected, is_slice, value);
    PyBuffer_Release(&view);
    return done ? 0 : -1;
}
