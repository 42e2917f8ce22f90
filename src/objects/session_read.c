/* SPDX-License-Identifier: MIT
 *
 * Session's methods that read copies of packets, one by one and in lists, and that wait for them.
 */
#include "session_methods.h"

#include "core/receive.h"

#include "convert.h"
#include "session_call.h"

#include <string.h>

/* --- Reading one ------------------------------------------------------------------------------ */

/* bytes of a packet in the ring, which goes back. */
static PyObject *
bytes_from_ring(session_object *self, const received_packet *received)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)received->size);
    char *copy = bytes != NULL ? PyBytes_AsString(bytes) : NULL;
    Py_BEGIN_ALLOW_THREADS
    if (copy != NULL) {
        memcpy(copy, received->in_ring, received->size);
    }
    release_one(self->shared, received);
    Py_END_ALLOW_THREADS
    return bytes != NULL ? bytes : session_count_lost(self, 1);
}

static PyObject *
bytes_of_received(session_object *self, const received_packet *received)
{
    if (received->in_ring != NULL) {
        return bytes_from_ring(self, received);
    }
    PyObject *bytes =
        PyBytes_FromStringAndSize((const char *)received->copy, (Py_ssize_t)received->size);
    return bytes != NULL ? bytes : session_count_lost(self, 1);
}

/* The next packet if it was read ahead; NULL without an exception if none was. */
static PyObject *
read_stored(session_object *self)
{
    const BYTE *packet;
    DWORD size;
    if (!receive_front(self->shared, &packet, &size)) {
        return NULL;
    }
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)packet, (Py_ssize_t)size);
    receive_pop(self->shared);
    return bytes != NULL ? bytes : session_count_lost(self, 1);
}

/* The next packet; None when the time is over; NULL without an exception, and *closed, when the
 * session is closed. */
static PyObject *
read_one(session_object *self, int64_t deadline_ns, bool *closed)
{
    received_packet received;
    outcome result;
    PyObject *stored = read_stored(self);
    if (stored != NULL || PyErr_Occurred()) {
        return stored;
    }
    attempt tried = attempt_of(receive_one, &received, AWAIT_PACKETS);
    if (!session_attempt_until(self, deadline_ns, &tried, &result)) {
        return NULL;
    }
    switch (result) {
    case OUTCOME_DONE:
        return bytes_of_received(self, &received);
    case OUTCOME_NOT_YET:
    case OUTCOME_INTERRUPTED:
        Py_RETURN_NONE;
    case OUTCOME_CLOSED:
        *closed = true;
        return NULL;
    default:
        return session_raise(self, "WintunReceivePacket", result, tried.code);
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
drop_list(session_object *self, PyObject *list)
{
    if (list != NULL) {
        (void)session_count_lost(self, (uint64_t)PyList_Size(list));
        Py_DECREF(list);
    }
}

/* A list of the packets, whose memory it gives back, also when it fails. */
static PyObject *
list_of_batch(session_object *self, const received_batch *batch)
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
    release_batch(self->shared, batch);
    Py_END_ALLOW_THREADS
    return list != NULL ? list : session_count_lost(self, batch->count);
}

/* The next packet of the store; NULL without an exception if there is none. */
static PyObject *
take_stored(session_object *self)
{
    received_packet received;
    PyObject *bytes = read_stored(self);
    if (bytes != NULL || PyErr_Occurred()) {
        return bytes;
    }
    /* The store is empty, in use, or its next packet is still in the ring. */
    attempt tried = attempt_of(receive_stored, &received, AWAIT_NOTHING);
    if (session_attempt_once(self, &tried) != OUTCOME_DONE) {
        return NULL;
    }
    return bytes_of_received(self, &received);
}

/* A list of what was read ahead, which comes before what is in the ring. */
static PyObject *
list_of_stored(session_object *self, Py_ssize_t most)
{
    PyObject *list = PyList_New(0);
    while (list != NULL && PyList_Size(list) < most) {
        PyObject *bytes = take_stored(self);
        if (bytes == NULL && !PyErr_Occurred()) {
            break;
        }
        if (bytes != NULL && PyList_Append(list, bytes) != 0) {
            Py_CLEAR(bytes);
            (void)session_count_lost(self, 1);
        }
        if (bytes == NULL) {
            drop_list(self, list);
            return NULL;
        }
        Py_DECREF(bytes);
    }
    return list;
}

/* Adds packets to the list, or makes it of them; takes packets over. False with an exception set.
 */
static bool
extend(session_object *self, PyObject **list, PyObject *packets)
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
        drop_list(self, packets);
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
    attempt tried = attempt_of(receive_batch, &batch, AWAIT_PACKETS);
    Py_ssize_t size = 0;
    do {
        batch.limit = most - size < BATCH ? (DWORD)(most - size) : BATCH;
        if (!session_attempt_until(self, size == 0 ? deadline_ns : 0, &tried, &result)) {
            return false;
        }
        if (result != OUTCOME_DONE) {
            break;
        }
        if (!extend(self, list,
                    batch.count == 0 ? list_of_stored(self, most - size)
                                     : list_of_batch(self, &batch))) {
            return false;
        }
        size = PyList_Size(*list);
    } while ((batch.count == 0 || batch.count == batch.limit) && size < most);
    if (session_is_error(result) && size == 0) {
        (void)session_raise(self, "WintunReceivePacket", result, tried.code);
        return false;
    }
    return *list != NULL || extend(self, list, PyList_New(0));
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
        drop_list(self, list);
        return NULL;
    }
    return list;
}

/* --- Waiting ---------------------------------------------------------------------------------- */

const char session_wait_read_event_doc[] =
    "wait_read_event($self, timeout=None)\n--\n\n"
    "Waits until a packet can be read.\n\n"
    "timeout: seconds (int or float, 0 or more), or None to wait for ever.\n"
    "Returns True when there is a packet, or the adapter is gone, which the next read tells;\n"
    "False when the time is over. Takes no packet: it returns True as long as one is there, and\n"
    "all that wait return. Another thread may read it first, so True does not promise a packet.\n"
    "Raises ClosedError when the session is closed, also meanwhile. Any thread; no GIL is held.";

PyObject *
session_wait_read_event(PyObject *object, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"timeout", NULL};
    session_object *self = (session_object *)object;
    PyObject *values[1];
    int64_t deadline_ns;
    if (!convert_arguments("wait_read_event", names, 0, args, count, keywords, values) ||
        !convert_timeout(values[0] != NULL ? values[0] : Py_None, &deadline_ns)) {
        return NULL;
    }
    outcome result;
    attempt tried = attempt_of(receive_nothing, NULL, AWAIT_PACKETS);
    if (!session_attempt_until(self, deadline_ns, &tried, &result)) {
        return NULL;
    }
    if (!session_is_error(result)) {
        return PyBool_FromLong(result == OUTCOME_DONE);
    }
    return session_raise(self, "WintunGetReadWaitEvent", result, tried.code);
}
