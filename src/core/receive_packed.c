/* SPDX-License-Identifier: MIT
 *
 * Taking packets out of the ring into one buffer of the program.
 */
#include "receive.h"

#include "receive_ring.h"

/* Packets that were copied out of the ring and have not gone back yet. */
typedef struct copied_packets {
    DWORD count;
    uint64_t bytes;
    const BYTE *packets[BATCH];
} copied_packets;

static void
give_back_copied(shared_session *session, copied_packets *copied)
{
    count_received(session, copied->count, copied->bytes);
    release_all(session, copied->packets, copied->count);
    copied->count = 0;
    copied->bytes = 0;
}

/* Drops the front of the store, which was copied, and gives its memory back. */
static void
drop_copied_front(shared_session *session)
{
    const BYTE *in_ring = store_front(session->ahead)->in_ring;
    if (in_ring != NULL) {
        session->api->ReleaseReceivePacket(session->handle, in_ring);
        session_give_back(session, GATE_HOLD); /* never the last: the call is inside */
    }
    store_pop(session->ahead);
}

/* The next packet to copy: the front of the store, where it stays, or the next of the ring. */
static outcome
next_to_pack(shared_session *session, bool stored, const BYTE **packet, DWORD *size, attempt *tried)
{
    if (!stored) {
        return receive_from_ring(session, packet, size, tried);
    }
    const stored_packet *front = store_front(session->ahead);
    *packet = store_memory(session->ahead, front);
    *size = front->size;
    return OUTCOME_DONE;
}

static outcome
pack(shared_session *session, packed_packets *packed, copied_packets *copied, attempt *tried)
{
    size_t used = 0;
    while (packed->count < packed->limit) {
        const BYTE *packet;
        DWORD size;
        bool stored = !store_is_empty(session->ahead);
        outcome result = next_to_pack(session, stored, &packet, &size, tried);
        if (result != OUTCOME_DONE) {
            return packed->count > 0 ? OUTCOME_DONE : result;
        }
        size_t start = used + packed->headroom;
        if (start + size + packed->tailroom > packed->capacity) {
            packed->no_room = packed->count == 0;
            packed->too_large = size;
            if (!stored) {
                keep_for_next(session, packet, size);
            }
            return OUTCOME_DONE;
        }
        memcpy(packed->buffer + start, packet, size);
        packed->spans[2 * packed->count] = (uint32_t)start;
        packed->spans[2 * packed->count + 1] = (uint32_t)(start + size);
        packed->count++;
        used = start + size + packed->tailroom;
        if (stored) {
            drop_copied_front(session);
            continue;
        }
        copied->packets[copied->count++] = packet;
        copied->bytes += size;
        if (copied->count == BATCH) {
            give_back_copied(session, copied);
        }
    }
    return OUTCOME_DONE;
}

outcome
receive_packed(shared_session *session, attempt *tried)
{
    packed_packets *packed = tried->context;
    copied_packets copied;
    packed->count = 0;
    packed->no_room = false;
    copied.count = 0;
    copied.bytes = 0;
    store_lock(session->ahead);
    outcome result = pack(session, packed, &copied, tried);
    give_back_copied(session, &copied);
    store_unlock(session->ahead);
    return result;
}
