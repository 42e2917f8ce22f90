/* SPDX-License-Identifier: MIT
 *
 * Taking packets out of the ring.
 */
#include "receive.h"

#include <stdlib.h>
#include <string.h>

/* Enough that the GIL's cost is shared by many, and less than the smallest ring: packets in the
 * store are lost when the session ends, as are those in the ring. */
#define AHEAD_PACKETS 64
#define AHEAD_BYTES 65536

typedef struct ahead_entry {
    DWORD size;
    DWORD offset;
    const BYTE *in_ring; /* held; NULL: the packet is in copies, at offset */
} ahead_entry;

struct read_ahead {
    platform_mutex lock;
    bool ring_corrupt; /* under the lock: the library gave what cannot be a packet */
    atom_u32 count;    /* changed under the lock, peeked at without, */
    atom_u32 in_ring;  /* as is this: entries that are in the ring; only the last may be */
    unsigned first;
    DWORD used;
    ahead_entry entries[AHEAD_PACKETS];
    BYTE copies[AHEAD_BYTES];
};

read_ahead *
read_ahead_new(void)
{
    read_ahead *ahead = calloc(1, sizeof(*ahead));
    if (ahead != NULL) {
        platform_mutex_init(&ahead->lock);
    }
    return ahead;
}

void
read_ahead_free(read_ahead *ahead)
{
    platform_mutex_destroy(&ahead->lock);
    free(ahead);
}

uint32_t
read_ahead_in_ring(read_ahead *ahead)
{
    return atom_u32_load(&ahead->in_ring);
}

/* --- The ring (under the lock) ---------------------------------------------------------------- */

/* What the library says is not believed beyond the API's promise: a packet of more than the largest
 * size is memory that nobody may touch, and what follows it is no better. */
static outcome
receive_from_ring(shared_session *session, const BYTE **packet, DWORD *size, DWORD *code)
{
    read_ahead *ahead = session->ahead;
    *code = ERROR_INVALID_DATA;
    if (!ahead->ring_corrupt) {
        *packet = session->api->ReceivePacket(session->handle, size);
        if (*packet == NULL) {
            *code = session->last_error();
        } else if (*size <= WINTUN_MAX_IP_PACKET_SIZE) {
            return OUTCOME_DONE;
        } else {
            ahead->ring_corrupt = true;
            session->api->ReleaseReceivePacket(session->handle, *packet);
        }
    }
    if (*code == ERROR_NO_MORE_ITEMS) {
        return OUTCOME_NOT_YET;
    }
    /* The driver signals the end of the adapter once, which wakes one thread: each wakes the next.
     */
    session_pass_baton(session, 0);
    return OUTCOME_FAILED;
}

/* From the last to the first: the ring's head then moves once, over all of them. Moved for each
 * packet, it would be handed to and fro between this processor and the driver's. */
static void
release_all(shared_session *session, const BYTE *const *packets, DWORD count)
{
    while (count > 0) {
        session->api->ReleaseReceivePacket(session->handle, packets[--count]);
    }
}

static void
count_received(shared_session *session, uint64_t packets, uint64_t bytes)
{
    atom_u64_count(&session->statistics.packets_received, packets);
    atom_u64_count(&session->statistics.bytes_received, bytes);
}

/* --- The store (under the lock) --------------------------------------------------------------- */

/* Fills the empty store from the ring. What ends it ends the next attempt, too, and is told then.
 */
static void
fill(shared_session *session)
{
    read_ahead *ahead = session->ahead;
    DWORD code;
    uint32_t count = 0;
    uint64_t bytes = 0;
    ahead->first = 0;
    ahead->used = 0;
    while (count < AHEAD_PACKETS && ahead->used <= AHEAD_BYTES - SMALL_PACKET) {
        ahead_entry *entry = &ahead->entries[count];
        const BYTE *packet;
        if (receive_from_ring(session, &packet, &entry->size, &code) != OUTCOME_DONE) {
            break;
        }
        count++;
        bytes += entry->size;
        entry->in_ring = NULL;
        entry->offset = ahead->used;
        if (entry->size > SMALL_PACKET) {
            gate_hold(&session->gate, 1);
            entry->in_ring = packet;
            atom_u32_note(&ahead->in_ring, 1);
            break;
        }
        memcpy(&ahead->copies[ahead->used], packet, entry->size);
        ahead->used += entry->size;
        session->api->ReleaseReceivePacket(session->handle, packet);
    }
    atom_u32_note(&ahead->count, count);
    count_received(session, count, bytes);
}

static void
drop_front(shared_session *session)
{
    read_ahead *ahead = session->ahead;
    if (ahead->entries[ahead->first].in_ring != NULL) {
        atom_u32_note(&ahead->in_ring, 0);
    }
    ahead->first++;
    atom_u32_note(&ahead->count, atom_u32_load(&ahead->count) - 1);
}

