/* SPDX-License-Identifier: MIT
 *
 * Reading and writing copies of packets, one by one and in batches.
 */
#include "session.h"

#include "core/packet.h"

#include "convert.h"
#include "errors.h"
#include "waiting.h"

#include <string.h>

/* --- Reading one ------------------------------------------------------------------------------ */

/* What is attempted in each slice of a wait. */
typedef struct attempted {
    attempt_function attempt;
    void *context;
} attempted;

static outcome
attempt_slice(shared_session *shared, int64_t deadline_ns, void *context, DWORD *code)
{
    const attempted *what = context;
    if (!session_enter(shared)) {
        return OUTCOME_CLOSED;
    }
    outcome result = deadline_ns == 0 ? what->attempt(shared, what->context, code)
                                      : session_wait_for(shared, deadline_ns, what->attempt,
                                                         what->context, code);
    session_leave(shared);
    return result;
}

bool
session_attempt_until(session_object *self, int64_t deadline_ns, attempt_function attempt,
                      void *context, outcome *result, DWORD *code)
{
    attempted what = {attempt, context};
    return wait_in_slices(self->state, self->shared, deadline_ns, attempt_slice, &what, result,
                          code);
}

/* Counts a packet for which there is no object to return. */
static PyObject *
count_lost(shared_session *shared)
{
    atom_u64_count(&shared->statistics.packets_unread, 1);
    return NULL;
}

/* bytes of a packet in the ring, which goes back. */
static PyObject *
bytes_from_ring(shared_session *shared, const BYTE *packet, DWORD size)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    char *copy = bytes != NULL ? PyBytes_AsString(bytes) : NULL;
    Py_BEGIN_ALLOW_THREADS
    if (copy != NULL) {
        memcpy(copy, packet, size);
    }
    release_one(shared, packet);
    Py_END_ALLOW_THREADS
    return bytes != NULL ? bytes : count_lost(shared);
}

static PyObject *
bytes_of_received(shared_session *shared, const received_packet *received)
{
    if (received->in_ring != NULL) {
        return bytes_from_ring(shared, received->in_ring, received->size);
    }
    PyObject *bytes =
        PyBytes_FromStringAndSize((const char *)received->copy, (Py_ssize_t)received->size);
    return bytes != NULL ? bytes : count_lost(shared);
}

/* The next packet if it was read ahead; NULL without an exception if none was. */
static PyObject *
read_stored(shared_session *shared)
{
    const BYTE *packet;
    DWORD size;
    if (!read_ahead_front(shared, &packet, &size)) {
        return NULL;
    }
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)packet, (Py_ssize_t)size);
    read_ahead_pop(shared);
    return bytes != NULL ? bytes : count_lost(shared);
}

/* The next packet; None when the time is over; NULL without an exception, and *closed, when the
 * session is closed. */
static PyObject *
read_one(session_object *self, int64_t deadline_ns, bool *closed)
{
    shared_session *shared = self->shared;
    received_packet received;
    outcome result;
    DWORD code = 0;
    PyObject *stored = read_stored(shared);
    if (stored != NULL || PyErr_Occurred()) {
        return stored;
    }
    if (!session_attempt_until(self, deadline_ns, receive_one, &received, &result, &code)) {
        return NULL;
    }
    switch (result) {
    case OUTCOME_DONE:
        return bytes_of_received(shared, &received);
    case OUTCOME_NOT_YET:
    case OUTCOME_INTERRUPTED:
        Py_RETURN_NONE;
    case OUTCOME_CLOSED:
        *closed = true;
        return NULL;
    default:
        return session_raise(self, "WintunReceivePacket", result, code);
    }
}

const char session_read_doc[] =
    "read($self, timeout=0.0)\n--\n\n"
    "Reads one packet.\n\n"
    "timeout: seconds to wait for one (int or float, 0 or more; 0 does not wait), or None to wait\n"
    "for ever.\n"
    "Returns the packet as bytes of 0 to 65535, or None when there was none in that time.\n"
    "Raises ClosedError when the session is closed, also meanwhile; AdapterTerminatingError;\n"
    "RingCorruptError; ValueError or TypeError for the timeout. Any thread; each packet is\n"
    "delivered once.";

