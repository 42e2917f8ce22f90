/* SPDX-License-Identifier: MIT
 *
 * The Session object: one pair of rings on an adapter.
 */
#include "session.h"

#include "convert.h"
#include "errors.h"

PyObject *
session_new(module_state *state, PyObject *adapter, shared_session *shared, DWORD capacity)
{
    PyTypeObject *type = (PyTypeObject *)state->session_type;
    session_object *self = (session_object *)PyType_GenericAlloc(type, 0);
    if (self == NULL) {
        Py_BEGIN_ALLOW_THREADS
        session_end(shared);
        session_unreference(shared);
        Py_END_ALLOW_THREADS
        return NULL;
    }
    Py_INCREF(adapter);
    self->state = state;
    self->adapter = adapter;
    self->shared = shared;
    self->capacity = capacity;
    return (PyObject *)self;
}

static void
session_dealloc(PyObject *object)
{
    session_object *self = (session_object *)object;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (self->weak_references != NULL) {
        PyObject_ClearWeakRefs(object);
    }
    if (self->shared != NULL) {
        if (!gate_is_closed(&self->shared->gate) &&
            PyErr_WarnFormat(PyExc_ResourceWarning, 1, "unclosed Wintun session") != 0) {
            PyErr_WriteUnraisable(NULL);
        }
        Py_BEGIN_ALLOW_THREADS
        session_end(self->shared);
        session_unreference(self->shared);
        Py_END_ALLOW_THREADS
    }
    Py_XDECREF(self->adapter);
    PyErr_Restore(type, value, traceback);
    free_object(object);
}

bool
session_is_error(outcome result)
{
    return result != OUTCOME_DONE && result != OUTCOME_NOT_YET && result != OUTCOME_INTERRUPTED;
}

PyObject *
session_raise(session_object *self, const char *function, outcome result, DWORD code)
{
    switch (result) {
    case OUTCOME_CLOSED:
        return raise_closed(self->state, "session");
    case OUTCOME_NOT_YET:
        return raise_ring_error(self->state, function, ERROR_BUFFER_OVERFLOW);
    case OUTCOME_WAIT_FAILED:
        return raise_error("WaitForMultipleObjects", code);
    case OUTCOME_NO_MEMORY:
        return PyErr_NoMemory();
    default:
        return raise_ring_error(self->state, function, code);
    }
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
    DWORD code = 0;
    if (!session_attempt_until(self, deadline_ns, receive_nothing, NULL, &result, &code)) {
        return NULL;
    }
    if (!session_is_error(result)) {
        return PyBool_FromLong(result == OUTCOME_DONE);
    }
    return session_raise(self, "WintunGetReadWaitEvent", result, code);
}

/* Handles for an event loop; they stay valid when the session is over. */
typedef struct loop_events {
    HANDLE packets;
    HANDLE baton;
    HANDLE closed;
} loop_events;

static outcome
duplicate_events(shared_session *shared, loop_events *events)
{
    if (!session_enter(shared)) {
        return OUTCOME_CLOSED;
    }
    if (!platform_handle_duplicate(shared->read_event, &events->packets)) {
        goto leave;
    }
    if (!platform_handle_duplicate(shared->loop_baton.wait, &events->baton)) {
        goto close_packets;
    }
    if (!platform_handle_duplicate(shared->cancel.wait, &events->closed)) {
        goto close_baton;
    }
    /* Before the loop's tasks look at the ring, as a thread counts itself among the waiters. */
    atom_u32_store(&shared->watched, 1);
    session_leave(shared);
    return OUTCOME_DONE;
close_baton:
    platform_handle_close(events->baton);
close_packets:
    platform_handle_close(events->packets);
leave:
    session_leave(shared);
    return OUTCOME_FAILED;
}

static PyObject *
session_duplicate_events(PyObject *object, PyObject *ignored)
{
    session_object *self = (session_object *)object;
    loop_events events;
    outcome result;
    (void)ignored;
    Py_BEGIN_ALLOW_THREADS
    result = duplicate_events(self->shared, &events);
    Py_END_ALLOW_THREADS
    if (result != OUTCOME_DONE) {
        return session_raise(self, "DuplicateHandle", result, ERROR_NOT_ENOUGH_MEMORY);
    }
    PyObject *handles = Py_BuildValue("(NNN)", PyLong_FromVoidPtr((void *)events.packets),
                                      PyLong_FromVoidPtr((void *)events.baton),
                                      PyLong_FromVoidPtr((void *)events.closed));
    if (handles == NULL) {
        platform_handle_close(events.packets);
        platform_handle_close(events.baton);
        platform_handle_close(events.closed);
    }
    return handles;
}

