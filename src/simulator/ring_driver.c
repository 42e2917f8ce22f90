/* SPDX-License-Identifier: MIT
 *
 * The driver's side of the rings.
 */
#include "ring_driver.h"

static bool
has_space(const ring_producer *producer, uint32_t room)
{
    return room <=
           ring_wrap(producer->capacity, producer->head_seen - producer->tail - RING_ALIGNMENT);
}

/* The same by the ring's present head; none if that cannot be followed. */
static bool
has_space_now(ring_producer *producer, uint32_t room)
{
    uint32_t head = atom_u32_load(&producer->shared->head);
    if (!ring_offset_valid(producer->capacity, head)) {
        return false;
    }
    producer->head_seen = head;
    return has_space(producer, room);
}

BYTE *
ring_produce(ring_producer *producer, uint32_t size)
{
    uint32_t room = ring_room(size);
    if (producer->ended) {
        return NULL;
    }
    if (!has_space(producer, room) && !has_space_now(producer, room)) {
        return NULL;
    }
    *ring_size_at(producer->shared, producer->tail) = size;
    BYTE *packet = &producer->shared->data[producer->tail + sizeof(uint32_t)];
    producer->tail = ring_wrap(producer->capacity, producer->tail + room);
    producer->unpublished = true;
    return packet;
}

void
ring_publish(ring_producer *producer)
{
    if (producer->unpublished && !producer->ended) {
        producer->unpublished = false;
        producer->unsignaled = true;
        atom_u32_store(&producer->shared->tail, producer->tail);
    }
}

void
ring_signal(ring_producer *producer)
{
    if (producer->unsignaled) {
        producer->unsignaled = false;
        platform_event_set(&producer->arrived);
    }
}

bool
ring_fits(ring_producer *producer, uint64_t room)
{
    return !producer->ended && room < producer->capacity && has_space_now(producer, (uint32_t)room);
}

bool
ring_has_room(ring_producer *producer, uint32_t room)
{
    platform_mutex_lock(&producer->lock);
    bool has = has_space_now(producer, room);
    platform_mutex_unlock(&producer->lock);
    return has;
}

const BYTE *
ring_peek(ring_consumer *consumer, uint32_t *size)
{
    if (consumer->ended) {
        return NULL;
    }
    if (consumer->head == consumer->tail_seen) {
        uint32_t tail = atom_u32_load(&consumer->shared->tail);
        if (consumer->lapse != NULL) {
            tail = ring_lapse_tail(consumer->lapse, tail);
        }
        if (!ring_offset_valid(consumer->capacity, tail)) {
            ring_end_consuming(consumer);
            return NULL;
        }
        consumer->tail_seen = tail;
        if (consumer->head == tail) {
            return NULL;
        }
    }
    uint32_t content = ring_wrap(consumer->capacity, consumer->tail_seen - consumer->head);
    *size = *ring_size_at(consumer->shared, consumer->head);
    if (*size > WINTUN_MAX_IP_PACKET_SIZE || ring_room(*size) > content) {
        ring_end_consuming(consumer);
        return NULL;
    }
    return &consumer->shared->data[consumer->head + sizeof(uint32_t)];
}

void
ring_pass(ring_consumer *consumer, uint32_t size)
{
    consumer->head = ring_wrap(consumer->capacity, consumer->head + ring_room(size));
}

void
ring_pass_on(ring_consumer *consumer, uint32_t size)
{
    if (consumer->keeping == RING_KEEPS_NEXT) {
        consumer->keeping = RING_KEEPS_ONE;
        consumer->kept = consumer->head;
    }
    ring_pass(consumer, size);
}

void
ring_give_room(ring_consumer *consumer)
{
    if (!consumer->ended) {
        uint32_t head = ring_is_kept(consumer) ? consumer->kept : consumer->head;
        atom_u32_store(&consumer->shared->head, head);
    }
}

void
ring_keep(ring_consumer *consumer, bool keep)
{
    if (!keep) {
        consumer->keeping = RING_KEEPS_NONE;
        ring_give_room(consumer);
    } else if (!ring_is_kept(consumer)) {
        consumer->keeping = RING_KEEPS_NEXT;
    }
}

bool
ring_has_packets(ring_consumer *consumer)
{
    platform_mutex_lock(&consumer->lock);
    uint32_t size;
    bool has = ring_peek(consumer, &size) != NULL;
    platform_mutex_unlock(&consumer->lock);
    return has;
}

void
ring_end_producing(ring_producer *producer)
{
    producer->ended = true;
    atom_u32_store(&producer->shared->tail, RING_ENDED);
    platform_event_set(&producer->arrived);
}

void
ring_end_consuming(ring_consumer *consumer)
{
    consumer->ended = true;
    atom_u32_store(&consumer->shared->head, RING_ENDED);
}
