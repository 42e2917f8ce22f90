/* SPDX-License-Identifier: MIT
 *
 * The PacketBatch object: many packets' memory in a ring at once, a sequence of memoryviews.
 *
 * Views are made when an item is asked for, so that a batch costs next to nothing for packets that
 * nobody looks at.
 */
#include "packet_batch.h"

#include "core/receive.h"
#include "core/send.h"

#include "convert.h"
#include "errors.h"
#include "packet_sizes.h"
#include "ring_memory.h"

#include <stdlib.h>
#include <string.h>

typedef ring_memory batch_object;

static const ring_memory_words words = {
    "batch", "received packets cannot be sent: allocate some with allocate_send_packets()"};

/* The owner of one item's buffer. */
typedef struct item_object {
    PyObject_HEAD
    batch_object *batch;
    Py_ssize_t index;
} item_object;

/* --- Making ---------------------------------------------------------------------------------- */

static batch_object *
batch_new(module_state *state, shared_session *session, DWORD room, bool for_sending)
{
    PyTypeObject *type = (PyTypeObject *)state->packet_batch_type;
    batch_object *self = (batch_object *)PyType_GenericAlloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    ring_memory_begin(self, state, session, &words, for_sending);
    self->packets = calloc(room, sizeof(*self->packets));
    if (self->packets == NULL) {
        Py_DECREF(self);
        (void)PyErr_NoMemory();
        return NULL;
    }
    return self;
}

/* Attempts without a wait, and without the GIL. What stops it is told only if there are none. */
static outcome
attempt_batch(batch_object *self, attempt *tried, const DWORD *count)
{
    outcome result;
    Py_BEGIN_ALLOW_THREADS
    result = session_attempt(self->session, 0, tried);
    Py_END_ALLOW_THREADS
    self->count = result == OUTCOME_DONE ? (Py_ssize_t)*count : 0;
    return result;
}

/* --- Receiving ------------------------------------------------------------------------------- */

PyObject *
packet_batch_receive(module_state *state, shared_session *session, DWORD most)
{
    kept_packets kept = {most < LARGEST_BATCH ? most : LARGEST_BATCH, 0, NULL};
    attempt tried = attempt_of(receive_batch_in_place, &kept, AWAIT_PACKETS);
    batch_object *self = batch_new(state, session, kept.limit, false);
    if (self == NULL) {
        return NULL;
    }
    kept.packets = self->packets;
    outcome result = attempt_batch(self, &tried, &kept.count);
    if (result == OUTCOME_DONE || result == OUTCOME_NOT_YET) {
        return (PyObject *)self;
    }
    Py_DECREF(self);
    if (result == OUTCOME_NO_MEMORY) {
        return PyErr_NoMemory();
    }
    return result == OUTCOME_CLOSED ? raise_closed(state, "session")
                                    : raise_ring_error(state, "WintunReceivePacket", tried.code);
}

/* --- Allocating ------------------------------------------------------------------------------ */

static PyObject *
allocate_batch(module_state *state, shared_session *session, allocated_packets *allocated)
{
    attempt tried = attempt_of(allocate_packets, allocated, AWAIT_ROOM);
    batch_object *self = batch_new(state, session, allocated->wanted + 1, true);
    if (self == NULL) {
        return NULL;
    }
    allocated->packets = self->packets;
    outcome result = attempt_batch(self, &tried, &allocated->count);
    if (result == OUTCOME_DONE) {
        return (PyObject *)self;
    }
    Py_DECREF(self);
    if (result == OUTCOME_CLOSED) {
        return raise_closed(state, "session");
    }
    return raise_ring_error(state, "WintunAllocateSendPacket",
                            result == OUTCOME_NOT_YET ? ERROR_BUFFER_OVERFLOW : tried.code);
}

PyObject *
packet_batch_allocate(module_state *state, shared_session *session, PyObject *sizes, PyObject *size)
{
    allocated_packets allocated = {NULL, 0, 0, 0, NULL};
    if (size != NULL && size != Py_None) {
        if (!convert_integer(sizes, "sizes", 0, LARGEST_BATCH, &allocated.wanted) ||
            !convert_integer(size, "size", 0, WINTUN_MAX_IP_PACKET_SIZE, &allocated.size)) {
            return NULL;
        }
        return allocate_batch(state, session, &allocated);
    }
    DWORD *numbers = convert_sizes(sizes, &allocated.wanted);
    if (numbers == NULL) {
        return NULL;
    }
    allocated.sizes = numbers;
    PyObject *batch = allocate_batch(state, session, &allocated);
    PyMem_Free(numbers);
    return batch;
}

static void
batch_dealloc(PyObject *object)
{
    ring_memory_end((ring_memory *)object);
    free(((batch_object *)object)->packets);
    free_object(object);
}

/* --- Items ----------------------------------------------------------------------------------- */

static Py_ssize_t
batch_length(PyObject *object)
{
    return ((batch_object *)object)->count;
}

