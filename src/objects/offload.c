/* SPDX-License-Identifier: MIT
 *
 * The functions of wintun.offload: packets in buffers to packets as bytes, without a device.
 */
#include "offload.h"

#include "convert.h"

#include "offload/checksum.h"
#include "offload/merge.h"
#include "offload/mss.h"
#include "offload/packet_sums.h"
#include "offload/split.h"
#include "offload/too_big.h"

#include <string.h>

/* RFC 791: what each link of the Internet takes. */
#define LEAST_MTU 68

/* From here on it is worth to let other threads run meanwhile. */
#define MUCH_TO_SUM 65536

static bool
convert_flag(PyObject *value, bool *flag)
{
    int truth = value != NULL ? PyObject_IsTrue(value) : *flag;
    *flag = truth > 0;
    return truth >= 0;
}

/* --- Several packets as bytes ----------------------------------------------------------------- */

/* A list under way, and the memory of its items, to be written without the GIL. */
typedef struct new_list {
    PyObject *list;
    char **memories; /* NULL: the item is whole already */
} new_list;

static bool
new_list_begin(new_list *made, Py_ssize_t count)
{
    made->list = PyList_New(count);
    made->memories = PyMem_Calloc((size_t)count + 1, sizeof(char *));
    if (made->list != NULL && made->memories == NULL) {
        (void)PyErr_NoMemory();
    }
    return made->list != NULL && made->memories != NULL;
}

/* The list, or NULL if it is not done. */
static PyObject *
new_list_end(new_list *made, bool done)
{
    PyMem_Free(made->memories);
    if (!done) {
        Py_CLEAR(made->list);
    }
    return made->list;
}

static bool
new_list_add(new_list *made, Py_ssize_t index, uint32_t size)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (bytes == NULL || PyList_SetItem(made->list, index, bytes) != 0) {
        return false;
    }
    made->memories[index] = PyBytes_AsString(bytes);
    return true;
}

/* --- merge ------------------------------------------------------------------------------------ */

/* A batch: a list of our own, the buffers of its packets, and what the plan needs. */
typedef struct merge_batch {
    PyObject *list;
    Py_ssize_t count;
    Py_ssize_t viewed;
    Py_buffer *views;
    merge_packet *packets;
    merge_output *outputs;
    merge_plan plan;
} merge_batch;

static void
end_batch(merge_batch *batch)
{
    while (batch->viewed > 0) {
        PyBuffer_Release(&batch->views[--batch->viewed]);
    }
    PyMem_Free(batch->views);
    PyMem_Free(batch->packets);
    PyMem_Free(batch->outputs);
    Py_XDECREF(batch->list);
}

static bool
begin_batch(merge_batch *batch, PyObject *packets)
{
    memset(batch, 0, sizeof(*batch));
    batch->list = PySequence_List(packets);
    if (batch->list == NULL) {
        return false;
    }
    batch->count = PyList_Size(batch->list);
    size_t places = (size_t)batch->count + 1;
    batch->views = PyMem_Calloc(places, sizeof(*batch->views));
    batch->packets = PyMem_Calloc(places, sizeof(*batch->packets));
    batch->outputs = PyMem_Calloc(places, sizeof(*batch->outputs));
    if (batch->views == NULL || batch->packets == NULL || batch->outputs == NULL) {
        (void)PyErr_NoMemory();
        return false;
    }
    for (Py_ssize_t i = 0; i < batch->count; i++) {
        if (!convert_packet(PyList_GetItem(batch->list, i), &batch->views[i])) {
            return false;
        }
        batch->viewed++;
    }
    return true;
}

static void
plan_batch(merge_batch *batch, DWORD max_size, bool verify)
{
    Py_BEGIN_ALLOW_THREADS
    merge_begin(&batch->plan, batch->packets, batch->outputs, max_size, verify);
    for (Py_ssize_t i = 0; i < batch->count; i++) {
        merge_add(&batch->plan, batch->views[i].buf, (uint32_t)batch->views[i].len);
    }
    Py_END_ALLOW_THREADS
}

/* An item for an output: a packet that is bytes already and stays alone is given out itself. */
static bool
add_item(const merge_batch *batch, new_list *made, Py_ssize_t index)
{
    const merge_output *output = &batch->outputs[index];
    PyObject *packet = PyList_GetItem(batch->list, (Py_ssize_t)output->first);
    if (output->count > 1 || !PyBytes_CheckExact(packet)) {
        return new_list_add(made, index, output->size);
    }
    Py_INCREF(packet);
    return PyList_SetItem(made->list, index, packet) == 0;
}