PyObject *
session_read(PyObject *object, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"timeout", NULL};
    session_object *self = (session_object *)object;
    PyObject *values[1];
    int64_t deadline_ns;
    bool closed = false;
    if (!convert_arguments("read", names, 0, args, count, keywords, values) ||
        !convert_timeout(values[0], &deadline_ns)) {
        return NULL;
    }
    PyObject *packet = read_one(self, deadline_ns, &closed);
    return closed ? session_raise(self, "WintunReceivePacket", OUTCOME_CLOSED, 0) : packet;
}

PyObject *
session_next(PyObject *object)
{
    bool closed = false;
    return read_one((session_object *)object, NO_DEADLINE, &closed);
}

/* --- Reading many ----------------------------------------------------------------------------- */

/* Gives up a list, or NULL, because of an exception, and counts its packets. */
static void
drop_list(shared_session *shared, PyObject *list)
{
    if (list != NULL) {
        atom_u64_count(&shared->statistics.packets_unread, (uint64_t)PyList_Size(list));
        Py_DECREF(list);
    }
}

/* A list of the packets, whose memory it gives back, also when it fails. */
static PyObject *
list_of_batch(shared_session *shared, const received_batch *batch)
{
    PyObject *list = PyList_New((Py_ssize_t)batch->count);
    for (DWORD i = 0; list != NULL && i < batch->count; i++) {
        PyObject *bytes =
            PyBytes_FromStringAndSize((const char *)batch->packets[i], (Py_ssize_t)batch->sizes[i]);
        if (bytes == NULL || PyList_SetItem(list, (Py_ssize_t)i, bytes) != 0) {
            Py_CLEAR(list);
        }
    }
    Py_BEGIN_ALLOW_THREADS
    release_batch(shared, batch);
    if (list == NULL) {
        atom_u64_count(&shared->statistics.packets_unread, batch->count);
    }
    Py_END_ALLOW_THREADS
    return list;
}

/* A list of what was read ahead, which comes before what is in the ring. */
static PyObject *
list_of_stored(session_object *self, Py_ssize_t most)
{
    received_packet received;
    outcome result;
    DWORD code = 0;
    PyObject *list = PyList_New(0);
    while (list != NULL && PyList_Size(list) < most) {
        PyObject *bytes = read_stored(self->shared);
        if (bytes == NULL && !PyErr_Occurred()) {
            /* The store is empty, in use, or its next packet is still in the ring. */
            if (!session_attempt_until(self, 0, receive_stored, &received, &result, &code) ||
                result != OUTCOME_DONE) {
                break;
            }
            bytes = bytes_of_received(self->shared, &received);
        }
        if (bytes != NULL && PyList_Append(list, bytes) != 0) {
            Py_CLEAR(bytes);
            (void)count_lost(self->shared);
        }
        if (bytes == NULL) {
            drop_list(self->shared, list);
            return NULL;
        }
        Py_DECREF(bytes);
    }
    return list;
}

/* Adds packets to the list, or makes it of them; takes packets over. False with an exception set.
 */
static bool
extend(shared_session *shared, PyObject **list, PyObject *packets)
{
    if (packets == NULL) {
        return false;
    }
    if (*list == NULL) {
        *list = packets;
        return true;
    }
    Py_ssize_t size = PyList_Size(*list);
    if (PyList_SetSlice(*list, size, size, packets) != 0) {
        drop_list(shared, packets);
        return false;
    }
    Py_DECREF(packets);
    return true;
}

/* Makes the list; false with an exception set. What stops a list that has packets will stop the
 * next call, too, and is told then. */
