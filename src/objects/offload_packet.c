/* SPDX-License-Identifier: MIT
 *
 * The other functions of wintun.offload, on single packets and parts of them: checksums, and what
 * the ends of connections are told about the path's MTU. And the table of all.
 */
#include "offload.h"

#include "convert.h"

#include "offload/checksum.h"
#include "offload/mss.h"
#include "offload/packet_sums.h"
#include "offload/too_big.h"

#include <string.h>

/* From here on it is worth to let other threads run meanwhile. */
#define MUCH_TO_SUM 65536

/* --- Checksums -------------------------------------------------------------------------------- */

static uint32_t
sum_buffer(const Py_buffer *view)
{
    uint32_t sum;
    if (view->len < MUCH_TO_SUM) {
        return checksum_sum(view->buf, (size_t)view->len);
    }
    Py_BEGIN_ALLOW_THREADS
    sum = checksum_sum(view->buf, (size_t)view->len);
    Py_END_ALLOW_THREADS
    return sum;
}

static const char checksum_doc[] =
    "checksum($module, data, /)\n--\n\n"
    "The Internet checksum of bytes (RFC 1071): that of an IPv4 header or a message of ICMP whose\n"
    "own checksum is 0; or 0 if they have the right one among them.\n\n"
    "data: an object with a contiguous buffer. Returns an int from 0 to 65535. Any thread.";

static PyObject *
offload_checksum(PyObject *module, PyObject *data)
{
    Py_buffer view;
    (void)module;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) != 0) {
        return NULL;
    }
    uint32_t sum = sum_buffer(&view);
    PyBuffer_Release(&view);
    return PyLong_FromLong(checksum_finish(sum));
}

/* An address as bytes, 4 or 16 of them. */
static bool
convert_address(PyObject *value, const char *what, uint8_t address[16], uint32_t *size)
{
    if (!PyBytes_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s must be bytes, not %R", what, value);
        return false;
    }
    *size = (uint32_t)PyBytes_Size(value);
    if (*size != 4 && *size != 16) {
        PyErr_Format(PyExc_ValueError, "%s must have 4 or 16 bytes, not %R", what, value);
        return false;
    }
    memcpy(address, PyBytes_AsString(value), *size);
    return true;
}

static const char transport_checksum_doc[] =
    "transport_checksum($module, source, destination, protocol, data)\n--\n\n"
    "The checksum of TCP, UDP or ICMPv6, which covers a pseudo header, too.\n\n"
    "source, destination: addresses as bytes, 4 or 16 of them each. protocol: the number of IANA\n"
    "(TCP 6, UDP 17, ICMPv6 58). data: the transport's header, with 0 as its checksum, and its\n"
    "payload, an object with a contiguous buffer of at most 65535 bytes. Returns an int from 0 to\n"
    "65535; UDP's is never 0, which means there that there is none (RFC 768). Raises TypeError,\n"
    "ValueError or BufferError for the arguments. Any thread.";

static PyObject *
offload_transport_checksum(PyObject *module, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"source", "destination", "protocol", "data", NULL};
    enum { UDP = 17 };
    PyObject *values[4];
    uint8_t source[16];
    uint8_t destination[16];
    uint32_t size;
    uint32_t other_size;
    DWORD protocol;
    Py_buffer view;
    (void)module;
    if (!convert_arguments("transport_checksum", names, 4, args, count, keywords, values) ||
        !convert_address(values[0], "source", source, &size) ||
        !convert_address(values[1], "destination", destination, &other_size) ||
        !convert_integer(values[2], "protocol", 0, 255, &protocol)) {
        return NULL;
    }
    if (size != other_size) {
        PyErr_Format(PyExc_ValueError,
                     "source and destination must be of one family, not %R and %R", values[0],
                     values[1]);
        return NULL;
    }
    if (!convert_packet(values[3], &view)) {
        return NULL;
    }
    uint32_t sum =
        checksum_pseudo(source, destination, size, (uint8_t)protocol, (uint32_t)view.len) +
        checksum_sum(view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    uint16_t checksum = checksum_finish(sum);
    return PyLong_FromLong(protocol == UDP && checksum == 0 ? 0xFFFF : checksum);
}

