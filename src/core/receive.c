/* SPDX-License-Identifier: MIT
 *
 * Taking copies of packets out of the ring, and reading ahead.
 */
#include "receive.h"

#include "receive_ring.h"

/* --- The store (under its lock) --------------------------------------------------------------- */

/* Fills the empty store from the ring. What ends it ends the next attempt, too, and is told then.
 */
static void
fill(shared_session *session)
{
    store *ahead = session->ahead;
    attempt unused;
    uint64_t packets = 0;
    uint64_t bytes = 0;
    store_begin(ahead);
    while (store_has_room(ahead)) {
        const BYTE *packet;
        DWORD size;
        if (receive_from_ring(session, &packet, &size, &unused) != OUTCOME_DONE) {
            break;
        }
        packets++;
        bytes += size;
        if (size > SMALL_PACKET) {
            store_in_place(session, packet, size);
            break;
        }
        store_put_copy(ahead, packet, size);
        session->api->ReleaseReceivePacket(session->handle, packet);
    }
    store_filled(ahead);
    count_received(session, packets, bytes);
}

bool
receive_front(shared_session *session, const BYTE **packet, DWORD *size)
{
    store *ahead = session->ahead;
    if (store_seems_empty(ahead) || !store_try_lock(ahead)) {
        return false;
    }
    const stored_packet *front = store_front(ahead);
    /* In a forked child the packets are the parent's. */
    if (store_is_empty(ahead) || front->in_ring != NULL || !session_is_open(session)) {
        store_release(ahead);
        return false;
    }
    *packet = store_memory(ahead, front);
    *size = front->size;
    return true;
}

void
receive_pop(shared_session *session)
{
    store_pop(session->ahead);
    store_release(session->ahead);
}

/* --- Copies ----------------------------------------------------------------------------------- */

/* The next packet from the ring, and the store filled with what comes after it. */
static outcome
take_and_fill(shared_session *session, received_packet *received, attempt *tried)
{
    const BYTE *packet;
    outcome result = receive_from_ring(session, &packet, &received->size, tried);
    if (result != OUTCOME_DONE) {
        return result;
    }
    count_received(session, 1, received->size);
    received->owned = 0;
    received->in_ring = NULL;
    if (received->size > SMALL_PACKET) {
        received->in_ring = packet;
        return OUTCOME_DONE;
    }
    memcpy(received->copy, packet, received->size);
    session->api->ReleaseReceivePacket(session->handle, packet);
    fill(session);
    return OUTCOME_DONE;
}

/* The call stays inside as long as the packet is in the ring, so that who ends the session waits.
 */
static void
stay_with(received_packet *received, attempt *tried)
{
    if (received->in_ring != NULL) {
        received->owned += tried->owned;
        tried->owned = 0;
    }
}

outcome
receive_one(shared_session *session, attempt *tried)
{
    outcome result = OUTCOME_DONE;
    store_lock(session->ahead);
    if (store_is_empty(session->ahead)) {
        result = take_and_fill(session, tried->context, tried);
    } else {
        take_front(session, tried->context);
    }
    store_unlock(session->ahead);
    if (result == OUTCOME_DONE) {
        stay_with(tried->context, tried);
    }
    return result;
}

outcome
receive_stored(shared_session *session, attempt *tried)
{
    outcome result = OUTCOME_NOT_YET;
    store_lock(session->ahead);
    if (!store_is_empty(session->ahead)) {
        take_front(session, tried->context);
        result = OUTCOME_DONE;
    }
    store_unlock(session->ahead);
    if (result == OUTCOME_DONE) {
        stay_with(tried->context, tried);
    }
    return result;
}

static outcome
take_batch(shared_session *session, received_batch *batch, attempt *tried)
{
    uint64_t bytes = 0;
    outcome result = OUTCOME_DONE;
    while (batch->count < batch->limit) {
        result = receive_from_ring(session, &batch->packets[batch->count],
                                   &batch->sizes[batch->count], tried);
        if (result != OUTCOME_DONE) {
            break;
        }
        bytes += batch->sizes[batch->count];
        batch->count++;
    }
    if (batch->count == 0) {
        return result;
    }
    batch->owned = tried->owned;
    tried->owned = 0;
    count_received(session, batch->count, bytes);
    return OUTCOME_DONE; /* what stopped the batch will stop the next attempt, and is told then */
}

outcome
receive_batch(shared_session *session, attempt *tried)
{
    received_batch *batch = tried->context;
    outcome result = OUTCOME_DONE;
    batch->count = 0;
    store_lock(session->ahead);
    if (store_is_empty(session->ahead)) {
        result = take_batch(session, batch, tried);
    }
    store_unlock(session->ahead);
    return result;
}

/* --- No packet -------------------------------------------------------------------------------- */

/* Sees to it that the store has a packet. */
static outcome
require_stored(shared_session *session, attempt *tried)
{
    const BYTE *packet;
    DWORD size;
    if (!store_is_empty(session->ahead)) {
        return OUTCOME_DONE;
    }
    outcome result = receive_from_ring(session, &packet, &size, tried);
    if (result == OUTCOME_DONE) {
        keep_for_next(session, packet, size);
    }
    return result;
}

outcome
receive_nothing(shared_session *session, attempt *tried)
{
    /* Nobody can look into the ring but by taking a packet out of it: so that goes to the store. */
    store_lock(session->ahead);
    outcome result = require_stored(session, tried);
    store_unlock(session->ahead);
    return result == OUTCOME_FAILED ? OUTCOME_DONE : result;
}

/* --- Giving back ------------------------------------------------------------------------------ */

void
release_one(shared_session *session, const received_packet *received)
{
    session->api->ReleaseReceivePacket(session->handle, received->in_ring);
    session_give_back(session, received->owned);
}

void
release_batch(shared_session *session, const received_batch *batch)
{
    release_all(session, batch->packets, batch->count);
    session_give_back(session, batch->owned);
}
