/* SPDX-License-Identifier: MIT
 *
 * Session's methods that give packets in place, in the rings' own memory.
 */
#include "session_methods.h"

#include "core/receive.h"
#include "core/send.h"

#include "convert.h"
#include "packet.h"
#include "packet_batch.h"
#include "session_call.h"

/* --- One packet ------------------------------------------------------------------------------- */

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
    attempt tried = attempt_of(receive_in_place, &received, AWAIT_PACKETS);
    if (!convert_arguments("receive_packet", names, 0, args, count, keywords, NULL)) {
        return NULL;
    }
    outcome result = session_attempt_once(self, &tried);
    if (result == OUTCOME_NOT_YET) {
        Py_RETURN_NONE;
    }
    if (result != OUTCOME_DONE) {
        return session_raise(self, "WintunReceivePacket", result, tried.code);
    }
    if (received.in_ring == NULL) {
        return packet_of_copy(self->state, self->shared, received.copy, received.size);
    }
    /* The client may modify a received packet at will, says the API. */
    return packet_new(self->state, self->shared, (BYTE *)received.in_ring, received.size,
                      PACKET_RECEIVED);
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
    packet_memory packet;
    allocated_packets allocated = {NULL, 0, 1, 0, &packet};
    attempt tried = attempt_of(allocate_packets, &allocated, AWAIT_ROOM);
    if (!convert_arguments("allocate_send_packet", names, 1, args, count, keywords, values) ||
        !convert_integer(values[0], "size", 0, WINTUN_MAX_IP_PACKET_SIZE, &allocated.size)) {
        return NULL;
    }
    outcome result = session_attempt_once(self, &tried);
    if (result != OUTCOME_DONE) {
        return session_raise(self, "WintunAllocateSendPacket", result, tried.code);
    }
    return packet_new(self->state, self->shared, packet.memory, packet.size, PACKET_TO_SEND);
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
    "allocate_send_packets($self, sizes, size=None)\n--\n\n"
    "Reserves memory in the ring for packets, to fill and send() at once.\n\n"
    "sizes: iterable of at most 4096 ints of 0 to 65535; an array of unsigned 32-bit integers, as\n"
    "array('I'), is the fastest. With size, which is then that of all, sizes is how many.\n"
    "Returns a PacketBatch; it is shorter than sizes when the ring got full. One that is released\n"
    "unsent, or collected, goes out zero-filled, which the driver discards.\n"
    "Raises RingFullError when there was no room at all, ClosedError, AdapterTerminatingError,\n"
    "TypeError, ValueError. Any thread; never blocks.";

PyObject *
session_allocate_send_packets(PyObject *object, arguments args, Py_ssize_t count,
                              PyObject *keywords)
{
    static const char *const names[] = {"sizes", "size", NULL};
    session_object *self = (session_object *)object;
    PyObject *values[2];
    if (!convert_arguments("allocate_send_packets", names, 1, args, count, keywords, values)) {
        return NULL;
    }
    return packet_batch_allocate(self->state, self->shared, values[0], values[1]);
}