static PyObject *
write_batch(const merge_batch *batch)
{
    new_list made;
    Py_ssize_t count = (Py_ssize_t)batch->plan.output_count;
    bool done = new_list_begin(&made, count);
    for (Py_ssize_t i = 0; done && i < count; i++) {
        done = add_item(batch, &made, i);
    }
    if (done) {
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t i = 0; i < count; i++) {
            if (made.memories[i] != NULL) {
                merge_write(&batch->plan, (uint32_t)i, made.memories[i]);
            }
        }
        Py_END_ALLOW_THREADS
    }
    return new_list_end(&made, done);
}

static PyObject *
offload_merge(PyObject *module, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"packets", "max_size", "verify", NULL};
    PyObject *values[3];
    merge_batch batch;
    DWORD max_size = WINTUN_MAX_IP_PACKET_SIZE;
    bool verify = true;
    PyObject *merged = NULL;
    (void)module;
    if (!convert_arguments("merge", names, 1, args, count, keywords, values) ||
        (values[1] != NULL && !convert_integer(values[1], "max_size", LEAST_MTU,
                                               WINTUN_MAX_IP_PACKET_SIZE, &max_size)) ||
        !convert_flag(values[2], &verify)) {
        return NULL;
    }
    if (begin_batch(&batch, values[0])) {
        plan_batch(&batch, max_size, verify);
        merged = write_batch(&batch);
    }
    end_batch(&batch);
    return merged;
}

/* --- split ------------------------------------------------------------------------------------ */

/* A packet that is bytes itself, or its bytes. */
static PyObject *
bytes_of_packet(PyObject *packet, const Py_buffer *view)
{
    if (PyBytes_CheckExact(packet)) {
        Py_INCREF(packet);
        return packet;
    }
    return PyBytes_FromStringAndSize(view->buf, view->len);
}

static PyObject *
list_of_one(PyObject *item)
{
    PyObject *list = item != NULL ? PyList_New(1) : NULL;
    if (list == NULL) {
        Py_XDECREF(item);
    } else if (PyList_SetItem(list, 0, item) != 0) {
        Py_CLEAR(list);
    }
    return list;
}

static PyObject *
list_of_segments(const split_plan *plan)
{
    new_list made;
    bool done = new_list_begin(&made, (Py_ssize_t)plan->count);
    for (uint32_t i = 0; done && i < plan->count; i++) {
        done = new_list_add(&made, (Py_ssize_t)i, split_size(plan, i));
    }
    if (done) {
        Py_BEGIN_ALLOW_THREADS
        for (uint32_t i = 0; i < plan->count; i++) {
            split_write(plan, i, made.memories[i]);
        }
        Py_END_ALLOW_THREADS
    }
    return new_list_end(&made, done);
}

static PyObject *
offload_split(PyObject *module, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"packet", "size", "verify", NULL};
    PyObject *values[3];
    Py_buffer view;
    split_plan plan;
    DWORD size;
    bool verify = true;
    bool splits;
    (void)module;
    if (!convert_arguments("split", names, 2, args, count, keywords, values) ||
        !convert_integer(values[1], "size", LEAST_MTU, WINTUN_MAX_IP_PACKET_SIZE, &size) ||
        !convert_flag(values[2], &verify) || !convert_packet(values[0], &view)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    splits = split_begin(&plan, view.buf, (uint32_t)view.len, size, verify);
    Py_END_ALLOW_THREADS
    PyObject *list =
        splits ? list_of_segments(&plan) : list_of_one(bytes_of_packet(values[0], &view));
    PyBuffer_Release(&view);
    return list;
}

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

static const char merge_doc[] =
    "merge($module, packets, max_size=65535, verify=True)\n--\n\n"
    "Makes one packet of TCP segments of one flow that follow each other.\n\n"
    "packets: an iterable of IP packets, objects with a contiguous buffer of at most 65535 bytes.\n"
    "max_size: the most bytes of a packet that is made, headers included (68 to 65535).\n\n"
    "Joined are segments with the same addresses, ports, acknowledgment, window, TTL, traffic\n"
    "class and TCP options, each of which begins where the one before it ends; IPv4 without\n"
    "options or fragments, IPv6 without extension headers; with a payload and with no flag but\n"
    "ACK, and PSH on the last. Other flows may lie in between. All else comes out as it is, and\n"
    "the packets of a flow keep their order; a joined packet stands where its first one stood.\n\n"
    "verify: sum each segment before it is joined; one whose checksum is wrong stays alone. With\n"
    "False the checksums are taken for right, for packets that came in authenticated: the new\n"
    "checksum is made of theirs, and is wrong if one of them was.\n\n"
    "Returns a list of bytes. Raises TypeError, ValueError or BufferError for the arguments;\n"
    "MemoryError. Any thread; other threads run meanwhile, and must not change the packets.";