static bool
read_list(session_object *self, Py_ssize_t most, int64_t deadline_ns, PyObject **list)
{
    received_batch batch;
    outcome result;
    DWORD code = 0;
    Py_ssize_t size = 0;
    do {
        batch.limit = most - size < BATCH ? (DWORD)(most - size) : BATCH;
        if (!session_attempt_until(self, size == 0 ? deadline_ns : 0, receive_batch, &batch,
                                   &result, &code)) {
            return false;
        }
        if (result != OUTCOME_DONE) {
            break;
        }
        if (!extend(self->shared, list,
                    batch.count == 0 ? list_of_stored(self, most - size)
                                     : list_of_batch(self->shared, &batch))) {
            return false;
        }
        size = PyList_Size(*list);
    } while ((batch.count == 0 || batch.count == batch.limit) && size < most);
    if (session_is_error(result) && size == 0) {
        (void)session_raise(self, "WintunReceivePacket", result, code);
        return false;
    }
    return *list != NULL || extend(self->shared, list, PyList_New(0));
}

const char session_read_many_doc[] =
    "read_many($self, max_packets=64, timeout=0.0)\n--\n\n"
    "Reads up to max_packets packets (1 or more) at once.\n\n"
    "timeout: seconds to wait for the first of them, or None for ever; it never waits for more.\n"
    "Returns a list of bytes in the order of arrival, empty when there was none in that time.\n"
    "Raises what read() raises, but never when it has packets to return. Any thread.";

PyObject *
session_read_many(PyObject *object, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"max_packets", "timeout", NULL};
    PyObject *values[2];
    DWORD most = 64;
    int64_t deadline_ns;
    if (!convert_arguments("read_many", names, 0, args, count, keywords, values) ||
        (values[0] != NULL && !convert_integer(values[0], "max_packets", 1, 0x7FFFFFFF, &most)) ||
        !convert_timeout(values[1], &deadline_ns)) {
        return NULL;
    }
    session_object *self = (session_object *)object;
    PyObject *list = NULL;
    if (!read_list(self, (Py_ssize_t)most, deadline_ns, &list)) {
        drop_list(self->shared, list);
        return NULL;
    }
    return list;
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* What is written: packets[*written] and those after it. */
typedef struct written_packets {
    const packet_source *packets;
    Py_ssize_t count;
    Py_ssize_t *written;
} written_packets;

/* So many packets are in the ring before the first of them is sent; fewer where they are large, so
 * that the driver has something to do meanwhile. */
#define BURST_PACKETS 64
#define BURST_BYTES 65536

typedef struct burst {
    unsigned count;
    unsigned not_ip;
    DWORD bytes;
    BYTE *packets[BURST_PACKETS];
} burst;

/* Copies packets into the ring, the first when there is room for it, the others if there is. */
static outcome
fill_burst(shared_session *shared, int64_t deadline_ns, const packet_source *packets,
           Py_ssize_t count, burst *filled, DWORD *code)
{
    filled->count = 0;
    filled->not_ip = 0;
    filled->bytes = 0;
    while (filled->count < BURST_PACKETS && filled->bytes < BURST_BYTES && count-- > 0) {
        const packet_source *source = &packets[filled->count];
        BYTE *packet = NULL;
        outcome result = session_allocate(shared, filled->count == 0 ? deadline_ns : 0,
                                          source->size, &packet, code);
        if (result != OUTCOME_DONE) {
            return result;
        }
        memcpy(packet, source->data, source->size);
        filled->packets[filled->count++] = packet;
        filled->bytes += source->size;
        filled->not_ip += !is_ip_packet(source->data, source->size);
    }
    return OUTCOME_DONE;
}

/* From the last to the first: the ring's tail then moves once, over all of them, and the driver is
 * woken once. Moved for each packet, it would be handed to and fro between two processors. */
static void
send_burst(shared_session *shared, const burst *filled)
{
    for (unsigned i = filled->count; i > 0; i--) {
        shared->api->SendPacket(shared->handle, filled->packets[i - 1]);
    }
}

