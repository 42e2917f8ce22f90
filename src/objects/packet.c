/* SPDX-License-Identifier: MIT
 *
 * The Packet object: memory inside a ring, with no copy. (One that was read ahead is out of the
 * ring already and has memory of its own.)
 */
#include "packet.h"

#include "buffer_items.h"
#include "ring_memory.h"

#include <stdlib.h>
#include <string.h>

typedef struct packet_object {
    ring_memory base;
    packet_memory packet;
} packet_object;

static const ring_memory_words words = {
    "packet", "a received packet cannot be sent: allocate one with allocate_send_packet()"};

/* --- Making ----------------------------------------------------------------------------------- */

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
    ring_memory_begin(&self->base, state, session, &words, kind == PACKET_TO_SEND);
    self->packet = packet;
    self->base.packets = &self->packet;
    self->base.count = 1;
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

static void
packet_dealloc(PyObject *object)
{
    ring_memory_end((ring_memory *)object);
    free_object(object);
}

/* --- The buffer ------------------------------------------------------------------------------- */

static int
packet_get_buffer(PyObject *object, Py_buffer *view, int flags)
{
    return ring_memory_get_buffer((ring_memory *)object, object, 0, view, flags);
}

static void
packet_release_buffer(PyObject *object, Py_buffer *view)
{
    (void)view;
    ring_memory_let_go((ring_memory *)object);
}

static Py_ssize_t
packet_length(PyObject *object)
{
    return (Py_ssize_t)((packet_object *)object)->packet.size;
}

/* --- The rest --------------------------------------------------------------------------------- */

static PyObject *
packet_repr(PyObject *object)
{
    packet_object *self = (packet_object *)object;
    return PyUnicode_FromFormat("<wintun.Packet %s, %lu bytes%s>",
                                self->packet.kind == PACKET_TO_SEND ? "to send" : "received",
                                (unsigned long)self->packet.size,
                                ring_memory_is_given_back(&self->base) ? ", released" : "");
}

static PyMethodDef packet_methods[] = {
    RING_MEMORY_METHODS(
        "send($self, /)\n--\n\n"
        "Sends the packet; its memory goes back to the ring.\n\n"
        "Raises ValueError for a received packet and, with ip_only, for what is no IP; ClosedError "
        "for one that was sent or released,\n"
        "BufferError while a memoryview of it is alive. Any thread; also after the session was "
        "ended,\n"
        "where it has no effect on the wire.",
        "release($self, /)\n--\n\n"
        "Gives the memory back to the ring; a packet that was to be sent is discarded.\n\n"
        "Raises BufferError while a memoryview of it is alive. Any thread, any number of times."),
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
    {Py_tp_getset, ring_memory_properties},
    {Py_tp_members, ring_memory_members},
    {Py_mp_length, SLOT(packet_length)},
    {Py_mp_subscript, SLOT(buffer_item)},
    {Py_mp_ass_subscript, SLOT(buffer_set_item)},
    {Py_bf_getbuffer, SLOT(packet_get_buffer)},
    {Py_bf_releasebuffer, SLOT(packet_release_buffer)},
    {0, NULL},
};

PyType_Spec packet_spec = {"wintun.Packet", sizeof(packet_object), 0, TYPE_FLAGS, packet_slots};
