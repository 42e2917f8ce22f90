/* SPDX-License-Identifier: MIT
 *
 * Duplicates of a session's events for an event loop. An object has them from their first moment,
 * so that none is lost where a signal handler raises.
 */
#include "loop_events.h"

#include "session_call.h"
#include "session_object.h"

typedef struct loop_events_object {
    PyObject_HEAD
    shared_session *shared; /* a reference */
    loop_events events;
    atom_u32 open;
} loop_events_object;

PyObject *
session_loop_events(PyObject *object, PyObject *ignored)
{
    session_object *session = (session_object *)object;
    outcome result;
    (void)ignored;
    PyObject *made = PyType_GenericAlloc((PyTypeObject *)session->state->loop_events_type, 0);
    loop_events_object *self = (loop_events_object *)made;
    if (self == NULL) {
        return NULL;
    }
    self->shared = session->shared;
    session_reference(self->shared);
    Py_BEGIN_ALLOW_THREADS
    result = session_begin_watch(self->shared, &self->events);
    Py_END_ALLOW_THREADS
    if (result != OUTCOME_DONE) {
        Py_DECREF(made);
        return session_raise(session, "DuplicateHandle", result, ERROR_NOT_ENOUGH_MEMORY);
    }
    atom_u32_store(&self->open, 1);
    return made;
}

static void
end(loop_events_object *self)
{
    uint32_t open = 1;
    if (atom_u32_cas(&self->open, &open, 0)) {
        platform_handle_close(self->events.packets);
        platform_handle_close(self->events.baton);
        platform_handle_close(self->events.closed);
        session_end_watch(self->shared);
    }
}

static PyObject *
loop_events_close(PyObject *object, PyObject *ignored)
{
    (void)ignored;
    end((loop_events_object *)object);
    Py_RETURN_NONE;
}

static void
loop_events_dealloc(PyObject *object)
{
    loop_events_object *self = (loop_events_object *)object;
    end(self);
    Py_BEGIN_ALLOW_THREADS
    session_unreference(self->shared);
    Py_END_ALLOW_THREADS
    free_object(object);
}

/* --- The type --------------------------------------------------------------------------------- */

static PyObject *
get_packets(PyObject *object, void *closure)
{
    (void)closure;
    return PyLong_FromVoidPtr((void *)((loop_events_object *)object)->events.packets);
}

static PyObject *
get_baton(PyObject *object, void *closure)
{
    (void)closure;
    return PyLong_FromVoidPtr((void *)((loop_events_object *)object)->events.baton);
}

static PyObject *
get_closed(PyObject *object, void *closure)
{
    (void)closure;
    return PyLong_FromVoidPtr((void *)((loop_events_object *)object)->events.closed);
}

static PyObject *
get_is_open(PyObject *object, void *closure)
{
    (void)closure;
    return PyBool_FromLong(atom_u32_load(&((loop_events_object *)object)->open) != 0);
}

static PyMethodDef loop_events_methods[] = {
    {"close", loop_events_close, METH_NOARGS,
     "close($self, /)\n--\n\n"
     "Closes the events, and ends the watch; nobody may be waiting for them. Any thread, any "
     "number "
     "of times."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef loop_events_properties[] = {
    {"packets", get_packets, NULL, "The read-wait event, an int: a HANDLE or a descriptor.", NULL},
    {"baton", get_baton, NULL, "The event that threads set when they leave packets to the loops.",
     NULL},
    {"is_open", get_is_open, NULL, "Whether close() was not called.", NULL},
    {"closed", get_closed, NULL, "The event that stays signaled once the session is closed.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot loop_events_slots[] = {
    {Py_tp_doc, (void *)"A session's events for an event loop, duplicated: they outlive it."},
    {Py_tp_new, SLOT(refuse_new)},
    {Py_tp_dealloc, SLOT(loop_events_dealloc)},
    {Py_tp_methods, loop_events_methods},
    {Py_tp_getset, loop_events_properties},
    {0, NULL},
};

PyType_Spec loop_events_spec = {"wintun._wintun.LoopEvents", sizeof(loop_events_object), 0,
                                TYPE_FLAGS, loop_events_slots};
