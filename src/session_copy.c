/* SPDX-License-Identifier: MIT
 *
 * Reading and writing copies of packets, one by one and in batches.
 */
#include "session.h"

#include "convert.h"
#include "errors.h"
#include "waiting.h"

#include <string.h>

/* --- Reading one ------------------------------------------------------------------------------ */

outcome
session_attempt(shared_session *shared, int64_t deadline_ns, attempt_function attempt,
                void *context, DWORD *code)
{
    if (!session_enter(shared)) {
        return OUTCOME_CLOSED;
    }
    outcome result = deadline_ns == 0
                         ? attempt(shared, context, code)
                         : session_wait_for(shared, deadline_ns, attempt, context, code);
    session_leave(shared);
    return result;
}

bool
session_attempt_until(shared_session *shared, int64_t deadline_ns, attempt_function attempt,
                      void *context, outcome *result, DWORD *code)
{
    int64_t slice_ns = 0;
    int goes_on;
    for (;;) {
        Py_BEGIN_ALLOW_THREADS
        *result = session_attempt(shared, slice_ns, attempt, context, code);
        Py_END_ALLOW_THREADS
        if (*result == OUTCOME_DONE) {
            return true;
        }
        goes_on = wait_goes_on(*result, deadline_ns);
        if (goes_on <= 0) {
            return goes_on == 0;
        }
        if (!wait_slice(deadline_ns, &slice_ns)) {
            return false;
        }
    }
}

static PyObject *
count_lost(shared_session *shared)
{
    atom_u64_count(&shared->statistics.packets_discarded, 1);
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
    if (!session_attempt_until(shared, deadline_ns, receive_one, &received, &result, &code)) {
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

/* Appends an object that it takes over; false with an exception set. */
static bool
append(PyObject *list, PyObject *item)
{
    int failed = item != NULL ? PyList_Append(list, item) : -1;
    Py_XDECREF(item);
    return failed == 0;
}

/* Appends the packets to the list and gives their memory back, also when it fails. */
static bool
append_batch(shared_session *shared, const received_batch *batch, PyObject *list)
{
    DWORD appended = 0;
    while (appended < batch->count &&
           append(list, PyBytes_FromStringAndSize((const char *)batch->packets[appended],
                                                  (Py_ssize_t)batch->sizes[appended]))) {
        appended++;
    }
    Py_BEGIN_ALLOW_THREADS
    atom_u64_count(&shared->statistics.packets_discarded, batch->count - appended);
    release_batch(shared, batch);
    Py_END_ALLOW_THREADS
    return appended == batch->count;
}

/* Appends what was read ahead, which comes before what is in the ring. */
static bool
append_stored(shared_session *shared, Py_ssize_t most, PyObject *list)
{
    received_packet received;
    outcome result = OUTCOME_DONE;
    DWORD code = 0;
    bool appended = true;
    while (appended && result == OUTCOME_DONE && PyList_Size(list) < most) {
        Py_BEGIN_ALLOW_THREADS
        result = session_attempt(shared, 0, receive_stored, &received, &code);
        Py_END_ALLOW_THREADS
        if (result == OUTCOME_DONE) {
            appended = append(list, bytes_of_received(shared, &received));
        }
    }
    return appended;
}

/* Fills the list; false with an exception set. What stops a list that has packets will stop the
 * next call, too, and is told then. */
static bool
read_into_list(session_object *self, Py_ssize_t most, int64_t deadline_ns, PyObject *list)
{
    shared_session *shared = self->shared;
    received_batch batch;
    outcome result;
    DWORD code = 0;
    do {
        Py_ssize_t left = most - PyList_Size(list);
        batch.limit = left < BATCH ? (DWORD)left : BATCH;
        if (!session_attempt_until(shared, PyList_Size(list) == 0 ? deadline_ns : 0, receive_batch,
                                   &batch, &result, &code)) {
            return false;
        }
        if (result != OUTCOME_DONE) {
            break;
        }
        if (batch.count == 0 ? !append_stored(shared, most, list)
                             : !append_batch(shared, &batch, list)) {
            return false;
        }
    } while ((batch.count == 0 || batch.count == batch.limit) && PyList_Size(list) < most);
    if ((result == OUTCOME_CLOSED || result == OUTCOME_FAILED) && PyList_Size(list) == 0) {
        (void)session_raise(self, "WintunReceivePacket", result, code);
        return false;
    }
    return true;
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
    PyObject *list = PyList_New(0);
    if (list != NULL &&
        !read_into_list((session_object *)object, (Py_ssize_t)most, deadline_ns, list)) {
        Py_CLEAR(list);
    }
    return list;
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* The caller keeps a reference to packet until the view is released. */
static bool
get_packet_buffer(PyObject *packet, Py_buffer *view)
{
    if (PyBytes_CheckExact(packet)) {
        /* What most packets are; the buffer protocol would cost as much as the ring. */
        view->obj = NULL;
        view->buf = PyBytes_AsString(packet);
        view->len = PyBytes_Size(packet);
    } else if (PyObject_GetBuffer(packet, view, PyBUF_SIMPLE) != 0) {
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

bool
session_put_until(shared_session *shared, int64_t deadline_ns, const Py_buffer *views,
                  Py_ssize_t count, Py_ssize_t *written, outcome *result, DWORD *code)
{
    int64_t slice_ns = 0;
    int goes_on;
    for (;;) {
        Py_BEGIN_ALLOW_THREADS
        *result = put(shared, slice_ns, views, count, written, code);
        Py_END_ALLOW_THREADS
        if (*result == OUTCOME_DONE) {
            return true;
        }
        goes_on = wait_goes_on(*result, deadline_ns);
        if (goes_on <= 0) {
            return goes_on == 0;
        }
        if (!wait_slice(deadline_ns, &slice_ns)) {
            return false;
        }
    }
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
    if ((result == OUTCOME_CLOSED || result == OUTCOME_FAILED) && written == 0) {
        return session_raise(self, "WintunAllocateSendPacket", result, code);
    }
    return PyLong_FromSsize_t(written);
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
    bool waited = session_put_until(self->shared, deadline_ns, &view, 1, &written, &result, &code);
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
    bool waited = session_put_until(self->shared, deadline_ns, packets.views, packets.count,
                                    &written, &result, &code);
    release_views(&packets);
    Py_DECREF(list);
    return waited ? session_written(self, written, result, code) : NULL;
}
