/* SPDX-License-Identifier: MIT
 *
 * Reading into, and writing from, one buffer of the program's: no object for a packet at all.
 *
 * Where the packets are in the buffer is told by spans, an array of 32-bit integers with two for
 * each packet: its start and its end.
 */
#include "session_methods.h"

#include "core/receive.h"

#include "convert.h"
#include "session_call.h"
#include "session_write.h"

#include <string.h>

/* --- Buffers --------------------------------------------------------------------------------- */

static bool
get_spans(PyObject *object, Py_buffer *view, int writable)
{
    if (PyObject_GetBuffer(object, view, PyBUF_ND | PyBUF_FORMAT | writable) != 0) {
        return false;
    }
    if (view->itemsize != (Py_ssize_t)sizeof(uint32_t) || !is_native_integer(view->format) ||
        (view->len > 0 && (uintptr_t)view->buf % sizeof(uint32_t) != 0)) {
        PyErr_Format(PyExc_ValueError,
                     "spans must be a contiguous, aligned array of 32-bit integers, as array('I'), "
                     "not items of format %s and %zd bytes",
                     view->format != NULL ? view->format : "B", view->itemsize);
        PyBuffer_Release(view);
        return false;
    }
    return true;
}

/* How many packets the spans have room for. */
static Py_ssize_t
span_count(const Py_buffer *spans)
{
    return spans->len / (Py_ssize_t)(2 * sizeof(uint32_t));
}

/* Spans are 32 bits wide, so nothing behind that is used. */
static size_t
usable_size(const Py_buffer *buffer)
{
    return (size_t)buffer->len <= UINT32_MAX ? (size_t)buffer->len : UINT32_MAX;
}

/* --- Reading --------------------------------------------------------------------------------- */

/* Reads into *packed. -1: an exception is set. 0: there was nothing. 1: there was. */
static int
read_packed(session_object *self, int64_t deadline_ns, packed_packets *packed)
{
    outcome result;
    attempt tried = attempt_of(receive_packed, packed, AWAIT_PACKETS);
    if (!session_attempt_until(self, deadline_ns, &tried, &result)) {
        return -1;
    }
    if (session_is_error(result)) {
        (void)session_raise(self, "WintunReceivePacket", result, tried.code);
        return -1;
    }
    if (result != OUTCOME_DONE) {
        return 0;
    }
    if (packed->no_room) {
        PyErr_Format(PyExc_ValueError,
                     "the next packet has %lu bytes, for which the buffer of %zu has no room; it "
                     "stays for the next read",
                     (unsigned long)packed->too_large, packed->capacity);
        return -1;
    }
    return 1;
}

/* The number that says what was read into the buffer. Without it that is lost. */
static PyObject *
number_of_read(session_object *self, DWORD number, DWORD packets)
{
    PyObject *result = PyLong_FromUnsignedLong(number);
    if (result == NULL) {
        (void)session_count_lost(self, packets);
    }
    return result;
}

const char session_read_into_doc[] =
    "read_into($self, buffer, timeout=0.0)\n--\n\n"
    "Reads one packet into a writable, contiguous buffer.\n\n"
    "timeout: as for read(). Returns the packet's size in bytes (0 to 65535), or None when there\n"
    "was none in that time. A packet that is larger than the buffer is a ValueError and stays for\n"
    "the next read. Raises what read() raises. Any thread.";

PyObject *
session_read_into(PyObject *object, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"buffer", "timeout", NULL};
    PyObject *values[2];
    Py_buffer buffer;
    uint32_t span[2] = {0, 0};
    int64_t deadline_ns;
    if (!convert_arguments("read_into", names, 1, args, count, keywords, values) ||
        !convert_timeout(values[1], &deadline_ns) ||
        PyObject_GetBuffer(values[0], &buffer, PyBUF_WRITABLE) != 0) {
        return NULL;
    }
    packed_packets packed = {buffer.buf, usable_size(&buffer), span, 1, 0, 0, 0, false, 0};
    int there = read_packed((session_object *)object, deadline_ns, &packed);
    PyBuffer_Release(&buffer);
    if (there < 0) {
        return NULL;
    }
    if (there == 0) {
        Py_RETURN_NONE;
    }
    return number_of_read((session_object *)object, span[1], 1);
}

const char session_read_packed_doc[] =
    "read_packed($self, buffer, spans, headroom=0, tailroom=0, timeout=0.0)\n--\n\n"
    "Reads as many packets into one writable, contiguous buffer as it and spans have room for.\n\n"
    "spans: a writable, contiguous array of 32-bit integers, as array('I'): spans[2*i] and\n"
    "spans[2*i+1] become the start and the end of packet i in buffer. headroom, tailroom: bytes\n"
    "(0 to 65535) left as they are in front of each packet and behind it, for the headers of a\n"
    "tunnel. timeout: seconds to wait for the first packet, or None for ever.\n"
    "Returns the number of packets, 0 when there was none in that time. What has no room stays\n"
    "for the next read; if that is the first packet, it is a ValueError. Raises what read()\n"
    "raises. Any thread.";

