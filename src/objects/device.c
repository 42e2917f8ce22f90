/* SPDX-License-Identifier: MIT
 *
 * DeviceBase: the data path of TunDevice. It forwards to the session that is attached, in C, so
 * that a read costs no Python call more on the device than on its session. Where a call cannot go
 * on with its session, methods of TunDevice decide what it comes to: the paths to them are slow and
 * seldom.
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

/* False, with the exception that TunDevice raises, if there is no session; one may have come. */
static bool
has_session_after_all(PyObject *self)
{
    PyObject *none = PyObject_CallMethod(self, "_refuse_absent", NULL);
    Py_XDECREF(none);
    return none != NULL;
}

/* Asks TunDevice whether a call that the session has failed is to be made again: another one may
 * have taken its place. The exception of that failure, if there is one, is gone then, or stays. */
static bool
goes_on(PyObject *self, PyObject *session)
{
    module_state *state = ((device_object *)self)->state;
    PyObject *type, *value, *traceback;
    bool corrupt = PyErr_Occurred() && PyErr_ExceptionMatches(state->ring_corrupt_error);
    if (PyErr_Occurred() && !corrupt && !PyErr_ExceptionMatches(state->closed_error)) {
        return false;
    }
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *answer =
        PyObject_CallMethod(self, "_goes_on", "OO", session, corrupt ? Py_True : Py_False);
    bool again = answer == Py_True;
    if (answer == NULL || again) {
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(traceback);
    } else {
        PyErr_Restore(type, value, traceback);
    }
    Py_XDECREF(answer);
    return again;
}

typedef PyObject *(*session_method)(PyObject *session, arguments args, Py_ssize_t count,
                                    PyObject *keywords);

static PyObject *
forward(PyObject *self, session_method method, arguments args, Py_ssize_t count, PyObject *keywords)
{
    for (;;) {
        PyObject *session = attached(self);
        if (session == NULL) {
            if (!has_session_after_all(self)) {
                return NULL;
            }
            continue;
        }
        PyObject *result = method(session, args, count, keywords);
        bool again = result == NULL && goes_on(self, session);
        Py_DECREF(session);
        if (!again) {
            return result;
        }
    }
}

/* More than any of the methods takes. */
#define MOST_VALUES 8

/* As forward, for arguments that may be iterators: these can be gone through once only, and a call
 * that is made again would find nothing in them. */
static PyObject *
forward_iterable(PyObject *self, session_method method, arguments args, Py_ssize_t count,
                 PyObject *keywords)
{
    PyObject *values[MOST_VALUES];
    Py_ssize_t total = count + (keywords != NULL ? PyTuple_Size(keywords) : 0);
    Py_ssize_t iterator = 0;
    while (iterator < total && !PyIter_Check(args[iterator])) {
        iterator++;
    }
    if (iterator == total || total > MOST_VALUES ||
        ((device_object *)self)->session == NULL) { /* no need, refused, nothing to be taken */
        return forward(self, method, args, count, keywords);
    }
    for (Py_ssize_t i = 0; i < total; i++) {
        values[i] = args[i];
    }
    PyObject *list = PySequence_List(args[iterator]);
    if (list == NULL) {
        return NULL;
    }
    values[iterator] = list;
    PyObject *result = forward(self, method, values, count, keywords);
    Py_DECREF(list);
    return result;
}

#define FORWARD(name)                                                                              \
    static PyObject *device_##name(PyObject *self, arguments args, Py_ssize_t count,               \
                                   PyObject *keywords)                                             \
    {                                                                                              \
        return forward_iterable(self, session_##name, args, count, keywords);                      \
    }

SESSION_METHODS(FORWARD)

static PyObject *
device_next(PyObject *self)
{
    for (;;) {
        PyObject *session = attached(self);
        if (session == NULL) {
            /* True where there is one after all, False for the end of the iteration. */
            PyObject *more = PyObject_CallMethod(self, "_iterates_on", NULL);
            Py_XDECREF(more);
            if (more != Py_True) {
                return NULL;
            }
            continue;
        }
        PyObject *packet = session_next(session);
        bool again = packet == NULL && goes_on(self, session);
        Py_DECREF(session);
        if (!again) {
            return packet;
        }
    }
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

static PyObject *
device_refuse(PyObject *self, PyObject *why)
{
    module_state *state = ((device_object *)self)->state;
    if (PyUnicode_CompareWithASCIIString(why, "closed") == 0) {
        return raise_closed(state, "device");
    }
    if (PyUnicode_CompareWithASCIIString(why, "gone") == 0) {
        return raise_gone(state);
    }
    return raise_down(state);
}

/* What TunDevice decides otherwise. */
static PyObject *
device_refuse_absent(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    return raise_down(((device_object *)self)->state);
}

static PyObject *
device_never(PyObject *self, PyObject *ignored)
{
    (void)self;
    (void)ignored;
    Py_RETURN_FALSE;
}

/* Whether a class has the method of TunDevice in itself, and does not inherit it. */
static bool
is_strict(PyObject *type)
{
    PyObject *own = PyObject_GetAttrString(type, "__dict__");
    bool strict = own != NULL && PyMapping_HasKeyString(own, "_refuse_attribute");
    Py_XDECREF(own);
    PyErr_Clear();
    return strict;
}

/* A TunDevice takes the attributes that its class declares: a setting that is misspelt must not be
 * taken for one that is made. Classes of users are free. */
static int
device_set(PyObject *self, PyObject *name, PyObject *value)
{
    PyObject *type = (PyObject *)Py_TYPE(self);
    bool is_private = PyUnicode_GetLength(name) > 0 && PyUnicode_ReadChar(name, 0) == '_';
    if (value != NULL && !is_private && !PyObject_HasAttr(type, name) && is_strict(type)) {
        Py_XDECREF(PyObject_CallMethod(self, "_refuse_attribute", "O", name));
        return -1;
    }
    return PyObject_GenericSetAttr(self, name, value);
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
    {"_refuse_absent", device_refuse_absent, METH_NOARGS,
     "_refuse_absent($self, /)\n--\n\n"
     "Raises the error of a call that found no session, unless there is one by now."},
    {"_goes_on", device_never, METH_VARARGS,
     "_goes_on($self, ended, is_corrupt, /)\n--\n\n"
     "Returns whether a call that this session has failed is to be made again."},
    {"_iterates_on", device_never, METH_NOARGS,
     "_iterates_on($self, /)\n--\n\n"
     "Returns whether an iteration that found no session goes on; raises if it may not end."},
    {"_refuse", device_refuse, METH_O,
     "_refuse($self, why, /)\n--\n\n"
     "Raises ClosedError for a device that is \"closed\" or \"down\", or AdapterTerminatingError "
     "for\none whose adapter is \"gone\"."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot device_slots[] = {
    {Py_tp_doc, (void *)"The data path of a device; the base of TunDevice."},
    {Py_tp_new, SLOT(device_new)},
    {Py_tp_dealloc, SLOT(device_dealloc)},
    {Py_tp_setattro, SLOT(device_set)},
    {Py_tp_iter, SLOT(device_iter)},
    {Py_tp_iternext, SLOT(device_next)},
    {Py_tp_methods, device_methods},
    {0, NULL},
};

PyType_Spec device_base_spec = {"wintun._wintun.DeviceBase", sizeof(device_object), 0,
                                TYPE_FLAGS | Py_TPFLAGS_BASETYPE, device_slots};