static const char split_doc[] =
    "split($module, packet, size, verify=True)\n--\n\n"
    "Makes segments of a TCP packet that is too large, as a kernel's segmentation does.\n\n"
    "packet: an object with a contiguous buffer of at most 65535 bytes. size: the most bytes of a\n"
    "segment, headers included (68 to 65535). The segments have the packet's headers, but: the\n"
    "sequence number counts on, as does the identification of IPv4; PSH and FIN are on the last\n"
    "alone, CWR on the first alone; sizes and checksums are their own.\n\n"
    "verify: sum the packet first; with a wrong checksum it is left whole. False takes it for\n"
    "right.\n\n"
    "Returns a list of bytes: the packet alone if it is not larger than size, or cannot be split.\n"
    "That is all but TCP; fragments; SYN, RST and URG; IPv6 with extension headers; headers that\n"
    "tell wrong sizes or leave no room. Raises TypeError, ValueError or BufferError for the\n"
    "arguments; MemoryError. Any thread; other threads run meanwhile, and must not change the\n"
    "packet.";

static const char checksum_doc[] =
    "checksum($module, data, /)\n--\n\n"
    "The Internet checksum of bytes (RFC 1071): that of an IPv4 header or a message of ICMP whose\n"
    "own checksum is 0; or 0 if they have the right one among them.\n\n"
    "data: an object with a contiguous buffer. Returns an int from 0 to 65535. Any thread.";

static const char transport_checksum_doc[] =
    "transport_checksum($module, source, destination, protocol, data)\n--\n\n"
    "The checksum of TCP, UDP or ICMPv6, which covers a pseudo header, too.\n\n"
    "source, destination: addresses as bytes, 4 or 16 of them each. protocol: the number of IANA\n"
    "(TCP 6, UDP 17, ICMPv6 58). data: the transport's header, with 0 as its checksum, and its\n"
    "payload, an object with a contiguous buffer of at most 65535 bytes. Returns an int from 0 to\n"
    "65535; UDP's is never 0, which means there that there is none (RFC 768). Raises TypeError,\n"
    "ValueError or BufferError for the arguments. Any thread.";

static const char update_checksum_doc[] =
    "update_checksum($module, checksum, old, new)\n--\n\n"
    "The checksum after a part of what it covers has changed (RFC 1624).\n\n"
    "checksum: an int from 0 to 65535. old, new: the part before and after, objects with a\n"
    "contiguous buffer, of as many bytes, that begins at an even place of what is covered. A "
    "wrong\n"
    "checksum stays wrong. Returns an int from 0 to 65535. Raises TypeError, ValueError or\n"
    "BufferError for the arguments. Any thread.";

static const char has_valid_checksums_doc[] =
    "has_valid_checksums($module, packet, /)\n--\n\n"
    "Whether all checksums of an IP packet are right: of the IPv4 header, TCP, UDP, ICMP, "
    "ICMPv6.\n\n"
    "packet: an object with a contiguous buffer of at most 65535 bytes. False also for what is no\n"
    "whole IP packet. Of fragments and other protocols only IP's own is known. Any thread.";

static const char fill_checksums_doc[] =
    "fill_checksums($module, packet, /)\n--\n\n"
    "The packet with right checksums: of the IPv4 header, TCP, UDP, ICMP, ICMPv6.\n\n"
    "packet: an object with a contiguous buffer of at most 65535 bytes. Returns bytes. Raises\n"
    "ValueError for what is no whole IP packet; TypeError, BufferError. Any thread.";

static const char clamp_mss_doc[] =
    "clamp_mss($module, packet, mtu)\n--\n\n"
    "The packet with a maximum segment size that fits: of a TCP packet with SYN the option is\n"
    "lowered to what fits in packets of mtu bytes, 40 less with IPv4 and 60 less with IPv6.\n\n"
    "packet: an object with a contiguous buffer of at most 65535 bytes. mtu: 68 to 65535. Returns\n"
    "bytes of the same size, and a packet in bytes that needs no change itself: without SYN or\n"
    "without the option. The checksum is updated: a wrong one stays wrong. Raises TypeError,\n"
    "ValueError or BufferError for the arguments. Any thread.";

static const char packet_too_big_doc[] =
    "_packet_too_big($module, packet, mtu, source=None)\n--\n\n"
    "See wintun.offload.packet_too_big. source: bytes, 4 or 16, or None.";

static PyMethodDef functions[] = {
    FAST_METHOD("merge", offload_merge, merge_doc),
    FAST_METHOD("split", offload_split, split_doc),
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
