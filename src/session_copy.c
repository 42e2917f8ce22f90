/* SPDX-License-Identifier: MIT
 *
 * Reading and writing copies of packets, one by one and in batches.
 */
#include "session.h"

#include "convert.h"
#include "errors.h"
#include "waiting.h"

#include <string.h>

/* A packet of up to this size is copied out of the ring at once, on the stack, so that reading it
 * takes one release of the GIL. A larger one stays in the ring until its bytes object is made,
 * which takes a second release; there the copy costs more than that. */
#define SMALL_PACKET 2048

/* Packets that a batch takes out of the ring, or puts in, at one release of the GIL. */
#define BATCH 128

static const char *const read_names[] = {"timeout", NULL};

/* --- Reading one ----------------------------------------------------------------------------- */

typedef struct taken_packet {
    DWORD size;
    const BYTE *held; /* in the ring, held; NULL if it was copied */
    BYTE copy[SMALL_PACKET];
} taken_packet;

static outcome
take(shared_session *shared, int64_t deadline_ns, taken_packet *taken, DWORD *code)
{
    const BYTE *packet = NULL;
    if (!session_enter(shared)) {
        return OUTCOME_CLOSED;
    }
    outcome result = session_receive(shared, deadline_ns, &packet, &taken->size, code);
    if (result == OUTCOME_DONE) {
        if (taken->size <= SMALL_PACKET) {
            memcpy(taken->copy, packet, taken->size);
            shared->api->ReleaseReceivePacket(shared->handle, packet);
            taken->held = NULL;
        } else {
            gate_hold(&shared->gate, 1);
            taken->held = packet;
        }
    }
    session_leave(shared);
    return result;
}

static PyObject *
bytes_of_held(shared_session *shared, const BYTE *packet, DWORD size)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    char *copy = bytes != NULL ? PyBytes_AsString(bytes) : NULL;
    Py_BEGIN_ALLOW_THREADS
    if (copy != NULL) {
        memcpy(copy, packet, size);
    } else {
        atom_u64_count(&shared->statistics.packets_discarded, 1);
    }
    shared->api->ReleaseReceivePacket(shared->handle, packet);
    session_unhold(shared, 1);
    Py_END_ALLOW_THREADS
    return bytes;
}

static PyObject *
bytes_of_taken(shared_session *shared, const taken_packet *taken)
{
    if (taken->held != NULL) {
        return bytes_of_held(shared, taken->held, taken->size);
    }
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)taken->copy, (Py_ssize_t)taken->size);
    if (bytes == NULL) {
        atom_u64_count(&shared->statistics.packets_discarded, 1);
    }
    return bytes;
}

/* Waits for a packet; on OUTCOME_DONE it is in *taken. -1: an exception was raised meanwhile. */
static int
take_waiting(shared_session *shared, int64_t deadline_ns, taken_packet *taken, outcome *result,
             DWORD *code)
{
    int goes_on;
    do {
        int64_t slice_ns = wait_slice(deadline_ns);
        Py_BEGIN_ALLOW_THREADS
        *result = take(shared, slice_ns, taken, code);
        Py_END_ALLOW_THREADS
        goes_on = wait_goes_on(*result, deadline_ns);
    } while (goes_on > 0);
    return goes_on;
}

/* The next packet; None when the time is over; NULL without an exception, and *closed, when the
 * session is closed. */
static PyObject *
read_one(session_object *self, int64_t deadline_ns, bool *closed)
{
    shared_session *shared = self->shared;
    taken_packet taken;
    outcome result;
    DWORD code = 0;
    Py_BEGIN_ALLOW_THREADS
    result = take(shared, 0, &taken, &code);
    Py_END_ALLOW_THREADS
    if (result == OUTCOME_NOT_YET && deadline_ns != 0 &&
        take_waiting(shared, deadline_ns, &taken, &result, &code) < 0) {
        return NULL;
    }
    if (result == OUTCOME_DONE) {
        return bytes_of_taken(shared, &taken);
    }
    if (result == OUTCOME_NOT_YET || result == OUTCOME_INTERRUPTED) {
        Py_RETURN_NONE;
    }
    if (result == OUTCOME_CLOSED) {
        *closed = true;
        return NULL;
    }
    return session_raise(self, "WintunReceivePacket", result, code);
}