static PyObject *
session_wake_thread_method(PyObject *object, PyObject *ignored)
{
    shared_session *shared = ((session_object *)object)->shared;
    (void)ignored;
    Py_BEGIN_ALLOW_THREADS
    if (session_enter(shared)) {
        session_wake_thread(shared, 0);
        session_leave(shared);
    }
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* --- Packets in place ------------------------------------------------------------------------- */

static outcome
receive_held(shared_session *shared, received_packet *received, DWORD *code)
{
    if (!session_enter(shared)) {
        return OUTCOME_CLOSED;
    }
    outcome result = receive_in_place(shared, received, code);
    session_leave(shared);
    return result;
}

const char session_receive_packet_doc[] =
    "receive_packet($self, /)\n--\n\n"
    "Takes the next packet out of the ring without copying it.\n\n"
    "Returns a Packet of 0 to 65535 bytes, or None if there is none. Its memory goes back to the\n"
    "ring with release(), at the end of a with block, or when it is collected; until then the "
    "ring\n"
    "has that much less room. Any order.\n"
    "Raises ClosedError, AdapterTerminatingError, RingCorruptError. Any thread; never blocks.";

PyObject *
session_receive_packet(PyObject *object, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {NULL};
    session_object *self = (session_object *)object;
    received_packet received;
    outcome result;
    DWORD code = 0;
    if (!convert_arguments("receive_packet", names, 0, args, count, keywords, NULL)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    result = receive_held(self->shared, &received, &code);
    Py_END_ALLOW_THREADS
    if (result == OUTCOME_NOT_YET) {
        Py_RETURN_NONE;
    }
    if (result != OUTCOME_DONE) {
        return session_raise(self, "WintunReceivePacket", result, code);
    }
    if (received.in_ring == NULL) {
        return packet_of_copy(self->state, self->shared, received.copy, received.size);
    }
    /* The client may modify a received packet at will, says the API. */
    return packet_new(self->state, self->shared, (BYTE *)received.in_ring, received.size,
                      PACKET_RECEIVED);
}

static outcome
allocate_held(shared_session *shared, DWORD size, BYTE **packet, DWORD *code)
{
    if (!session_enter(shared)) {
        return OUTCOME_CLOSED;
    }
    outcome result = session_allocate(shared, 0, size, packet, code);
    if (result == OUTCOME_DONE) {
        gate_hold(&shared->gate, 1);
    }
    session_leave(shared);
    return result;
}

const char session_allocate_send_packet_doc[] =
    "allocate_send_packet($self, size)\n--\n\n"
    "Reserves memory in the ring for a packet of size bytes (0 to 65535) to fill and send().\n\n"
    "Packets are sent in the order of these calls; one that is not sent yet holds back those "
    "after\n"
    "it. One that is released unsent, or collected, goes out zero-filled, which the driver\n"
    "discards.\n"
    "Raises RingFullError, ClosedError, AdapterTerminatingError, ValueError. Any thread; never\n"
    "blocks.";

PyObject *
session_allocate_send_packet(PyObject *object, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"size", NULL};
    session_object *self = (session_object *)object;
    PyObject *values[1];
    BYTE *packet = NULL;
    DWORD size;
    DWORD code = 0;
    outcome result;
    if (!convert_arguments("allocate_send_packet", names, 1, args, count, keywords, values) ||
        !convert_integer(values[0], "size", 0, WINTUN_MAX_IP_PACKET_SIZE, &size)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    result = allocate_held(self->shared, size, &packet, &code);
    Py_END_ALLOW_THREADS
    if (result == OUTCOME_NOT_YET) {
        atom_u64_count(&self->shared->statistics.ring_full, 1);
    }
    if (result != OUTCOME_DONE) {
        return session_raise(self, "WintunAllocateSendPacket", result, code);
    }
    return packet_new(self->state, self->shared, packet, size, PACKET_TO_SEND);
}

/* --- Many packets in place ------------------------------------------------------------------- */

const char session_receive_packets_doc[] =
    "receive_packets($self, max_packets=64)\n--\n\n"
    "Takes up to max_packets packets (1 or more, at most 4096 of them) out of the ring without\n"
    "copying them.\n\n"
    "Returns a PacketBatch, empty if there were none. Their memory goes back to the ring with\n"
    "release(), at the end of a with block, or when the batch is collected.\n"
    "Raises ClosedError, AdapterTerminatingError, RingCorruptError, TypeError, ValueError. Any\n"
    "thread; never blocks.";

PyObject *
session_receive_packets(PyObject *object, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"max_packets", NULL};
    session_object *self = (session_object *)object;
    PyObject *values[1];
    DWORD most = 64;
    if (!convert_arguments("receive_packets", names, 0, args, count, keywords, values) ||
        (values[0] != NULL && !convert_integer(values[0], "max_packets", 1, 0x7FFFFFFF, &most))) {
        return NULL;
    }
    return packet_batch_receive(self->state, self->shared, most);
}

const char session_allocate_send_packets_doc[] =
    "allocate_send_packets($self, sizes)\n--\n\n"
    "Reserves memory in the ring for packets, to fill and send() at once.\n\n"
    "sizes: iterable of at most 4096 ints of 0 to 65535.\n"
    "Returns a PacketBatch; it is shorter than sizes when the ring got full. One that is released\n"
    "unsent, or collected, goes out zero-filled, which the driver discards.\n"
    "Raises RingFullError when there was no room at all, ClosedError, AdapterTerminatingError,\n"
    "TypeError, ValueError. Any thread; never blocks.";

PyObject *
session_allocate_send_packets(PyObject *object, arguments args, Py_ssize_t count,
                              PyObject *keywords)
{
    static const char *const names[] = {"sizes", NULL};
    session_object *self = (session_object *)object;
    PyObject *values[1];
    if (!convert_arguments("allocate_send_packets", names, 1, args, count, keywords, values)) {
        return NULL;
    }
    return packet_batch_allocate(self->state, self->shared, values[0]);
}

/* --- End -------------------------------------------------------------------------------------- */

static PyObject *
session_end_method(PyObject *object, PyObject *ignored)
{
    session_object *self = (session_object *)object;
    (void)ignored;
    Py_BEGIN_ALLOW_THREADS
    session_end(self->shared);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *
session_enter_method(PyObject *object, PyObject *ignored)
{
    session_object *self = (session_object *)object;
    (void)ignored;
    if (gate_is_closed(&self->shared->gate)) {
        return raise_closed(self->state, "session");
    }
    Py_INCREF(object);
    return object;
}

/* --- Properties ------------------------------------------------------------------------------- */

static PyObject *
session_get_adapter(PyObject *object, void *closure)
{
    PyObject *adapter = ((session_object *)object)->adapter;
    (void)closure;
    Py_INCREF(adapter);
    return adapter;
}

static PyObject *
session_get_capacity(PyObject *object, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLong(((session_object *)object)->capacity);
}

static PyObject *
session_get_closed(PyObject *object, void *closure)
{
    (void)closure;
    return PyBool_FromLong(gate_is_closed(&((session_object *)object)->shared->gate));
}

static PyObject *
session_get_read_wait_event(PyObject *object, void *closure)
{
    session_object *self = (session_object *)object;
    (void)closure;
    if (gate_is_closed(&self->shared->gate) || !adapter_is_ours(self->shared->adapter)) {
        return raise_closed(self->state, "session");
    }
    return PyLong_FromVoidPtr((void *)self->shared->read_event);
}

static PyObject *
session_get_spin_us(PyObject *object, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLong(atom_u32_load(&((session_object *)object)->shared->spin_us));
}

static int
session_set_spin_us(PyObject *object, PyObject *value, void *closure)
{
    DWORD spin_us;
    (void)closure;
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "spin_us cannot be deleted");
        return -1;
    }
    if (!convert_integer(value, "spin_us", 0, LONGEST_SPIN_US, &spin_us)) {
        return -1;
    }
    atom_u32_store(&((session_object *)object)->shared->spin_us, spin_us);
    return 0;
}

