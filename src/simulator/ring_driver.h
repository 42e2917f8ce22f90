/* SPDX-License-Identifier: MIT
 *
 * The driver's side of the rings. What the client can write is checked before it is used. The lock
 * is the caller's to take, so that a burst takes it once.
 */
#ifndef SIMULATOR_RING_DRIVER_H
#define SIMULATOR_RING_DRIVER_H

#include "platform/platform.h"
#include "ring.h"

/* Of the ring that the client receives from. */
typedef struct ring_producer {
    platform_mutex lock;
    ring *shared;
    uint32_t capacity;
    uint32_t tail;      /* where the next packet goes */
    uint32_t head_seen; /* the ring's head when it was last looked at */
    bool unpublished;   /* the ring's tail is behind this one */
    bool unsignaled;    /* it has moved since the client was signaled */
    bool ended;
    platform_event arrived; /* the client's read-wait event */
} ring_producer;

/* Of the ring that the client sends to. */
typedef struct ring_consumer {
    platform_mutex lock;
    ring *shared;
    uint32_t capacity;
    uint32_t head;      /* the oldest packet that was not taken */
    uint32_t tail_seen; /* the ring's tail when it was last looked at */
    bool ended;
} ring_consumer;

/* Room for a packet of size bytes, that the next publish gives to the client; NULL if the ring is
 * full or has ended. */
BYTE *ring_produce(ring_producer *producer, uint32_t size);

/* Whether that many bytes of the ring are free. Takes the lock itself. */
bool ring_has_room(ring_producer *producer, uint32_t room);

/* Gives the client what was produced, and signals it once for all that it was given since the last
 * signal. */
void ring_publish(ring_producer *producer);
void ring_signal(ring_producer *producer);

/* The oldest packet, or NULL. A packet that cannot be ends the ring. */
const BYTE *ring_peek(ring_consumer *consumer, uint32_t *size);

/* Passes over the packet that ring_peek returned; the client gets its room with ring_give_room. */
void ring_pass(ring_consumer *consumer, uint32_t size);
void ring_give_room(ring_consumer *consumer);

/* Whether something was sent that is not taken yet. Takes the lock itself. */
bool ring_has_packets(ring_consumer *consumer);

/* The client's calls fail with ERROR_HANDLE_EOF from now on. */
void ring_end_producing(ring_producer *producer);
void ring_end_consuming(ring_consumer *consumer);

#endif
