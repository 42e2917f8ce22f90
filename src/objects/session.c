/* SPDX-License-Identifier: MIT
 *
 * The Session object: one pair of rings on an adapter.
 */
#include "session.h"

#include "convert.h"
#include "errors.h"
#include "logger.h"
#include "loop_events.h"
#include "session_call.h"
#include "session_methods.h"

PyObject *
session_new(module_state *state, PyObject *adapter, shared_session *shared, DWORD capacity)
{
    PyTypeObject *type = (PyTypeObject *)state->session_type;
    session_object *self = (session_object *)PyType_GenericAlloc(type, 0);
    if (self == NULL) {
        Py_BEGIN_ALLOW_THREADS
        session_end(shared);
        session_unreference(shared);
        Py_END_ALLOW_THREADS
        return NULL;
    }
    Py_INCREF(adapter);
    self->state = state;
    self->adapter = adapter;
    self->shared = shared;
    self->capacity = capacity;
    return (PyObject *)self;
}

static void
session_dealloc(PyObject *object)
{
    session_object *self = (session_object *)object;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (self->weak_references != NULL) {
        PyObject_ClearWeakRefs(object);
    }
    if (self->shared != NULL) {
        if (session_is_open(self->shared) &&
            PyErr_WarnFormat(PyExc_ResourceWarning, 1, "unclosed Wintun session") != 0) {
            PyErr_WriteUnraisable(NULL);
        }
        Py_BEGIN_ALLOW_THREADS
        session_end(self->shared);
        session_unreference(self->shared);
        Py_END_ALLOW_THREADS
    }
    Py_XDECREF(self->adapter);
    PyErr_Restore(type, value, traceback);
    free_object(object);
}

/* --- Event loops ------------------------------------------------------------------------------ */

static PyObject *
session_wake_thread_method(PyObject *object, PyObject *ignored)
{
    shared_session *shared = ((session_object *)object)->shared;
    (void)ignored;
    Py_BEGIN_ALLOW_THREADS
    if (session_enter(shared)) {
        session_wake_thread(shared, 0);
        session_give_back(shared, GATE_CALL);
    }
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* --- End -------------------------------------------------------------------------------------- */

static PyObject *
session_end_method(PyObject *object, PyObject *ignored)
{
    session_object *self = (session_object *)object;
    (void)ignored;
    Py_BEGIN_ALLOW_THREADS
    session_end(self->shared);
    Py_END_ALLOW_THREADS
    Py_INCREF(Py_None);
    return logger_return(Py_None);
}

static PyObject *
session_enter_method(PyObject *object, PyObject *ignored)
{
    session_object *self = (session_object *)object;
    (void)ignored;
    if (!session_is_open(self->shared)) {
        return raise_closed(self->state, "session");
    }
    Py_INCREF(object);
    return object;
}

/* --- Properties ------------------------------------------------------------------------------- */

static PyObject *
session_get_adapter(PyObject *object, void *closure)
{
    PyObject *adapter = ((session_object *)object)->adapter;
    (void)closure;
    Py_INCREF(adapter);
    return adapter;
}

static PyObject *
session_get_capacity(PyObject *object, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLong(((session_object *)object)->capacity);
}

static PyObject *
session_get_closed(PyObject *object, void *closure)
{
    (void)closure;
    return PyBool_FromLong(!session_is_open(((session_object *)object)->shared));
}

static PyObject *
session_get_terminating(PyObject *object, void *closure)
{
    shared_session *shared = ((session_object *)object)->shared;
    bool terminating;
    (void)closure;
    Py_BEGIN_ALLOW_THREADS
    terminating = session_is_terminating(shared);
    Py_END_ALLOW_THREADS
    return PyBool_FromLong(terminating);
}

static PyObject *
session_repr(PyObject *object)
{
    session_object *self = (session_object *)object;
    return PyUnicode_FromFormat("<wintun.Session on %R %s>", self->adapter,
                                session_is_open(self->shared) ? "open" : "closed");
}

static PyObject *
session_get_read_wait_event(PyObject *object, void *closure)
{
    session_object *self = (session_object *)object;
    (void)closure;
    if (!session_is_open(self->shared)) {
        return raise_closed(self->state, "session");
    }
    atom_u32_store(&self->shared->event_given, 1);
    return PyLong_FromVoidPtr((void *)self->shared->read_event);
}

static PyObject *
session_get_spin_us(PyObject *object, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLong(atom_u32_load(&((session_object *)object)->shared->spin_us));
}

static int
session_set_spin_us(PyObject *object, PyObject *value, void *closure)
{
    DWORD spin_us;
    (void)closure;
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "spin_us cannot be deleted");
        return -1;
    }
    if (!convert_integer(value, "spin_us", 0, LONGEST_SPIN_US, &spin_us)) {
        return -1;
    }
    atom_u32_store(&((session_object *)object)->shared->spin_us, spin_us);
    return 0;
}

static PyObject *
session_get_ip_only(PyObject *object, void *closure)
{
    (void)closure;
    return PyBool_FromLong(atom_u32_load(&((session_object *)object)->shared->ip_only) != 0);
}

static int
session_set_ip_only(PyObject *object, PyObject *value, void *closure)
{
    (void)closure;
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "ip_only cannot be deleted");
        return -1;
    }
    if (!PyBool_Check(value)) {
        PyErr_Format(PyExc_TypeError, "ip_only must be a bool, not %R", value);
        return -1;
    }
    atom_u32_store(&((session_object *)object)->shared->ip_only, value == Py_True);
    return 0;
}