const char session_read_doc[] =
    "read(timeout=0.0)\n--\n\n"
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
    session_object *self = (session_object *)object;
    PyObject *values[1];
    int64_t deadline_ns;
    bool closed = false;
    if (!convert_arguments("read", read_names, 0, args, count, keywords, values) ||
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

/* --- Reading many ---------------------------------------------------------------------------- */

typedef struct taken_batch {
    DWORD count;
    const BYTE *packets[BATCH];
    DWORD sizes[BATCH];
} taken_batch;

/* Takes up to limit packets and holds them; waits for the first one only. */
static outcome
take_batch(shared_session *shared, int64_t deadline_ns, DWORD limit, taken_batch *batch,
           DWORD *code)
{
    batch->count = 0;
    if (!session_enter(shared)) {
        return OUTCOME_CLOSED;
    }
    outcome result;
    do {
        int64_t wait_until = batch->count == 0 ? deadline_ns : 0;
        result = session_receive(shared, wait_until, &batch->packets[batch->count],
                                 &batch->sizes[batch->count], code);
        if (result == OUTCOME_DONE) {
            batch->count++;
        }
    } while (result == OUTCOME_DONE && batch->count < limit);
    gate_hold(&shared->gate, batch->count);
    session_leave(shared);
    /* What stopped a batch that has packets will stop the next call, too, and is told then. */
    return batch->count > 0 ? OUTCOME_DONE : result;
}

static void
release_batch(shared_session *shared, const taken_batch *batch)
{
    for (DWORD i = 0; i < batch->count; i++) {
        shared->api->ReleaseReceivePacket(shared->handle, batch->packets[i]);
    }
    session_unhold(shared, batch->count);
}

/* Appends the packets to the list and gives their memory back, also when it fails. */
static bool
append_batch(shared_session *shared, const taken_batch *batch, PyObject *list)
{
    DWORD appended = 0;
    while (appended < batch->count) {
        PyObject *bytes = PyBytes_FromStringAndSize((const char *)batch->packets[appended],
                                                    (Py_ssize_t)batch->sizes[appended]);
        if (bytes == NULL) {
            break;
        }
        int failed = PyList_Append(list, bytes);
        Py_DECREF(bytes);
        if (failed != 0) {
            break;
        }
        appended++;
    }
    Py_BEGIN_ALLOW_THREADS
    atom_u64_count(&shared->statistics.packets_discarded, batch->count - appended);
    release_batch(shared, batch);
    Py_END_ALLOW_THREADS
    return appended == batch->count;
}

static int
take_batch_waiting(shared_session *shared, int64_t deadline_ns, DWORD limit, taken_batch *batch,
                   outcome *result, DWORD *code)
{
    int goes_on;
    do {
        int64_t slice_ns = wait_slice(deadline_ns);
        Py_BEGIN_ALLOW_THREADS
        *result = take_batch(shared, slice_ns, limit, batch, code);
        Py_END_ALLOW_THREADS
        goes_on = wait_goes_on(*result, deadline_ns);
    } while (goes_on > 0);
    return goes_on;
}

static PyObject *
read_batches(session_object *self, DWORD most, int64_t deadline_ns)
{
    shared_session *shared = self->shared;
    taken_batch batch;
    outcome result = OUTCOME_DONE;
    DWORD limit = 0;
    DWORD code = 0;
    PyObject *list = PyList_New(0);
    if (list == NULL) {
        return NULL;
    }
    do {
        limit = most < BATCH ? most : BATCH;
        Py_BEGIN_ALLOW_THREADS
        result = take_batch(shared, 0, limit, &batch, &code);
        Py_END_ALLOW_THREADS
        if (result == OUTCOME_NOT_YET && deadline_ns != 0 && PyList_Size(list) == 0 &&
            take_batch_waiting(shared, deadline_ns, limit, &batch, &result, &code) < 0) {
            goto failed;
        }
        if (result == OUTCOME_DONE && !append_batch(shared, &batch, list)) {
            goto failed;
        }
        most -= result == OUTCOME_DONE ? batch.count : 0;
    } while (result == OUTCOME_DONE && batch.count == limit && most > 0);
    if ((result == OUTCOME_CLOSED || result == OUTCOME_FAILED) && PyList_Size(list) == 0) {
        (void)session_raise(self, "WintunReceivePacket", result, code);
        goto failed;
    }
    return list;
failed:
    Py_DECREF(list);
    return NULL;
}

const char session_read_many_doc[] =
    "read_many(max_packets=64, timeout=0.0)\n--\n\n"
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
    return read_batches((session_object *)object, most, deadline_ns);
}

/* --- Writing --------------------------------------------------------------------------------- */

static bool
get_packet_buffer(PyObject *packet, Py_buffer *view)
{
    if (PyObject_GetBuffer(packet, view, PyBUF_SIMPLE) != 0) {
        return false;
    }
    if (view->len > WINTUN_MAX_IP_PACKET_SIZE) {
        PyErr_Format(PyExc_ValueError, "a packet must have at most %d bytes, not %zd",
                     WINTUN_MAX_IP_PACKET_SIZE, view->len);
        PyBuffer_Release(view);
        return false;
    }
    return true;
}

