/* SPDX-License-Identifier: MIT
 *
 * The Adapter object as its files see it: adapter.c and interface.c.
 */
#ifndef ADAPTER_OBJECT_H
#define ADAPTER_OBJECT_H

#include "core/adapter.h"

#include "errors.h"

typedef struct adapter_object {
    PyObject_HEAD
    module_state *state;
    PyObject *name;
    PyObject *weak_references;
    shared_adapter *shared;
} adapter_object;

static inline shared_adapter *
adapter_shared(PyObject *adapter)
{
    return ((adapter_object *)adapter)->shared;
}

/* The name that it was made with, as a new reference. */
static inline PyObject *
adapter_given_name(PyObject *adapter)
{
    PyObject *name = ((adapter_object *)adapter)->name;
    Py_INCREF(name);
    return name;
}

static inline PyObject *
adapter_raise_closed(PyObject *adapter)
{
    return raise_closed(((adapter_object *)adapter)->state, "adapter");
}

static inline PyObject *
adapter_raise_removed(PyObject *adapter, const char *function, DWORD code)
{
    adapter_object *self = (adapter_object *)adapter;
    return raise_removed(self->state, function, code, self->name);
}

#endif
