/* SPDX-License-Identifier: MIT
 *
 * Session's methods that write copies of packets, one by one and from iterables.
 */
#include "session_write.h"

#include "convert.h"
#include "session_call.h"
#include "session_methods.h"

/* How many packets need no memory of their own for the list of them. */
#define FEW 128

/* --- Packets that were found ------------------------------------------------------------------ */

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
    written_packets all = {packets, (size_t)count, 0};
    attempt tried = attempt_of(send_copies, &all, AWAIT_ROOM);
    if (!check_are_ip(self->shared, packets, count)) {
        return false;
    }
    bool waited = session_attempt_until(self, deadline_ns, &tried, result);
    *written = (Py_ssize_t)all.written;
    *code = tried.code;
    return waited;
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

/* --- One ------------------------------------------------------------------------------------ */

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

/* --- Many ----------------------------------------------------------------------------------- */

/* All packets of a list, found before the first is sent: a wrong one sends nothing. */
typedef struct packet_list {
    packet_source few[FEW];
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

/* Says in the exception that is set which element of the packets it is about. */
static void
name_element(Py_ssize_t index)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (type == PyExc_TypeError || type == PyExc_ValueError || type == PyExc_BufferError) {
        PyErr_Format(type, "packets[%zd]: %S", index, value);
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(traceback);
    } else {
        PyErr_Restore(type, value, traceback);
    }
}

static bool
find_packets(PyObject *list, packet_list *found)
{
    Py_ssize_t count = PyList_Size(list);
    found->packets = found->few;
    found->views = NULL;
    found->viewed = 0;
    if (count > FEW) {
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
            name_element(i);
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
