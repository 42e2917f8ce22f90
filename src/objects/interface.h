/* SPDX-License-Identifier: MIT
 *
 * Adapter's methods and properties by the IP Helper functions.
 */
#ifndef INTERFACE_H
#define INTERFACE_H

#include "python.h"

PyObject *adapter_get_mtu(PyObject *self, arguments args, Py_ssize_t count, PyObject *names);
PyObject *adapter_set_mtu(PyObject *self, arguments args, Py_ssize_t count, PyObject *names);
PyObject *adapter_wait_family(PyObject *self, arguments args, Py_ssize_t count, PyObject *names);
PyObject *adapter_has_family(PyObject *self, arguments args, Py_ssize_t count, PyObject *names);
PyObject *adapter_get_addresses(PyObject *self, arguments args, Py_ssize_t count, PyObject *names);
PyObject *adapter_add_address(PyObject *self, arguments args, Py_ssize_t count, PyObject *names);
PyObject *adapter_remove_address(PyObject *self, arguments args, Py_ssize_t count, PyObject *names);
PyObject *adapter_get_name(PyObject *self, void *closure);
PyObject *adapter_get_index(PyObject *self, void *closure);
PyObject *adapter_get_guid(PyObject *self, void *closure);

#endif