static PyObject *
session_get_ip_only(PyObject *object, void *closure)
{
    (void)closure;
    return PyBool_FromLong(atom_u32_load(&((session_object *)object)->shared->ip_only) != 0);
}

static int
session_set_ip_only(PyObject *object, PyObject *value, void *closure)
{
    (void)closure;
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "ip_only cannot be deleted");
        return -1;
    }
    if (!PyBool_Check(value)) {
        PyErr_Format(PyExc_TypeError, "ip_only must be a bool, not %R", value);
        return -1;
    }
    atom_u32_store(&((session_object *)object)->shared->ip_only, value == Py_True);
    return 0;
}

static PyObject *
session_statistics_method(PyObject *object, PyObject *ignored)
{
    shared_session *shared = ((session_object *)object)->shared;
    session_statistics *counted = &shared->statistics;
    (void)ignored;
    return Py_BuildValue("(KKKKKKKKKKK)",
                         (unsigned long long)atom_u64_load(&counted->packets_received),
                         (unsigned long long)atom_u64_load(&counted->bytes_received),
                         (unsigned long long)atom_u64_load(&counted->packets_sent),
                         (unsigned long long)atom_u64_load(&counted->bytes_sent),
                         (unsigned long long)atom_u64_load(&counted->ring_full),
                         (unsigned long long)atom_u64_load(&counted->packets_unsent),
                         (unsigned long long)atom_u64_load(&counted->packets_unread),
                         (unsigned long long)atom_u64_load(&counted->waits),
                         (unsigned long long)atom_u64_load(&counted->spins),
                         (unsigned long long)atom_u64_load(&counted->packets_not_ip),
                         (unsigned long long)session_packets_held(shared));
}

