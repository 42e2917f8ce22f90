/* SPDX-License-Identifier: MIT
 *
 * The Packet object: memory inside a ring, with no copy. (One that was read ahead is out of the
 * ring already and has memory of its own.)
 */
#include "packet.h"

#include "errors.h"
#include "exports.h"

#include <stdlib.h>
#include <string.h>

typedef struct packet_object {
    PyObject_HEAD
    module_state *state;
    PyObject *weak_references;
    shared_session *session; /* a reference, and while it is in the ring a hold on its gate */
    packet_memory packet;
    memory_exports exports;
} packet_object;

/* --- Giving the memory back ------------------------------------------------------------------- */

PyObject *
packet_new(module_state *state, shared_session *session, BYTE *memory, DWORD size, packet_kind kind)
{
    packet_memory packet = {memory, size, kind};
    PyTypeObject *type = (PyTypeObject *)state->packet_type;
    packet_object *self = (packet_object *)PyType_GenericAlloc(type, 0);
    if (self == NULL) {
        Py_BEGIN_ALLOW_THREADS
        if (kind != PACKET_TO_SEND) {
            atom_u64_count(&session->statistics.packets_unread, 1);
        }
        packet_give_back(session, &packet, 1, false);
        Py_END_ALLOW_THREADS
        return NULL;
    }
    session_reference(session);
    self->state = state;
    self->session = session;
    self->packet = packet;
    return (PyObject *)self;
}

PyObject *
packet_of_copy(module_state *state, shared_session *session, const BYTE *copy, DWORD size)
{
    BYTE *memory = malloc(size > 0 ? size : 1);
    if (memory == NULL) {
        atom_u64_count(&session->statistics.packets_unread, 1);
        return PyErr_NoMemory();
    }
    memcpy(memory, copy, size);
    return packet_new(state, session, memory, size, PACKET_COPY);
}

/* 1: given back now; 0: it was before; -1: an exception is set, because buffers are exported. */
static int
give_back_once(packet_object *self, bool send)
{
    int ended = exports_end(&self->exports, "packet");
    if (ended <= 0) {
        return ended;
    }
    Py_BEGIN_ALLOW_THREADS
    packet_give_back(self->session, &self->packet, 1, send);
    Py_END_ALLOW_THREADS
    return 1;
}

static PyObject *
packet_release(PyObject *object, PyObject *ignored)
{
    (void)ignored;
    if (give_back_once((packet_object *)object, false) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
packet_send(PyObject *object, PyObject *ignored)
{
    packet_object *self = (packet_object *)object;
    (void)ignored;
    if (self->packet.kind != PACKET_TO_SEND) {
        PyErr_SetString(PyExc_ValueError, "a received packet cannot be sent: allocate one with "
                                          "allocate_send_packet()");
        return NULL;
    }
    if (!packets_may_be_sent(self->session, self->state, &self->exports, "packet", &self->packet,
                             1)) {
        return NULL;
    }
    int result = give_back_once(self, true);
    if (result < 0) {
        return NULL;
    }
    if (result == 0) {
        return raise_closed(self->state, "packet");
    }
    Py_RETURN_NONE;
}

static void
packet_dealloc(PyObject *object)
{
    packet_object *self = (packet_object *)object;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (self->weak_references != NULL) {
        PyObject_ClearWeakRefs(object);
    }
    if (self->session != NULL) {
        /* Every exported buffer has a reference to the packet, so there is none now. */
        (void)give_back_once(self, false);
        session_unreference(self->session);
    }
    PyErr_Restore(type, value, traceback);
    free_object(object);
}

/* --- The buffer ------------------------------------------------------------------------------- */

static int
packet_get_buffer(PyObject *object, Py_buffer *view, int flags)
{
    packet_object *self = (packet_object *)object;
    return exports_get_buffer(&self->exports, self->state, "packet", object, self->packet.memory,
                              self->packet.size, view, flags);
}

static void
packet_release_buffer(PyObject *object, Py_buffer *view)
{
    (void)view;
    exports_release_buffer(&((packet_object *)object)->exports);
}

static Py_ssize_t
packet_length(PyObject *object)
{
    return (Py_ssize_t)((packet_object *)object)->packet.size;
}

/* --- The rest --------------------------------------------------------------------------------- */

static PyObject *
packet_enter(PyObject *object, PyObject *ignored)
{
    (void)ignored;
    Py_INCREF(object);
    return object;
}

static PyObject *
packet_get_released(PyObject *object, void *closure)
{
    (void)closure;
    return PyBool_FromLong(exports_ended(&((packet_object *)object)->exports));
}

static PyObject *
packet_repr(PyObject *object)
{
    packet_object *self = (packet_object *)object;
    return PyUnicode_FromFormat("<wintun.Packet %s, %lu bytes%s>",
                                self->packet.kind == PACKET_TO_SEND ? "to send" : "received",
                                (unsigned long)self->packet.size,
                                exports_ended(&self->exports) ? ", released" : "");
}

static PyMethodDef packet_methods[] = {
    {"send", packet_send, METH_NOARGS,
     "send($self, /)\n--\n\n"
     "Sends the packet; its memory goes back to the ring.\n\n"
     "Raises ValueError for a received packet and, with ip_only, for what is no IP; ClosedError "
     "for one that was sent or released,\n"
     "BufferError while a memoryview of it is alive. Any thread; also after the session was "
     "ended,\n"
     "where it has no effect on the wire."},
    {"release", packet_release, METH_NOARGS,
     "release($self, /)\n--\n\n"
     "Gives the memory back to the ring; a packet that was to be sent is discarded.\n\n"
     "Raises BufferError while a memoryview of it is alive. Any thread, any number of times."},
    {"__enter__", packet_enter, METH_NOARGS, NULL},
    {"__exit__", packet_release, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef packet_properties[] = {
    {"released", packet_get_released, NULL,
     "Whether the memory was given back, by send() or release().", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef packet_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(packet_object, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot packet_slots[] = {
    {Py_tp_doc,
     (void *)"Memory of one packet inside a ring: a writable buffer of 0 to 65535 bytes, no "
             "copy.\n\n"
             "Made by receive_packet() and allocate_send_packet(). A with block releases it, and\n"
             "so does the garbage collector; what was not sent by send() is then discarded.\n\n"
             "Its bytes are reached as those of a bytearray that keeps its size: packet[0], and\n"
             "packet[:] = data, which costs a third of what a memoryview made for it does."},
    {Py_tp_new, SLOT(refuse_new)},
    {Py_tp_dealloc, SLOT(packet_dealloc)},
    {Py_tp_repr, SLOT(packet_repr)},
    {Py_tp_methods, packet_methods},
    {Py_tp_getset, packet_properties},
    {Py_tp_members, packet_members},
    {Py_mp_length, SLOT(packet_length)},
    {Py_mp_subscript, SLOT(buffer_item)},
    {Py_mp_ass_subscript, SLOT(buffer_set_item)},
    {Py_bf_getbuffer, SLOT(packet_get_buffer)},
    {Py_bf_releasebuffer, SLOT(packet_release_buffer)},
    {0, NULL},
};

PyType_Spec packet_spec = {"wintun.Packet", sizeof(packet_object), 0, TYPE_FLAGS, packet_slots};