static const char update_checksum_doc[] =
    "update_checksum($module, checksum, old, new)\n--\n\n"
    "The checksum after a part of what it covers has changed (RFC 1624).\n\n"
    "checksum: an int from 0 to 65535. old, new: the part before and after, objects with a\n"
    "contiguous buffer, of as many bytes, that begins at an even place of what is covered. A\n"
    "wrong checksum stays wrong. Returns an int from 0 to 65535. Raises TypeError, ValueError or\n"
    "BufferError for the arguments. Any thread.";

static PyObject *
offload_update_checksum(PyObject *module, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"checksum", "old", "new", NULL};
    PyObject *values[3];
    DWORD checksum;
    Py_buffer old;
    Py_buffer new;
    PyObject *updated = NULL;
    (void)module;
    if (!convert_arguments("update_checksum", names, 3, args, count, keywords, values) ||
        !convert_integer(values[0], "checksum", 0, 0xFFFF, &checksum) ||
        PyObject_GetBuffer(values[1], &old, PyBUF_SIMPLE) != 0) {
        return NULL;
    }
    if (PyObject_GetBuffer(values[2], &new, PyBUF_SIMPLE) == 0) {
        if (old.len != new.len) {
            PyErr_Format(PyExc_ValueError,
                         "old and new must have the same number of bytes, not %zd and %zd", old.len,
                         new.len);
        } else {
            updated = PyLong_FromLong(
                checksum_update((uint16_t)checksum, sum_buffer(&old), sum_buffer(&new)));
        }
        PyBuffer_Release(&new);
    }
    PyBuffer_Release(&old);
    return updated;
}

static const char has_valid_checksums_doc[] =
    "has_valid_checksums($module, packet, /)\n--\n\n"
    "Whether all checksums of an IP packet are right: of the IPv4 header, TCP, UDP, ICMP, "
    "ICMPv6.\n\n"
    "packet: an object with a contiguous buffer of at most 65535 bytes. False also for what is no\n"
    "whole IP packet. Of fragments and other protocols only IP's own is known. Any thread.";

static PyObject *
offload_has_valid_checksums(PyObject *module, PyObject *packet)
{
    Py_buffer view;
    (void)module;
    if (!convert_packet(packet, &view)) {
        return NULL;
    }
    bool right = packet_sums_are_right(view.buf, (uint32_t)view.len);
    PyBuffer_Release(&view);
    return PyBool_FromLong(right);
}

static const char fill_checksums_doc[] =
    "fill_checksums($module, packet, /)\n--\n\n"
    "The packet with right checksums: of the IPv4 header, TCP, UDP, ICMP, ICMPv6.\n\n"
    "packet: an object with a contiguous buffer of at most 65535 bytes. Returns bytes. Raises\n"
    "ValueError for what is no whole IP packet; TypeError, BufferError. Any thread.";

static PyObject *
offload_fill_checksums(PyObject *module, PyObject *packet)
{
    Py_buffer view;
    (void)module;
    if (!convert_packet(packet, &view)) {
        return NULL;
    }
    PyObject *filled = PyBytes_FromStringAndSize(view.buf, view.len);
    PyBuffer_Release(&view);
    if (filled != NULL &&
        !packet_sums_write((uint8_t *)PyBytes_AsString(filled), (uint32_t)PyBytes_Size(filled))) {
        Py_CLEAR(filled);
        PyErr_SetString(PyExc_ValueError,
                        "packet must be a whole IP packet, with a whole header of TCP, UDP or ICMP "
                        "if it has one, and the sizes that they tell");
    }
    return filled;
}

/* --- The path's MTU --------------------------------------------------------------------------- */

static const char clamp_mss_doc[] =
    "clamp_mss($module, packet, mtu)\n--\n\n"
    "The packet with a maximum segment size that fits: of a TCP packet with SYN the option is\n"
    "lowered to what fits in packets of mtu bytes, 40 less with IPv4 and 60 less with IPv6.\n\n"
    "packet: an object with a contiguous buffer of at most 65535 bytes. mtu: 68 to 65535. Returns\n"
    "bytes of the same size, and a packet in bytes that needs no change itself: without SYN or\n"
    "without the option. The checksum is updated: a wrong one stays wrong. Raises TypeError,\n"
    "ValueError or BufferError for the arguments. Any thread.";