/* NULL with an exception set if there is no such packet. */
static const packet_memory *
find_entry(const batch_object *self, Py_ssize_t index)
{
    if (index < 0 || index >= self->count) {
        PyErr_Format(PyExc_IndexError, "index %zd is not one of the batch's %zd packets", index,
                     self->count);
        return NULL;
    }
    return &self->packets[index];
}

static PyObject *
batch_item(PyObject *object, Py_ssize_t index)
{
    batch_object *self = (batch_object *)object;
    if (find_entry(self, index) == NULL) {
        return NULL;
    }
    PyTypeObject *type = (PyTypeObject *)self->state->batch_item_type;
    item_object *item = (item_object *)PyType_GenericAlloc(type, 0);
    if (item == NULL) {
        return NULL;
    }
    Py_INCREF(object);
    item->batch = self;
    item->index = index;
    PyObject *view = PyMemoryView_FromObject((PyObject *)item);
    Py_DECREF(item);
    return view;
}

/* Fills a packet, without making a view of it. */
static int
batch_set_item(PyObject *object, Py_ssize_t index, PyObject *value)
{
    batch_object *self = (batch_object *)object;
    Py_buffer data;
    int filled = -1;
    const packet_memory *entry = find_entry(self, index);
    if (entry == NULL) {
        return -1;
    }
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "a batch keeps its packets: none can be deleted");
        return -1;
    }
    if (!convert_packet(value, &data)) {
        return -1;
    }
    if (data.len != (Py_ssize_t)entry->size) {
        PyErr_Format(PyExc_ValueError, "packet %zd has %lu bytes and takes no other number: %zd",
                     index, (unsigned long)entry->size, data.len);
    } else if (ring_memory_keep(self)) {
        memmove(entry->memory, data.buf, entry->size);
        ring_memory_let_go(self);
        filled = 0;
    }
    PyBuffer_Release(&data);
    return filled;
}

static void
item_dealloc(PyObject *object)
{
    Py_XDECREF((PyObject *)((item_object *)object)->batch);
    free_object(object);
}

static int
item_get_buffer(PyObject *object, Py_buffer *view, int flags)
{
    item_object *item = (item_object *)object;
    return ring_memory_get_buffer(item->batch, object, item->index, view, flags);
}

static void
item_release_buffer(PyObject *object, Py_buffer *view)
{
    (void)view;
    ring_memory_let_go(((item_object *)object)->batch);
}

/* --- The types ------------------------------------------------------------------------------- */

static PyMethodDef batch_methods[] = {
    RING_MEMORY_METHODS(
        "send($self, /)\n--\n\n"
        "Sends all packets, in order; their memory goes back to the ring.\n\n"
        "Raises ValueError for received packets and, with ip_only, if one is no IP: none is sent "
        "then;\n"
        "ClosedError for a batch that was sent or released,\n"
        "BufferError while a memoryview of it is alive. Any thread.",
        "release($self, /)\n--\n\n"
        "Gives the memory back to the ring; packets that were to be sent are discarded.\n\n"
        "Raises BufferError while a memoryview of it is alive. Any thread, any number of times."),
};

static PyObject *
batch_repr(PyObject *object)
{
    batch_object *self = (batch_object *)object;
    return PyUnicode_FromFormat("<wintun.PacketBatch %s, %zd packets%s>",
                                self->for_sending ? "to send" : "received", self->count,
                                ring_memory_is_given_back(self) ? ", released" : "");
}

static PyType_Slot batch_slots[] = {
    {Py_tp_doc,
     (void *)"Packets in a ring, a sequence of writable memoryviews, no copy.\n\n"
             "Made by receive_packets() and allocate_send_packets(). batch[i] = data fills packet "
             "i\n"
             "with as many bytes as it has, for a fraction of what a memoryview costs. A with\n"
             "block releases all packets, and so does the garbage collector. Any thread."},
    {Py_tp_new, SLOT(refuse_new)},
    {Py_tp_dealloc, SLOT(batch_dealloc)},
    {Py_tp_methods, batch_methods},
    {Py_tp_repr, SLOT(batch_repr)},
    {Py_tp_getset, ring_memory_properties},
    {Py_tp_members, ring_memory_members},
    {Py_tp_iter, SLOT(PySeqIter_New)},
    {Py_sq_length, SLOT(batch_length)},
    {Py_sq_item, SLOT(batch_item)},
    {Py_sq_ass_item, SLOT(batch_set_item)},
    {0, NULL},
};

PyType_Spec packet_batch_spec = {"wintun.PacketBatch", sizeof(batch_object), 0, TYPE_FLAGS,
                                 batch_slots};

static PyType_Slot item_slots[] = {
    {Py_tp_doc, (void *)"The owner of one memoryview of a PacketBatch."},
    {Py_tp_new, SLOT(refuse_new)},
    {Py_tp_dealloc, SLOT(item_dealloc)},
    {Py_bf_getbuffer, SLOT(item_get_buffer)},
    {Py_bf_releasebuffer, SLOT(item_release_buffer)},
    {0, NULL},
};

PyType_Spec batch_item_spec = {"wintun._wintun._BatchItem", sizeof(item_object), 0, TYPE_FLAGS,
                               item_slots};