/* Puts packets into the ring until it is full. */
static outcome
put_slice(shared_session *shared, int64_t deadline_ns, void *context, DWORD *code)
{
    const written_packets *packets = context;
    uint64_t bytes = 0;
    uint64_t not_ip = 0;
    Py_ssize_t before = *packets->written;
    Py_ssize_t next = before;
    outcome result = OUTCOME_DONE;
    if (!session_enter(shared)) {
        return OUTCOME_CLOSED;
    }
    while (result == OUTCOME_DONE && next < packets->count) {
        burst filled;
        result = fill_burst(shared, deadline_ns, &packets->packets[next], packets->count - next,
                            &filled, code);
        send_burst(shared, &filled);
        next += filled.count;
        bytes += filled.bytes;
        not_ip += filled.not_ip;
        if (result == OUTCOME_NOT_YET && filled.count > 0 && deadline_ns != 0) {
            result = OUTCOME_DONE; /* the next one may wait */
        }
    }
    *packets->written = next;
    atom_u64_count(&shared->statistics.packets_sent, (uint64_t)(next - before));
    atom_u64_count(&shared->statistics.bytes_sent, bytes);
    session_count_not_ip(shared, not_ip);
    session_leave(shared);
    return result;
}

/* False with an exception set if the session takes IP alone and one of the packets is none. */
static bool
check_are_ip(shared_session *shared, const packet_source *packets, Py_ssize_t count)
{
    if (atom_u32_load(&shared->ip_only) == 0) {
        return true;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!check_ip_packet(i, packets[i].data, packets[i].size)) {
            return false;
        }
    }
    return true;
}

bool
session_put_until(session_object *self, int64_t deadline_ns, const packet_source *packets,
                  Py_ssize_t count, Py_ssize_t *written, outcome *result, DWORD *code)
{
    written_packets all = {packets, count, written};
    if (!check_are_ip(self->shared, packets, count)) {
        return false;
    }
    return wait_in_slices(self->state, self->shared, deadline_ns, put_slice, &all, result, code);
}

/* Counts a write that the full ring refused in the end. */
static void
count_refused(shared_session *shared, outcome result)
{
    if (result == OUTCOME_NOT_YET) {
        atom_u64_count(&shared->statistics.ring_full, 1);
    }
}

PyObject *
session_written(session_object *self, Py_ssize_t written, outcome result, DWORD code)
{
    count_refused(self->shared, result);
    if (session_is_error(result) && written == 0) {
        return session_raise(self, "WintunAllocateSendPacket", result, code);
    }
    return PyLong_FromSsize_t(written);
}

const char session_write_doc[] =
    "write($self, packet, timeout=0.0)\n--\n\n"
    "Writes one packet, an object with a contiguous buffer of at most 65535 bytes.\n\n"
    "timeout: seconds to wait for room in the ring (int or float; 0 does not wait), or None for\n"
    "ever. The driver drops what is neither IPv4 of at least 20 bytes nor IPv6 of at least 40.\n"
    "Raises RingFullError when there was no room in that time: nothing was sent; ClosedError;\n"
    "AdapterTerminatingError; TypeError, ValueError or BufferError for the arguments. Any thread;\n"
    "one thread's packets keep their order.";

PyObject *
session_write(PyObject *object, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"packet", "timeout", NULL};
    session_object *self = (session_object *)object;
    PyObject *values[2];
    Py_buffer view;
    Py_ssize_t written = 0;
    int64_t deadline_ns;
    outcome result;
    DWORD code = 0;
    if (!convert_arguments("write", names, 1, args, count, keywords, values) ||
        !convert_timeout(values[1], &deadline_ns) || !convert_packet(values[0], &view)) {
        return NULL;
    }
    packet_source packet = {view.buf, (DWORD)view.len};
    bool waited = session_put_until(self, deadline_ns, &packet, 1, &written, &result, &code);
    PyBuffer_Release(&view);
    if (!waited) {
        return NULL;
    }
    count_refused(self->shared, result);
    if (result != OUTCOME_DONE) {
        return session_raise(self, "WintunAllocateSendPacket", result, code);
    }
    Py_RETURN_NONE;
}