PyObject *
session_read_packed(PyObject *object, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"buffer", "spans", "headroom", "tailroom", "timeout", NULL};
    PyObject *values[5];
    Py_buffer buffer;
    Py_buffer spans;
    DWORD headroom = 0;
    DWORD tailroom = 0;
    int64_t deadline_ns;
    if (!convert_arguments("read_packed", names, 2, args, count, keywords, values) ||
        (values[2] != NULL &&
         !convert_integer(values[2], "headroom", 0, WINTUN_MAX_IP_PACKET_SIZE, &headroom)) ||
        (values[3] != NULL &&
         !convert_integer(values[3], "tailroom", 0, WINTUN_MAX_IP_PACKET_SIZE, &tailroom)) ||
        !convert_timeout(values[4], &deadline_ns) ||
        PyObject_GetBuffer(values[0], &buffer, PyBUF_WRITABLE) != 0) {
        return NULL;
    }
    int there = -1;
    packed_packets packed = {
        buffer.buf, usable_size(&buffer), NULL, 0, headroom, tailroom, 0, false, 0};
    if (get_spans(values[1], &spans, PyBUF_WRITABLE)) {
        packed.spans = spans.buf;
        packed.limit = span_count(&spans) < 0x7FFFFFFF ? (DWORD)span_count(&spans) : 0x7FFFFFFF;
        if (packed.limit == 0) {
            PyErr_SetString(PyExc_ValueError, "spans must have room for 2 integers or more");
        } else {
            there = read_packed((session_object *)object, deadline_ns, &packed);
        }
        PyBuffer_Release(&spans);
    }
    PyBuffer_Release(&buffer);
    if (there < 0) {
        return NULL;
    }
    DWORD read = there > 0 ? packed.count : 0;
    return number_of_read((session_object *)object, read, read);
}

/* --- Writing --------------------------------------------------------------------------------- */

/* The packets' places in the buffer; false with an exception set. Another thread may write to the
 * spans: each is read once, so that what was checked is what is used. */
static bool
find_packets(const Py_buffer *buffer, const volatile uint32_t *spans, DWORD count,
             packet_source *packets)
{
    for (DWORD i = 0; i < count; i++) {
        uint32_t start = spans[2 * i];
        uint32_t end = spans[2 * i + 1];
        if (start > end || (size_t)end > (size_t)buffer->len ||
            end - start > WINTUN_MAX_IP_PACKET_SIZE) {
            PyErr_Format(PyExc_ValueError,
                         "packet %lu must be at most %d bytes inside the buffer of %zd bytes, not "
                         "from %lu to %lu",
                         (unsigned long)i, WINTUN_MAX_IP_PACKET_SIZE, buffer->len,
                         (unsigned long)start, (unsigned long)end);
            return false;
        }
        packets[i].data = (const BYTE *)buffer->buf + start;
        packets[i].size = end - start;
    }
    return true;
}

static PyObject *
write_spans(session_object *self, const Py_buffer *buffer, const uint32_t *spans, DWORD count,
            int64_t deadline_ns)
{
    Py_ssize_t written = 0;
    outcome result;
    DWORD code = 0;
    PyObject *done = NULL;
    packet_source *packets = PyMem_Malloc(((size_t)count + 1) * sizeof(*packets));
    if (packets == NULL) {
        return PyErr_NoMemory();
    }
    if (find_packets(buffer, spans, count, packets) &&
        session_put_until(self, deadline_ns, packets, (Py_ssize_t)count, &written, &result,
                          &code)) {
        done = session_written(self, written, result, code);
    }
    PyMem_Free(packets);
    return done;
}

const char session_write_packed_doc[] =
    "write_packed($self, buffer, spans, count, timeout=0.0)\n--\n\n"
    "Writes count packets that lie in one contiguous buffer, at the places that spans tells as "
    "for\n"
    "read_packed().\n\n"
    "timeout: seconds to wait for room for all of them, or None for ever.\n"
    "Returns how many were accepted, as write_many() does, and raises what that raises; a span\n"
    "outside the buffer or of more than 65535 bytes is a ValueError, and nothing is sent. Any\n"
    "thread.";

PyObject *
session_write_packed(PyObject *object, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"buffer", "spans", "count", "timeout", NULL};
    PyObject *values[4];
    PyObject *done = NULL;
    Py_buffer buffer;
    Py_buffer spans;
    DWORD packets;
    int64_t deadline_ns;
    if (!convert_arguments("write_packed", names, 3, args, count, keywords, values) ||
        !convert_integer(values[2], "count", 0, 0x7FFFFFFF, &packets) ||
        !convert_timeout(values[3], &deadline_ns) ||
        PyObject_GetBuffer(values[0], &buffer, PyBUF_SIMPLE) != 0) {
        return NULL;
    }
    if (get_spans(values[1], &spans, 0)) {
        if ((Py_ssize_t)packets > span_count(&spans)) {
            PyErr_Format(PyExc_ValueError, "count must be at most the %zd packets of spans, not %R",
                         span_count(&spans), values[2]);
        } else {
            done = write_spans((session_object *)object, &buffer, spans.buf, packets, deadline_ns);
        }
        PyBuffer_Release(&spans);
    }
    PyBuffer_Release(&buffer);
    return done;
}
