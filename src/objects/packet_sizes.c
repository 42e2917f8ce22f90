/* SPDX-License-Identifier: MIT
 *
 * The sizes of packets to allocate.
 */
#include "packet_sizes.h"

#include "convert.h"

#include <string.h>

static bool
check_count(Py_ssize_t count)
{
    if (count > LARGEST_BATCH) {
        PyErr_Format(PyExc_ValueError, "sizes must be of at most %d packets, not %zd",
                     LARGEST_BATCH, count);
        return false;
    }
    return true;
}

/* Memory for the sizes, to be freed by PyMem_Free; NULL with an exception set. */
static DWORD *
memory_for_sizes(Py_ssize_t count)
{
    DWORD *sizes = NULL;
    if (check_count(count)) {
        sizes = PyMem_Malloc(((size_t)count + 1) * sizeof(*sizes));
        if (sizes == NULL) {
            (void)PyErr_NoMemory();
        }
    }
    return sizes;
}

/* The sizes of any iterable of ints; NULL with an exception set. */
static DWORD *
sizes_of_iterable(PyObject *iterable, DWORD *count)
{
    PyObject *list = PySequence_List(iterable);
    if (list == NULL) {
        return NULL;
    }
    Py_ssize_t length = PyList_Size(list);
    DWORD *sizes = memory_for_sizes(length);
    for (Py_ssize_t i = 0; sizes != NULL && i < length; i++) {
        if (!convert_integer(PyList_GetItem(list, i), "size", 0, WINTUN_MAX_IP_PACKET_SIZE,
                             &sizes[i])) {
            PyMem_Free(sizes);
            sizes = NULL;
        }
    }
    Py_DECREF(list);
    *count = (DWORD)length;
    return sizes;
}

/* Whether a buffer is an array of unsigned 32-bit integers. */
static bool
is_array_of_sizes(const Py_buffer *view)
{
    const char *format = view->format;
    return view->itemsize == (Py_ssize_t)sizeof(uint32_t) && is_native_integer(format) &&
           strchr("IL", format[strlen(format) - 1]) != NULL &&
           (uintptr_t)view->buf % sizeof(uint32_t) == 0;
}

/* The sizes that are in an array, without an object for each. Another thread may write to it: each
 * is read once. NULL with an exception set. */
static DWORD *
sizes_of_array(const Py_buffer *view, DWORD *count)
{
    const volatile uint32_t *numbers = view->buf;
    Py_ssize_t length = view->len / (Py_ssize_t)sizeof(uint32_t);
    DWORD *sizes = memory_for_sizes(length);
    for (Py_ssize_t i = 0; sizes != NULL && i < length; i++) {
        sizes[i] = numbers[i];
        if (sizes[i] > WINTUN_MAX_IP_PACKET_SIZE) {
            PyErr_Format(PyExc_ValueError, "size must be from 0 to %d, not %lu",
                         WINTUN_MAX_IP_PACKET_SIZE, (unsigned long)sizes[i]);
            PyMem_Free(sizes);
            sizes = NULL;
        }
    }
    *count = (DWORD)length;
    return sizes;
}

DWORD *
convert_sizes(PyObject *object, DWORD *count)
{
    Py_buffer view;
    if (!PyObject_CheckBuffer(object)) {
        return sizes_of_iterable(object, count);
    }
    if (PyObject_GetBuffer(object, &view, PyBUF_ND | PyBUF_FORMAT) != 0) {
        if (!PyErr_ExceptionMatches(PyExc_BufferError)) {
            return NULL; /* what a signal handler raised, too */
        }
        PyErr_Clear();
        return sizes_of_iterable(object, count);
    }
    DWORD *sizes =
        is_array_of_sizes(&view) ? sizes_of_array(&view, count) : sizes_of_iterable(object, count);
    PyBuffer_Release(&view);
    return sizes;
}