/* Puts packets into the ring until it is full; *written counts on. */
static outcome
put(shared_session *shared, int64_t deadline_ns, const Py_buffer *views, Py_ssize_t count,
    Py_ssize_t *written, DWORD *code)
{
    uint64_t bytes = 0;
    Py_ssize_t before = *written;
    outcome result = OUTCOME_DONE;
    if (!session_enter(shared)) {
        return OUTCOME_CLOSED;
    }
    while (*written < count) {
        const Py_buffer *view = &views[*written];
        DWORD size = (DWORD)view->len;
        BYTE *packet = NULL;
        result = session_allocate(shared, deadline_ns, size, &packet, code);
        if (result != OUTCOME_DONE) {
            break;
        }
        memcpy(packet, view->buf, size);
        shared->api->SendPacket(shared->handle, packet);
        bytes += size;
        (*written)++;
    }
    atom_u64_count(&shared->statistics.packets_sent, (uint64_t)(*written - before));
    atom_u64_count(&shared->statistics.bytes_sent, bytes);
    session_leave(shared);
    return result;
}

/* Puts packets into the ring; waits for room until the deadline. -1: an exception was raised. */
static int
put_waiting(shared_session *shared, int64_t deadline_ns, const Py_buffer *views, Py_ssize_t count,
            Py_ssize_t *written, outcome *result, DWORD *code)
{
    int goes_on;
    Py_BEGIN_ALLOW_THREADS
    *result = put(shared, 0, views, count, written, code);
    Py_END_ALLOW_THREADS
    if (*result != OUTCOME_NOT_YET || deadline_ns == 0) {
        return 0;
    }
    do {
        int64_t slice_ns = wait_slice(deadline_ns);
        Py_BEGIN_ALLOW_THREADS
        *result = put(shared, slice_ns, views, count, written, code);
        Py_END_ALLOW_THREADS
        goes_on = wait_goes_on(*result, deadline_ns);
    } while (goes_on > 0);
    return goes_on;
}

const char session_write_doc[] =
    "write(packet, timeout=0.0)\n--\n\n"
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
        !convert_timeout(values[1], &deadline_ns) || !get_packet_buffer(values[0], &view)) {
        return NULL;
    }
    int raised = put_waiting(self->shared, deadline_ns, &view, 1, &written, &result, &code);
    PyBuffer_Release(&view);
    if (raised < 0) {
        return NULL;
    }
    if (result != OUTCOME_DONE) {
        return session_raise(self, "WintunAllocateSendPacket", result, code);
    }
    Py_RETURN_NONE;
}

/* Buffers of all packets, taken before the first is sent: a wrong one sends nothing. */
typedef struct packet_views {
    Py_buffer few[BATCH];
    Py_buffer *views;
    Py_ssize_t count;
} packet_views;

static void
release_views(packet_views *packets)
{
    for (Py_ssize_t i = 0; i < packets->count; i++) {
        PyBuffer_Release(&packets->views[i]);
    }
    if (packets->views != packets->few) {
        PyMem_Free(packets->views);
    }
}

static bool
get_views(PyObject *list, packet_views *packets)
{
    Py_ssize_t count = PyList_Size(list);
    packets->count = 0;
    packets->views = packets->few;
    if (count > BATCH) {
        packets->views = PyMem_Malloc((size_t)count * sizeof(Py_buffer));
        if (packets->views == NULL) {
            (void)PyErr_NoMemory();
            return false;
        }
    }
    while (packets->count < count) {
        PyObject *packet = PyList_GetItem(list, packets->count);
        if (packet == NULL || !get_packet_buffer(packet, &packets->views[packets->count])) {
            release_views(packets);
            return false;
        }
        packets->count++;
    }
    return true;
}

const char session_write_many_doc[] =
    "write_many(packets, timeout=0.0)\n--\n\n"
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
    packet_views packets;
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
    if (!get_views(list, &packets)) {
        Py_DECREF(list);
        return NULL;
    }
    int raised = put_waiting(self->shared, deadline_ns, packets.views, packets.count, &written,
                             &result, &code);
    release_views(&packets);
    Py_DECREF(list);
    if (raised < 0) {
        return NULL;
    }
    if ((result == OUTCOME_CLOSED || result == OUTCOME_FAILED) && written == 0) {
        return session_raise(self, "WintunAllocateSendPacket", result, code);
    }
    return PyLong_FromSsize_t(written);
}
