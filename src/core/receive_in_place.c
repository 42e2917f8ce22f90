/* SPDX-License-Identifier: MIT
 *
 * Taking packets out of the ring for the program to keep where they are.
 */
#include "receive.h"

#include "receive_ring.h"

#include <stdlib.h>

/* Makes the call own so many packets of the ring instead of itself. */
static void
hold_instead(shared_session *session, uint64_t packets, attempt *tried)
{
    lifetime_exchange(&session->life, tried->owned, packets * GATE_HOLD);
    tried->owned = 0;
}

outcome
receive_in_place(shared_session *session, attempt *tried)
{
    received_packet *received = tried->context;
    outcome result = OUTCOME_DONE;
    store_lock(session->ahead);
    bool stored = !store_is_empty(session->ahead);
    if (stored) {
        take_front(session, received);
    } else {
        result = receive_from_ring(session, &received->in_ring, &received->size, tried);
        if (result == OUTCOME_DONE) {
            count_received(session, 1, received->size);
        }
    }
    store_unlock(session->ahead);
    if (!stored && result == OUTCOME_DONE) {
        received->owned = GATE_HOLD;
        hold_instead(session, 1, tried);
    }
    return result;
}

/* The front of the store, in memory of its own if it is a copy. What there is no memory for stays.
 */
static outcome
keep_stored(shared_session *session, packet_memory *kept)
{
    const stored_packet *front = store_front(session->ahead);
    *kept = (packet_memory){(BYTE *)front->in_ring, front->size, PACKET_RECEIVED};
    if (front->in_ring == NULL) {
        kept->kind = PACKET_COPY;
        kept->memory = malloc(front->size > 0 ? front->size : 1);
        if (kept->memory == NULL) {
            return OUTCOME_NO_MEMORY;
        }
        memcpy(kept->memory, store_memory(session->ahead, front), front->size);
    }
    store_pop(session->ahead);
    return OUTCOME_DONE;
}

static outcome
keep_from_ring(shared_session *session, packet_memory *kept, attempt *tried)
{
    const BYTE *packet;
    outcome result = receive_from_ring(session, &packet, &kept->size, tried);
    if (result == OUTCOME_DONE) {
        kept->memory = (BYTE *)packet; /* a program may change what it has received, says the API */
        kept->kind = PACKET_RECEIVED;
    }
    return result;
}

outcome
receive_batch_in_place(shared_session *session, attempt *tried)
{
    kept_packets *kept = tried->context;
    uint64_t packets = 0;
    uint64_t bytes = 0;
    outcome result = OUTCOME_DONE;
    kept->count = 0;
    store_lock(session->ahead);
    while (result == OUTCOME_DONE && kept->count < kept->limit) {
        packet_memory *next = &kept->packets[kept->count];
        if (!store_is_empty(session->ahead)) {
            result = keep_stored(session, next);
        } else {
            result = keep_from_ring(session, next, tried);
            packets += result == OUTCOME_DONE;
            bytes += result == OUTCOME_DONE ? next->size : 0;
        }
        kept->count += result == OUTCOME_DONE;
    }
    store_unlock(session->ahead);
    if (packets > 0) {
        count_received(session, packets, bytes);
        hold_instead(session, packets, tried);
    }
    return kept->count > 0 ? OUTCOME_DONE : result;
}
