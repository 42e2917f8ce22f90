/* SPDX-License-Identifier: MIT
 *
 * merge() and split() of wintun.offload: packets in buffers to lists of bytes.
 */
#include "offload.h"

#include "convert.h"

#include "offload/merge.h"
#include "offload/split.h"

#include <string.h>

/* Sums of so many segments are on the stack: of 64 KiB in packets of 1420 bytes. */
#define FEW_SEGMENTS 64

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

const char offload_merge_doc[] =
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

PyObject *
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
PyObject *
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

/* The segments of a packet that has several, or itself if its checksum is wrong. */
static PyObject *
split_planned(PyObject *packet, const Py_buffer *view, split_plan *plan)
{
    uint16_t few[FEW_SEGMENTS];
    bool right;
    uint16_t *sums = plan->count <= FEW_SEGMENTS ? few : PyMem_Malloc(plan->count * sizeof(*sums));
    if (sums == NULL) {
        return PyErr_NoMemory();
    }
    Py_BEGIN_ALLOW_THREADS
    right = split_sum(plan, sums);
    Py_END_ALLOW_THREADS
    PyObject *list = right ? list_of_segments(plan) : list_of_one(bytes_of_packet(packet, view));
    if (sums != few) {
        PyMem_Free(sums);
    }
    return list;
}

const char offload_split_doc[] =
    "split($module, packet, size)\n--\n\n"
    "Makes segments of a TCP packet that is too large, as a kernel's segmentation does.\n\n"
    "packet: an object with a contiguous buffer of at most 65535 bytes. size: the most bytes of a\n"
    "segment, headers included (68 to 65535). The segments have the packet's headers, but: the\n"
    "sequence number counts on, as does the identification of IPv4; PSH and FIN are on the last\n"
    "alone, CWR on the first alone; sizes and checksums are their own.\n\n"
    "Returns a list of bytes: the packet alone if it is not larger than size, or cannot be split.\n"
    "That is all but TCP; fragments; SYN, RST and URG; IPv6 with extension headers; headers that\n"
    "tell wrong sizes or leave no room; wrong checksums, for the segments' would be right. Raises\n"
    "TypeError, ValueError or BufferError for the arguments; MemoryError. Any thread; other\n"
    "threads run meanwhile, and must not change the packet.";

PyObject *
offload_split(PyObject *module, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"packet", "size", NULL};
    PyObject *values[2];
    Py_buffer view;
    split_plan plan;
    DWORD size;
    (void)module;
    if (!convert_arguments("split", names, 2, args, count, keywords, values) ||
        !convert_integer(values[1], "size", LEAST_MTU, WINTUN_MAX_IP_PACKET_SIZE, &size) ||
        !convert_packet(values[0], &view)) {
        return NULL;
    }
    PyObject *list = split_begin(&plan, view.buf, (uint32_t)view.len, size)
                         ? split_planned(values[0], &view, &plan)
                         : list_of_one(bytes_of_packet(values[0], &view));
    PyBuffer_Release(&view);
    return list;
}