static void
take_front(shared_session *session, received_packet *received)
{
    const read_ahead *ahead = session->ahead;
    const ahead_entry *entry = &ahead->entries[ahead->first];
    received->size = entry->size;
    received->in_ring = entry->in_ring;
    if (entry->in_ring == NULL) {
        memcpy(received->copy, &ahead->copies[entry->offset], entry->size);
    }
    drop_front(session);
}

static bool
store_is_empty(shared_session *session)
{
    return atom_u32_load(&session->ahead->count) == 0;
}

void
read_ahead_discard(shared_session *session)
{
    received_packet dropped;
    platform_mutex_lock(&session->ahead->lock);
    while (!store_is_empty(session)) {
        take_front(session, &dropped);
        atom_u64_count(&session->statistics.packets_unread, 1);
        if (dropped.in_ring != NULL) {
            session->api->ReleaseReceivePacket(session->handle, dropped.in_ring);
            session_unhold(session, 1);
        }
    }
    platform_mutex_unlock(&session->ahead->lock);
}

bool
read_ahead_front(shared_session *session, const BYTE **packet, DWORD *size)
{
    read_ahead *ahead = session->ahead;
    if (store_is_empty(session) || !platform_mutex_try_lock(&ahead->lock)) {
        return false;
    }
    const ahead_entry *entry = &ahead->entries[ahead->first];
    if (store_is_empty(session) || entry->in_ring != NULL || gate_is_closed(&session->gate)) {
        platform_mutex_unlock(&ahead->lock);
        return false;
    }
    *packet = &ahead->copies[entry->offset];
    *size = entry->size;
    return true;
}

void
read_ahead_pop(shared_session *session)
{
    drop_front(session);
    platform_mutex_unlock(&session->ahead->lock);
}

/* --- Attempts --------------------------------------------------------------------------------- */

/* A packet that stays in the ring until it is given back. */
static void
hold(shared_session *session, received_packet *received, const BYTE *packet)
{
    gate_hold(&session->gate, 1);
    received->in_ring = packet;
}

outcome
receive_in_place(shared_session *session, void *context, DWORD *code)
{
    received_packet *received = context;
    const BYTE *packet;
    outcome result = OUTCOME_DONE;
    platform_mutex_lock(&session->ahead->lock);
    if (!store_is_empty(session)) {
        take_front(session, received);
    } else {
        result = receive_from_ring(session, &packet, &received->size, code);
        if (result == OUTCOME_DONE) {
            hold(session, received, packet);
            count_received(session, 1, received->size);
        }
    }
    platform_mutex_unlock(&session->ahead->lock);
    return result;
}

/* The next packet from the ring, and the store filled with what comes after it. */
static outcome
take_and_fill(shared_session *session, received_packet *received, DWORD *code)
{
    const BYTE *packet;
    outcome result = receive_from_ring(session, &packet, &received->size, code);
    if (result != OUTCOME_DONE) {
        return result;
    }
    count_received(session, 1, received->size);
    if (received->size > SMALL_PACKET) {
        hold(session, received, packet);
        return OUTCOME_DONE;
    }
    received->in_ring = NULL;
    memcpy(received->copy, packet, received->size);
    session->api->ReleaseReceivePacket(session->handle, packet);
    fill(session);
    return OUTCOME_DONE;
}

/* The call stays inside as long as the packet is in the ring, so that who ends the session waits.
 */
static void
stay_with(shared_session *session, const received_packet *received)
{
    if (received->in_ring != NULL) {
        gate_stay(&session->gate);
    }
}

outcome
receive_one(shared_session *session, void *context, DWORD *code)
{
    outcome result = OUTCOME_DONE;
    platform_mutex_lock(&session->ahead->lock);
    if (store_is_empty(session)) {
        result = take_and_fill(session, context, code);
    } else {
        take_front(session, context);
    }
    platform_mutex_unlock(&session->ahead->lock);
    if (result == OUTCOME_DONE) {
        stay_with(session, context);
    }
    return result;
}

static outcome
take_batch(shared_session *session, received_batch *batch, DWORD *code)
{
    uint64_t bytes = 0;
    outcome result = OUTCOME_DONE;
    while (batch->count < batch->limit) {
        result = receive_from_ring(session, &batch->packets[batch->count],
                                   &batch->sizes[batch->count], code);
        if (result != OUTCOME_DONE) {
            break;
        }
        bytes += batch->sizes[batch->count];
        batch->count++;
    }
    if (batch->count == 0) {
        return result;
    }
    gate_hold(&session->gate, batch->count);
    gate_stay(&session->gate);
    count_received(session, batch->count, bytes);
    return OUTCOME_DONE; /* what stopped the batch will stop the next attempt, and is told then */
}