static PyObject *
offload_clamp_mss(PyObject *module, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"packet", "mtu", NULL};
    PyObject *values[2];
    Py_buffer view;
    DWORD mtu;
    (void)module;
    if (!convert_arguments("clamp_mss", names, 2, args, count, keywords, values) ||
        !convert_integer(values[1], "mtu", LEAST_MTU, WINTUN_MAX_IP_PACKET_SIZE, &mtu) ||
        !convert_packet(values[0], &view)) {
        return NULL;
    }
    PyObject *result = NULL;
    if (!mss_is_told(view.buf, (uint32_t)view.len)) {
        result = bytes_of_packet(values[0], &view);
    } else {
        result = PyBytes_FromStringAndSize(view.buf, view.len);
        if (result != NULL) {
            (void)mss_clamp((uint8_t *)PyBytes_AsString(result), (uint32_t)view.len, mtu);
        }
    }
    PyBuffer_Release(&view);
    return result;
}

static const char packet_too_big_doc[] =
    "_packet_too_big($module, packet, mtu, source=None)\n--\n\n"
    "See wintun.offload.packet_too_big. source: bytes, 4 or 16, or None.";

static PyObject *
offload_packet_too_big(PyObject *module, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"packet", "mtu", "source", NULL};
    PyObject *values[3];
    Py_buffer view;
    DWORD mtu;
    uint8_t source[16];
    uint32_t source_size = 0;
    uint8_t answer[TOO_BIG_IPV6_SIZE];
    (void)module;
    if (!convert_arguments("packet_too_big", names, 2, args, count, keywords, values) ||
        !convert_integer(values[1], "mtu", LEAST_MTU, WINTUN_MAX_IP_PACKET_SIZE, &mtu) ||
        (values[2] != NULL && values[2] != Py_None &&
         !convert_address(values[2], "source", source, &source_size)) ||
        !convert_packet(values[0], &view)) {
        return NULL;
    }
    uint32_t size = 0;
    uint32_t wanted = view.len > 0 && *(const uint8_t *)view.buf >> 4 == 6 ? 16 : 4;
    bool matches = source_size == 0 || source_size == wanted;
    if (matches) {
        size = too_big_answer(view.buf, (uint32_t)view.len, mtu, source_size > 0 ? source : NULL,
                              answer);
    }
    PyBuffer_Release(&view);
    if (!matches) {
        PyErr_Format(PyExc_ValueError,
                     "source must be of the packet's family, with %lu bytes, not %R",
                     (unsigned long)wanted, values[2]);
        return NULL;
    }
    if (size == 0) {
        Py_RETURN_NONE;
    }
    return PyBytes_FromStringAndSize((const char *)answer, (Py_ssize_t)size);
}

/* --- The functions ---------------------------------------------------------------------------- */

static PyMethodDef functions[] = {
    FAST_METHOD("merge", offload_merge, offload_merge_doc),
    FAST_METHOD("split", offload_split, offload_split_doc),
    {"checksum", offload_checksum, METH_O, checksum_doc},
    FAST_METHOD("transport_checksum", offload_transport_checksum, transport_checksum_doc),
    FAST_METHOD("update_checksum", offload_update_checksum, update_checksum_doc),
    {"has_valid_checksums", offload_has_valid_checksums, METH_O, has_valid_checksums_doc},
    {"fill_checksums", offload_fill_checksums, METH_O, fill_checksums_doc},
    FAST_METHOD("clamp_mss", offload_clamp_mss, clamp_mss_doc),
    FAST_METHOD("_packet_too_big", offload_packet_too_big, packet_too_big_doc),
    {NULL, NULL, 0, NULL},
};

bool
offload_add_functions(PyObject *module)
{
    return PyModule_AddFunctions(module, functions) == 0;
}