/* --- The type --------------------------------------------------------------------------------- */

static PyMethodDef session_methods[] = {
    FAST_METHOD("receive_packet", session_receive_packet, session_receive_packet_doc),
    FAST_METHOD("allocate_send_packet", session_allocate_send_packet,
                session_allocate_send_packet_doc),
    FAST_METHOD("read", session_read, session_read_doc),
    FAST_METHOD("read_many", session_read_many, session_read_many_doc),
    FAST_METHOD("write", session_write, session_write_doc),
    FAST_METHOD("write_many", session_write_many, session_write_many_doc),
    FAST_METHOD("read_into", session_read_into, session_read_into_doc),
    FAST_METHOD("read_packed", session_read_packed, session_read_packed_doc),
    FAST_METHOD("write_packed", session_write_packed, session_write_packed_doc),
    FAST_METHOD("receive_packets", session_receive_packets, session_receive_packets_doc),
    FAST_METHOD("allocate_send_packets", session_allocate_send_packets,
                session_allocate_send_packets_doc),
    FAST_METHOD("wait_read_event", session_wait_read_event, session_wait_read_event_doc),
    {"statistics", session_statistics_method, METH_NOARGS,
     "statistics($self, /)\n--\n\n"
     "Counts since the session started, as a tuple: packets received, bytes received, packets\n"
     "sent, bytes sent, calls that the full ring refused something, packets that were allocated\n"
     "and given back unsent, packets that were taken out of the ring and lost unread, times that\n"
     "a thread went to sleep, times that it spun first, packets that were sent and are no IP; and\n"
     "the packets in the rings that the program holds now. Any thread, also after the end."},
    {"_duplicate_events", session_duplicate_events, METH_NOARGS,
     "_duplicate_events($self, /)\n--\n\n"
     "Handles for an event loop: (the read-wait event, an event that threads set when they leave\n"
     "packets to the loops, an event that stays signaled once the session is closed), each to be\n"
     "given to close_event(). Raises ClosedError, OSError."},
    {"_wake_thread", session_wake_thread_method, METH_NOARGS,
     "_wake_thread($self, /)\n--\n\n"
     "For an event loop that has seen a signal: wakes a thread that waits in the session."},
    {"end", session_end_method, METH_NOARGS,
     "end($self, /)\n--\n\n"
     "Ends the session. Threads that wait in it wake at once and get ClosedError.\n\n"
     "Packets that are held stay readable; the rings' memory goes when the last one is released.\n"
     "Any thread, any number of times."},
    {"__enter__", session_enter_method, METH_NOARGS, NULL},
    {"__exit__", session_end_method, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef session_properties[] = {
    {"adapter", session_get_adapter, NULL, "The Adapter that the session is on.", NULL},
    {"capacity", session_get_capacity, NULL, "Capacity of each ring in bytes.", NULL},
    {"closed", session_get_closed, NULL, "Whether the session was ended.", NULL},
    {"read_wait_event", session_get_read_wait_event, NULL,
     "The event that is set when packets arrive, an int: on Windows a HANDLE of an auto-reset\n"
     "event, elsewhere a file descriptor that polls readable while the event is signaled. It\n"
     "belongs to the session and is invalid once that has ended. Raises ClosedError.",
     NULL},
    {"spin_us", session_get_spin_us, session_set_spin_us,
     "How long a blocking read looks for packets before it goes to sleep, while traffic is heavy\n"
     "(above 800 Mbit/s or 80,000 packets a second over the last 10 ms or more): microseconds,\n"
     "0 to 100000, 0 for never. By default 12, about what wireguard-go takes.",
     NULL},
    {"ip_only", session_get_ip_only, session_set_ip_only,
     "Whether what the driver would discard is refused: packets that are neither IPv4 of at least\n"
     "20 bytes nor IPv6 of at least 40 are then a ValueError and nothing is sent. A bool, by\n"
     "default False: they are sent, and counted as not IP in statistics. Any thread.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef session_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(session_object, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot session_slots[] = {
    {Py_tp_doc, (void *)"One pair of rings on an adapter; made by Adapter.start_session().\n\n"
                        "Every method may be called from any thread at any time."},
    {Py_tp_new, SLOT(refuse_new)},
    {Py_tp_dealloc, SLOT(session_dealloc)},
    {Py_tp_methods, session_methods},
    {Py_tp_getset, session_properties},
    {Py_tp_members, session_members},
    {0, NULL},
};

PyType_Spec session_spec = {"wintun.Session", sizeof(session_object), 0, TYPE_FLAGS, session_slots};
