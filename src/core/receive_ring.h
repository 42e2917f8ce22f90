/* SPDX-License-Identifier: MIT
 *
 * What all ways of receiving do with the ring and the store, under the store's lock.
 */
#ifndef CORE_RECEIVE_RING_H
#define CORE_RECEIVE_RING_H

#include "received.h"
#include "wait.h"

/* What the library says is not believed beyond the API's promise: a packet of more than the largest
 * size is memory that nobody may touch, and what follows it is no better. */
static inline outcome
receive_from_ring(shared_session *session, const BYTE **packet, DWORD *size, attempt *tried)
{
    tried->code = ERROR_INVALID_DATA;
    if (!session->ring_corrupt) {
        *packet = session->api->ReceivePacket(session->handle, size);
        if (*packet == NULL) {
            tried->code = session->last_error();
        } else if (*size <= WINTUN_MAX_IP_PACKET_SIZE) {
            return OUTCOME_DONE;
        } else {
            session->ring_corrupt = true;
            session->api->ReleaseReceivePacket(session->handle, *packet);
        }
    }
    if (tried->code == ERROR_NO_MORE_ITEMS) {
        return OUTCOME_NOT_YET;
    }
    session_note_end(session, tried->code);
    /* The driver signals the end of the adapter once, which wakes one thread: each wakes the next.
     */
    session_pass_baton(session, 0);
    return OUTCOME_FAILED;
}

/* From the last to the first: the ring's head then moves once, over all of them. Moved for each
 * packet, it would be handed to and fro between this processor and the driver's. */
static inline void
release_all(shared_session *session, const BYTE *const *packets, DWORD count)
{
    while (count > 0) {
        session->api->ReleaseReceivePacket(session->handle, packets[--count]);
    }
}

static inline void
count_received(shared_session *session, uint64_t packets, uint64_t bytes)
{
    atom_u64_count(&session->statistics.packets_received, packets);
    atom_u64_count(&session->statistics.bytes_received, bytes);
}

/* Puts a packet into the store that stays in the ring. */
static inline void
store_in_place(shared_session *session, const BYTE *packet, DWORD size)
{
    gate_take(&session->life.gate, GATE_HOLD);
    store_put_in_ring(session->ahead, packet, size);
}

/* Puts a packet that was just taken out of the ring into the empty store, still in the ring. */
static inline void
keep_for_next(shared_session *session, const BYTE *packet, DWORD size)
{
    store_begin(session->ahead);
    store_in_place(session, packet, size);
    store_filled(session->ahead);
    count_received(session, 1, size);
}

/* Takes the next packet of the store; with one that is in the ring goes the store's hold. */
static inline void
take_front(shared_session *session, received_packet *received)
{
    const stored_packet *front = store_front(session->ahead);
    received->size = front->size;
    received->in_ring = front->in_ring;
    received->owned = 0;
    if (front->in_ring == NULL) {
        memcpy(received->copy, store_memory(session->ahead, front), front->size);
    } else {
        received->owned = GATE_HOLD;
    }
    store_pop(session->ahead);
}

#endif