/* All packets of a list, found before the first is sent: a wrong one sends nothing. */
typedef struct packet_list {
    packet_source few[BATCH];
    packet_source *packets;
    Py_ssize_t count;
    Py_buffer *views; /* of those that are not bytes; NULL: all are */
    Py_ssize_t viewed;
} packet_list;

static void
release_packets(packet_list *found)
{
    while (found->viewed > 0) {
        PyBuffer_Release(&found->views[--found->viewed]);
    }
    PyMem_Free(found->views);
    if (found->packets != found->few) {
        PyMem_Free(found->packets);
    }
}

/* A packet that is not bytes; most is the number of all. False with an exception set. */
static bool
add_view(packet_list *found, PyObject *packet, Py_ssize_t most, packet_source *source)
{
    if (found->views == NULL) {
        found->views = PyMem_Malloc((size_t)most * sizeof(Py_buffer));
        if (found->views == NULL) {
            (void)PyErr_NoMemory();
            return false;
        }
    }
    Py_buffer *view = &found->views[found->viewed];
    if (!convert_packet(packet, view)) {
        return false;
    }
    found->viewed++;
    source->data = view->buf;
    source->size = (DWORD)view->len;
    return true;
}

static inline bool
add_packet(packet_list *found, PyObject *packet, Py_ssize_t most, packet_source *source)
{
    Py_ssize_t size;
    source->data = convert_bytes(packet, &size);
    if (source->data == NULL) {
        return add_view(found, packet, most, source);
    }
    source->size = (DWORD)size;
    return true;
}

static bool
find_packets(PyObject *list, packet_list *found)
{
    Py_ssize_t count = PyList_Size(list);
    found->packets = found->few;
    found->views = NULL;
    found->viewed = 0;
    if (count > BATCH) {
        found->packets = PyMem_Malloc((size_t)count * sizeof(packet_source));
        if (found->packets == NULL) {
            (void)PyErr_NoMemory();
            return false;
        }
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *packet = PyList_GetItem(list, i);
        packet_source *source = &found->packets[i];
        if (packet == NULL || !add_packet(found, packet, count, source)) {
            release_packets(found);
            return false;
        }
    }
    found->count = count;
    return true;
}

const char session_write_many_doc[] =
    "write_many($self, packets, timeout=0.0)\n--\n\n"
    "Writes packets, an iterable of objects as write() takes them, in their order.\n\n"
    "timeout: seconds to wait for room for all of them, or None for ever.\n"
    "Returns how many were accepted: fewer than given when the ring was full at the end of that\n"
    "time. The rest was not touched and can be given again.\n"
    "Raises what write() raises, but RingFullError, and never when some were accepted; arguments\n"
    "are all checked first, and a wrong one sends nothing. Any thread.";

PyObject *
session_write_many(PyObject *object, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"packets", "timeout", NULL};
    session_object *self = (session_object *)object;
    PyObject *values[2];
    packet_list found;
    Py_ssize_t written = 0;
    int64_t deadline_ns;
    outcome result;
    DWORD code = 0;
    if (!convert_arguments("write_many", names, 1, args, count, keywords, values) ||
        !convert_timeout(values[1], &deadline_ns)) {
        return NULL;
    }
    /* A list of our own, which nobody changes while its buffers are taken. */
    PyObject *list = PySequence_List(values[0]);
    if (list == NULL) {
        return NULL;
    }
    if (!find_packets(list, &found)) {
        Py_DECREF(list);
        return NULL;
    }
    bool waited =
        session_put_until(self, deadline_ns, found.packets, found.count, &written, &result, &code);
    release_packets(&found);
    Py_DECREF(list);
    return waited ? session_written(self, written, result, code) : NULL;
}
