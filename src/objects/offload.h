/* SPDX-License-Identifier: MIT
 *
 * The functions of wintun.offload.
 */
#ifndef OFFLOAD_H
#define OFFLOAD_H

#include "convert.h"

/* RFC 791: the least that each link of the Internet takes. */
#define LEAST_MTU 68

/* A packet that is bytes itself, or its bytes. */
PyObject *bytes_of_packet(PyObject *packet, const Py_buffer *view);

/* merge() and split(). */
PyObject *offload_merge(PyObject *module, arguments args, Py_ssize_t count, PyObject *keywords);
PyObject *offload_split(PyObject *module, arguments args, Py_ssize_t count, PyObject *keywords);

extern const char offload_merge_doc[];
extern const char offload_split_doc[];

/* Adds them to the extension; false with an exception set. */
bool offload_add_functions(PyObject *module);

#endif