outcome
receive_batch(shared_session *session, void *context, DWORD *code)
{
    received_batch *batch = context;
    outcome result = OUTCOME_DONE;
    batch->count = 0;
    platform_mutex_lock(&session->ahead->lock);
    if (store_is_empty(session)) {
        result = take_batch(session, batch, code);
    }
    platform_mutex_unlock(&session->ahead->lock);
    return result;
}

outcome
receive_stored(shared_session *session, void *context, DWORD *code)
{
    outcome result = OUTCOME_NOT_YET;
    (void)code;
    platform_mutex_lock(&session->ahead->lock);
    if (!store_is_empty(session)) {
        take_front(session, context);
        result = OUTCOME_DONE;
    }
    platform_mutex_unlock(&session->ahead->lock);
    if (result == OUTCOME_DONE) {
        stay_with(session, context);
    }
    return result;
}

/* Puts a packet that was just taken out of the ring into the empty store, still in the ring. */
static void
store_in_place(shared_session *session, const BYTE *packet, DWORD size)
{
    read_ahead *ahead = session->ahead;
    gate_hold(&session->gate, 1);
    ahead->first = 0;
    ahead->entries[0].size = size;
    ahead->entries[0].in_ring = packet;
    atom_u32_note(&ahead->in_ring, 1);
    atom_u32_note(&ahead->count, 1);
    count_received(session, 1, size);
}

/* Sees to it that the store has a packet. */
static outcome
require_stored(shared_session *session, DWORD *code)
{
    const BYTE *packet;
    DWORD size;
    if (!store_is_empty(session)) {
        return OUTCOME_DONE;
    }
    outcome result = receive_from_ring(session, &packet, &size, code);
    if (result == OUTCOME_DONE) {
        store_in_place(session, packet, size);
    }
    return result;
}

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
    const ahead_entry *entry = &session->ahead->entries[session->ahead->first];
    if (entry->in_ring != NULL) {
        session->api->ReleaseReceivePacket(session->handle, entry->in_ring);
        session_unhold(session, 1); /* never the last: the call is inside */
    }
    drop_front(session);
}

/* The next packet to copy: the front of the store, where it stays, or the next of the ring. */
static outcome
next_to_pack(shared_session *session, bool stored, const BYTE **packet, DWORD *size, DWORD *code)
{
    if (!stored) {
        return receive_from_ring(session, packet, size, code);
    }
    const read_ahead *ahead = session->ahead;
    const ahead_entry *entry = &ahead->entries[ahead->first];
    *packet = entry->in_ring != NULL ? entry->in_ring : &ahead->copies[entry->offset];
    *size = entry->size;
    return OUTCOME_DONE;
}

static outcome
pack(shared_session *session, packed_packets *packed, copied_packets *copied, DWORD *code)
{
    size_t used = 0;
    while (packed->count < packed->limit) {
        const BYTE *packet;
        DWORD size;
        bool stored = !store_is_empty(session);
        outcome result = next_to_pack(session, stored, &packet, &size, code);
        if (result != OUTCOME_DONE) {
            return packed->count > 0 ? OUTCOME_DONE : result;
        }
        size_t start = used + packed->headroom;
        if (start + size + packed->tailroom > packed->capacity) {
            packed->no_room = packed->count == 0;
            packed->too_large = size;
            if (!stored) {
                store_in_place(session, packet, size);
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
receive_packed(shared_session *session, void *context, DWORD *code)
{
    packed_packets *packed = context;
    copied_packets copied;
    packed->count = 0;
    packed->no_room = false;
    copied.count = 0;
    copied.bytes = 0;
    platform_mutex_lock(&session->ahead->lock);
    outcome result = pack(session, packed, &copied, code);
    give_back_copied(session, &copied);
    platform_mutex_unlock(&session->ahead->lock);
    return result;
}

outcome
receive_nothing(shared_session *session, void *context, DWORD *code)
{
    (void)context;
    /* Nobody can look into the ring but by taking a packet out of it: so that goes to the store. */
    platform_mutex_lock(&session->ahead->lock);
    outcome result = require_stored(session, code);
    platform_mutex_unlock(&session->ahead->lock);
    return result == OUTCOME_FAILED ? OUTCOME_DONE : result;
}

/* --- Giving back ------------------------------------------------------------------------------ */

void
release_one(shared_session *session, const BYTE *packet)
{
    session->api->ReleaseReceivePacket(session->handle, packet);
    session_unhold(session, 1);
    session_leave(session);
}

void
release_batch(shared_session *session, const received_batch *batch)
{
    release_all(session, batch->packets, batch->count);
    session_unhold(session, batch->count);
    session_leave(session);
}
