/* SPDX-License-Identifier: MIT
 *
 * The Packet object: memory inside a ring, with no copy. (One that was read ahead is out of the
 * ring already and has memory of its own.)
 *
 * Its one word of state counts the buffers that are exported, or says that the memory was given
 * back: so release() never pulls memory from under a memoryview, in whatever threads both are.
 */
#include "convert.h"
#include "errors.h"

#include <stdlib.h>
#include <string.h>

#define RELEASED UINT32_C(0x80000000)

typedef struct packet_object {
    PyObject_HEAD module_state *state;
    PyObject *weak_references;
    shared_session *session; /* a reference, and while it is in the ring a hold on its gate */
    BYTE *memory;
    DWORD size;
    packet_kind kind;
    atom_u32 exports;
} packet_object;

/* --- Giving the memory back ------------------------------------------------------------------- */

/* An allocation cannot be cancelled in Wintun, but the driver
 * discards what is not an IP packet, and zeroes are none. */
void
packet_give_back(shared_session *session, BYTE *memory, DWORD size, packet_kind kind, bool send)
{
    if (kind == PACKET_COPY) {
        free(memory);
        return;
    }
    if (kind == PACKET_RECEIVED) {
        session->api->ReleaseReceivePacket(session->handle, memory);
    } else {
        if (!send) {
            memset(memory, 0, size);
        }
        session->api->SendPacket(session->handle, memory);
        atom_u64_count(
            send ? &session->statistics.packets_sent : &session->statistics.packets_discarded, 1);
        atom_u64_count(&session->statistics.bytes_sent, send ? size : 0);
    }
    session_unhold(session, 1);
}

PyObject *
packet_new(module_state *state, shared_session *session, BYTE *memory, DWORD size, packet_kind kind)
{
    PyTypeObject *type = (PyTypeObject *)state->packet_type;
    packet_object *self = (packet_object *)PyType_GenericAlloc(type, 0);
    if (self == NULL) {
        Py_BEGIN_ALLOW_THREADS
        packet_give_back(session, memory, size, kind, false);
        Py_END_ALLOW_THREADS
        return NULL;
    }
    session_reference(session);
    self->state = state;
    self->session = session;
    self->memory = memory;
    self->size = size;
    self->kind = kind;
    return (PyObject *)self;
}

PyObject *
packet_of_copy(module_state *state, shared_session *session, const BYTE *copy, DWORD size)
{
    BYTE *memory = malloc(size > 0 ? size : 1);
    if (memory == NULL) {
        return PyErr_NoMemory();
    }
    memcpy(memory, copy, size);
    return packet_new(state, session, memory, size, PACKET_COPY);
}

/* 1: given back now; 0: it was before; -1: an exception is set, because buffers are exported. */
static int
give_back_once(packet_object *self, bool send)
{
    uint32_t exports = 0;
    if (!atom_u32_cas(&self->exports, &exports, RELEASED)) {
        if (exports == RELEASED) {
            return 0;
        }
        PyErr_Format(PyExc_BufferError,
                     "the packet's memory is in use by %lu memoryview or other buffer: release "
                     "it first",
                     (unsigned long)exports);
        return -1;
    }
    Py_BEGIN_ALLOW_THREADS
    packet_give_back(self->session, self->memory, self->size, self->kind, send);
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
    if (self->kind != PACKET_TO_SEND) {
        PyErr_SetString(PyExc_ValueError, "a received packet cannot be sent: allocate one with "
                                          "allocate_send_packet()");
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
    uint32_t exports = atom_u32_load(&self->exports);
    do {
        if (exports == RELEASED) {
            view->obj = NULL;
            (void)raise_closed(self->state, "packet");
            return -1;
        }
    } while (!atom_u32_cas(&self->exports, &exports, exports + 1));
    if (PyBuffer_FillInfo(view, object, self->memory, (Py_ssize_t)self->size, 0, flags) != 0) {
        (void)atom_u32_add(&self->exports, UINT32_MAX);
        return -1;
    }
    return 0;
}

static void
packet_release_buffer(PyObject *object, Py_buffer *view)
{
    (void)view;
    (void)atom_u32_add(&((packet_object *)object)->exports, UINT32_MAX);
}

static Py_ssize_t
packet_length(PyObject *object)
{
    return (Py_ssize_t)((packet_object *)object)->size;
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
    return PyBool_FromLong(atom_u32_load(&((packet_object *)object)->exports) == RELEASED);
}

static PyObject *
packet_repr(PyObject *object)
{
    packet_object *self = (packet_object *)object;
    return PyUnicode_FromFormat(
        "<wintun.Packet %s, %lu bytes%s>", self->kind == PACKET_TO_SEND ? "to send" : "received",
        (unsigned long)self->size, atom_u32_load(&self->exports) == RELEASED ? ", released" : "");
}

static PyMethodDef packet_methods[] = {
    {"send", packet_send, METH_NOARGS,
     "send()\n--\n\n"
     "Sends the packet; its memory goes back to the ring.\n\n"
     "Raises ValueError for a received packet, ClosedError for one that was sent or released,\n"
     "BufferError while a memoryview of it is alive. Any thread; also after the session was "
     "ended,\n"
     "where it has no effect on the wire."},
    {"release", packet_release, METH_NOARGS,
     "release()\n--\n\n"
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
             "so does the garbage collector; what was not sent by send() is then discarded."},
    {Py_tp_new, SLOT(refuse_new)},
    {Py_tp_dealloc, SLOT(packet_dealloc)},
    {Py_tp_repr, SLOT(packet_repr)},
    {Py_tp_methods, packet_methods},
    {Py_tp_getset, packet_properties},
    {Py_tp_members, packet_members},
    {Py_mp_length, SLOT(packet_length)},
    {Py_bf_getbuffer, SLOT(packet_get_buffer)},
    {Py_bf_releasebuffer, SLOT(packet_release_buffer)},
    {0, NULL},
};

PyType_Spec packet_spec = {"wintun.Packet", sizeof(packet_object), 0, Py_TPFLAGS_DEFAULT,
                           packet_slots};
