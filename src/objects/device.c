/* SPDX-License-Identifier: MIT
 *
 * DeviceBase: the data path of TunDevice. It forwards to the session that is attached, in C, so
 * that a read costs no Python call more on the device than on its session.
 */
#include "device.h"

#include "errors.h"
#include "module.h"
#include "session_methods.h"

typedef struct device_object {
    PyObject_HEAD
    module_state *state;
    PyObject *session; /* a Session or NULL; guarded by the object's critical section */
} device_object;

/* The attached session as a new reference, or NULL. */
static PyObject *
attached(PyObject *object)
{
    PyObject *session;
    BEGIN_OBJECT_LOCK(object);
    session = ((device_object *)object)->session;
    Py_XINCREF(session);
    END_OBJECT_LOCK();
    return session;
}

#define FORWARD(name)                                                                              \
    static PyObject *device_##name(PyObject *self, arguments args, Py_ssize_t count,               \
                                   PyObject *keywords)                                             \
    {                                                                                              \
        PyObject *session = attached(self);                                                        \
        if (session == NULL) {                                                                     \
            return raise_down(((device_object *)self)->state);                                     \
        }                                                                                          \
        PyObject *result = session_##name(session, args, count, keywords);                         \
        Py_DECREF(session);                                                                        \
        return result;                                                                             \
    }

SESSION_METHODS(FORWARD)

static PyObject *
device_next(PyObject *self)
{
    PyObject *session = attached(self);
    if (session == NULL) {
        return NULL; /* a device that is down has no packets: the end of the iteration */
    }
    PyObject *packet = session_next(session);
    Py_DECREF(session);
    return packet;
}

static PyObject *
device_attach(PyObject *self, PyObject *session)
{
    PyObject *before;
    PyObject *type = ((device_object *)self)->state->session_type;
    if (session != Py_None && Py_TYPE(session) != (PyTypeObject *)type) {
        PyErr_Format(PyExc_TypeError, "session must be a Session or None, not %R", session);
        return NULL;
    }
    PyObject *attach = session != Py_None ? session : NULL;
    Py_XINCREF(attach);
    BEGIN_OBJECT_LOCK(self);
    before = ((device_object *)self)->session;
    ((device_object *)self)->session = attach;
    END_OBJECT_LOCK();
    if (before == NULL) {
        Py_RETURN_NONE;
    }
    return before;
}

/* --- The type --------------------------------------------------------------------------------- */

static PyObject *
device_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    (void)args;
    (void)keywords;
    module_state *state = state_of_type(type);
    device_object *self = state != NULL ? (device_object *)PyType_GenericAlloc(type, 0) : NULL;
    if (self != NULL) {
        self->state = state;
    }
    return (PyObject *)self;
}

static void
device_dealloc(PyObject *object)
{
    Py_XDECREF(((device_object *)object)->session);
    free_object(object);
}

static PyObject *
device_iter(PyObject *self)
{
    Py_INCREF(self);
    return self;
}

#define ENTRY(name) FAST_METHOD(#name, device_##name, session_##name##_doc),

static PyMethodDef device_methods[] = {
    SESSION_METHODS(ENTRY){"_attach", device_attach, METH_O,
                           "_attach($self, session, /)\n--\n\n"
                           "Makes session (a Session or None) the one that the data path uses; "
                           "returns the one before."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot device_slots[] = {
    {Py_tp_doc, (void *)"The data path of a device; the base of TunDevice."},
    {Py_tp_new, SLOT(device_new)},
    {Py_tp_dealloc, SLOT(device_dealloc)},
    {Py_tp_iter, SLOT(device_iter)},
    {Py_tp_iternext, SLOT(device_next)},
    {Py_tp_methods, device_methods},
    {0, NULL},
};

PyType_Spec device_base_spec = {"wintun._wintun.DeviceBase", sizeof(device_object), 0,
                                TYPE_FLAGS | Py_TPFLAGS_BASETYPE, device_slots};
