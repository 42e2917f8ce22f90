/* SPDX-License-Identifier: MIT
 *
 * The far side of a session, in bursts.
 */
#include "far_side.h"

#include <string.h>

#include "packet.h"

static void
add_to_counter(atom_u64 *counter, uint64_t value)
{
    if (value != 0) {
        atom_u64_count(counter, value);
    }
}

void
far_side_init(far_side *self, ring *receive, ring *send, uint32_t capacity, counters *counters)
{
    platform_mutex_init(&self->producer.lock);
    platform_mutex_init(&self->consumer.lock);
    self->producer.shared = receive;
    self->consumer.shared = send;
    self->producer.capacity = self->consumer.capacity = capacity;
    self->counters = counters;
}

void
far_side_destroy(far_side *self)
{
    platform_mutex_destroy(&self->producer.lock);
    platform_mutex_destroy(&self->consumer.lock);
}

void
far_side_end(far_side *self)
{
    platform_mutex_lock(&self->producer.lock);
    ring_end_producing(&self->producer);
    platform_mutex_unlock(&self->producer.lock);
    platform_mutex_lock(&self->consumer.lock);
    ring_end_consuming(&self->consumer);
    platform_mutex_unlock(&self->consumer.lock);
}

void
far_side_set_flow(far_side *self, SIMULATOR_FLOW flow)
{
    atom_u32_store(&self->flow, (uint32_t)flow);
    platform_mutex_lock(&self->consumer.lock);
    platform_mutex_unlock(&self->consumer.lock);
    platform_mutex_lock(&self->producer.lock);
    platform_mutex_unlock(&self->producer.lock);
}

void
far_side_keep(far_side *self, bool keep)
{
    platform_mutex_lock(&self->consumer.lock);
    ring_keep(&self->consumer, keep);
    platform_mutex_unlock(&self->consumer.lock);
}

void
far_side_look(far_side *self)
{
    collection burst;
    uint32_t size;
    collection_begin(&burst, self);
    while (collection_peek(&burst, &size) != NULL &&
           far_side_flow(self) == SIMULATOR_FLOW_DROPPING) {
        collection_drop(&burst, size);
    }
    collection_end(&burst);
}

/* --- Delivery -------------------------------------------------------------------------------- */

void
delivery_begin(delivery *burst, far_side *side)
{
    memset(burst, 0, sizeof(*burst));
    burst->side = side;
    platform_mutex_lock(&side->producer.lock);
}

static bool
is_dropping(delivery *burst)
{
    return far_side_flow(burst->side) == SIMULATOR_FLOW_DROPPING;
}

bool
delivery_has_room(delivery *burst, uint64_t room)
{
    return !is_dropping(burst) && ring_fits(&burst->side->producer, room);
}

BYTE *
delivery_reserve(delivery *burst, uint32_t size)
{
    if (is_dropping(burst)) {
        return NULL;
    }
    BYTE *room = ring_produce(&burst->side->producer, size);
    if (room != NULL) {
        burst->packets++;
        burst->bytes += size;
    }
    return room;
}

void
delivery_refuse(delivery *burst)
{
    if (is_dropping(burst)) {
        burst->paused++;
    } else {
        burst->full++;
    }
}

BYTE *
delivery_make(delivery *burst, uint32_t size)
{
    BYTE *room = delivery_reserve(burst, size);
    if (room == NULL) {
        delivery_refuse(burst);
    }
    return room;
}

bool
delivery_add(delivery *burst, const BYTE *packet, uint32_t size)
{
    if (size > WINTUN_MAX_IP_PACKET_SIZE) {
        burst->too_big++;
        return false;
    }
    BYTE *room = delivery_make(burst, size);
    if (room != NULL && size > 0) {
        memcpy(room, packet, size);
    }
    return room != NULL;
}

void
delivery_publish(delivery *burst)
{
    far_side *side = burst->side;
    counters *counted = side->counters;
    /* Counted first: who has received a packet finds it in the statistics. */
    add_to_counter(&counted->delivered_packets, burst->packets);
    add_to_counter(&counted->delivered_bytes, burst->bytes);
    add_to_counter(&counted->dropped_full, burst->full);
    add_to_counter(&counted->dropped_too_big, burst->too_big);
    add_to_counter(&counted->dropped_paused, burst->paused);
    burst->packets = burst->bytes = burst->full = burst->too_big = burst->paused = 0;
    ring_publish(&side->producer);
}

void
delivery_end(delivery *burst)
{
    far_side *side = burst->side;
    delivery_publish(burst);
    ring_signal(&side->producer);
    platform_mutex_unlock(&side->producer.lock);
}

/* --- Collection ------------------------------------------------------------------------------ */

void
collection_begin(collection *burst, far_side *side)
{
    memset(burst, 0, sizeof(*burst));
    burst->side = side;
    platform_mutex_lock(&side->consumer.lock);
}

const BYTE *
collection_peek(collection *burst, uint32_t *size)
{
    ring_consumer *consumer = &burst->side->consumer;
    const BYTE *packet;
    while ((packet = ring_peek(consumer, size)) != NULL && !packet_is_ip(packet, *size)) {
        if (ring_is_kept(consumer)) {
            return NULL;
        }
        ring_pass(consumer, *size);
        burst->not_ip++;
    }
    return packet;
}

void
collection_drop(collection *burst, uint32_t size)
{
    ring_pass(&burst->side->consumer, size);
    burst->paused++;
}

void
collection_take(collection *burst, uint32_t size)
{
    ring_pass_on(&burst->side->consumer, size);
    burst->packets++;
    burst->bytes += size;
}

void
collection_end(collection *burst)
{
    far_side *side = burst->side;
    if (burst->packets > 0) {
        /* What is not IP behind the last packet goes with it: nobody else may come to discard it.
         */
        uint32_t size;
        (void)collection_peek(burst, &size);
    }
    counters *counted = side->counters;
    add_to_counter(&counted->collected_packets, burst->packets);
    add_to_counter(&counted->collected_bytes, burst->bytes);
    add_to_counter(&counted->discarded_not_ip, burst->not_ip);
    add_to_counter(&counted->discarded_paused, burst->paused);
    ring_give_room(&side->consumer);
    platform_mutex_unlock(&side->consumer.lock);
}