/* The module with the named tuples. It takes long to import, so it comes with the first use; then
 * it is looked up, for an import takes longer than all that is counted. */
static PyObject *
find_records(void)
{
    PyObject *name = PyUnicode_FromString("wintun._records");
    if (name == NULL) {
        return NULL;
    }
    PyObject *records = PyImport_GetModule(name);
    if (records == NULL && !PyErr_Occurred()) {
        records = PyImport_Import(name);
    }
    Py_DECREF(name);
    return records;
}

static PyObject *
session_get_statistics(PyObject *object, void *closure)
{
    shared_session *shared = ((session_object *)object)->shared;
    session_statistics *counted = &shared->statistics;
    (void)closure;
    PyObject *records = find_records();
    if (records == NULL) {
        return NULL;
    }
    PyObject *made =
        PyObject_CallMethod(records, "Statistics", "KKKKKKKKKKKi",
                            (unsigned long long)atom_u64_load(&counted->packets_received),
                            (unsigned long long)atom_u64_load(&counted->bytes_received),
                            (unsigned long long)atom_u64_load(&counted->packets_sent),
                            (unsigned long long)atom_u64_load(&counted->bytes_sent),
                            (unsigned long long)atom_u64_load(&counted->ring_full),
                            (unsigned long long)atom_u64_load(&counted->packets_unsent),
                            (unsigned long long)atom_u64_load(&counted->packets_unread),
                            (unsigned long long)atom_u64_load(&counted->waits),
                            (unsigned long long)atom_u64_load(&counted->spins),
                            (unsigned long long)atom_u64_load(&counted->packets_not_ip),
                            (unsigned long long)session_packets_held(shared), 0);
    Py_DECREF(records);
    return made;
}

/* --- The type --------------------------------------------------------------------------------- */

#define ENTRY(name) FAST_METHOD(#name, session_##name, session_##name##_doc),

static PyMethodDef session_methods[] = {
    SESSION_METHODS(ENTRY){
        "_loop_events", session_loop_events, METH_NOARGS,
        "_loop_events($self, /)\n--\n\n"
        "Begins a watch of an event loop: the LoopEvents that it waits for. Raises ClosedError, "
        "OSError."},
    {"_wake_thread", session_wake_thread_method, METH_NOARGS,
     "_wake_thread($self, /)\n--\n\n"
     "For an event loop that has seen a signal: wakes a thread that waits in the session."},
    {"end", session_end_method, METH_NOARGS,
     "end($self, /)\n--\n\n"
     "Ends the session. Threads that wait in it wake at once and get ClosedError.\n\n"
     "Packets that are held stay readable; the rings' memory goes when the last one is released.\n"
     "Any thread, any number of times."},
    {"__enter__", session_enter_method, METH_NOARGS, NULL},
    {"__exit__", session_end_method, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef session_properties[] = {
    {"adapter", session_get_adapter, NULL, "The Adapter that the session is on.", NULL},
    {"capacity", session_get_capacity, NULL, "Capacity of each ring in bytes.", NULL},
    {"closed", session_get_closed, NULL,
     "Whether the session cannot be used: it was ended, or belongs to the process before a fork.",
     NULL},
    {"terminating", session_get_terminating, NULL,
     "Whether no packet passes any more because the adapter was removed, or was disabled and a\n"
     "read or write has said so. Asks the system, and never waits. Any thread.",
     NULL},
    {"statistics", session_get_statistics, NULL,
     "What passed since the session started, as a wintun.Statistics. Any thread, also after the\n"
     "end.",
     NULL},
    {"read_wait_event", session_get_read_wait_event, NULL,
     "The event that is set when packets arrive, an int: on Windows a HANDLE of an auto-reset\n"
     "event, elsewhere a file descriptor that polls readable while the event is signaled. It\n"
     "belongs to the session and is invalid once that has ended. After a wait for it, read until\n"
     "there is nothing: a read that finds nothing takes the signal, which one that finds a packet\n"
     "leaves. Who waits for it takes signals from those that wait in reads, so do one of the two.\n"
     "Raises ClosedError.",
     NULL},
    {"spin_us", session_get_spin_us, session_set_spin_us,
     "How long a blocking read looks for packets before it goes to sleep, while traffic is heavy\n"
     "(above 800 Mbit/s or 80,000 packets a second over the last 10 ms or more): microseconds,\n"
     "0 to 100000, 0 for never. By default 12, about what wireguard-go takes.",
     NULL},
    {"ip_only", session_get_ip_only, session_set_ip_only,
     "Whether what the driver would discard is refused: packets that are neither IPv4 of at least\n"
     "20 bytes nor IPv6 of at least 40 are then a ValueError and nothing is sent. A bool, by\n"
     "default False: they are sent, and counted as not IP in statistics. Any thread.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef session_members[] = {
    {"_is_replaced", T_BOOL, offsetof(session_object, replaced), 0,
     "Whether a device has another session take its place: calls on the device go on with that."},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(session_object, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot session_slots[] = {
    {Py_tp_doc, (void *)"One pair of rings on an adapter; made by Adapter.start_session().\n\n"
                        "Every method may be called from any thread at any time."},
    {Py_tp_new, SLOT(refuse_new)},
    {Py_tp_dealloc, SLOT(session_dealloc)},
    {Py_tp_repr, SLOT(session_repr)},
    {Py_tp_methods, session_methods},
    {Py_tp_getset, session_properties},
    {Py_tp_members, session_members},
    {0, NULL},
};

PyType_Spec session_spec = {"wintun.Session", sizeof(session_object), 0, TYPE_FLAGS, session_slots};
