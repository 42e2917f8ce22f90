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

/* Whether the system's stack keeps a packet, so that its room and all behind it stays taken. */
typedef enum ring_keeping { RING_KEEPS_NONE, RING_KEEPS_NEXT, RING_KEEPS_ONE } ring_keeping;

/* Of the ring that the client sends to. */
typedef struct ring_consumer {
    platform_mutex lock;
    ring *shared;
    uint32_t capacity;
    uint32_t head;      /* the oldest packet that was not taken */
    uint32_t tail_seen; /* the ring's tail when it was last looked at */
    bool ended;
    ring_keeping keeping;
    uint32_t kept;     /* the packet that is kept */
    ring_lapse *lapse; /* where a wake-up is lost, or NULL: never */
} ring_consumer;

/* Room for a packet of size bytes, that the next publish gives to the client; NULL if the ring is
 * full or has ended. */
BYTE *ring_produce(ring_producer *producer, uint32_t size);

/* Whether that many bytes of the ring are free. The second takes the lock itself. */
bool ring_fits(ring_producer *producer, uint64_t room);
bool ring_has_room(ring_producer *producer, uint32_t room);

/* Gives the client what was produced, and signals it once for all that it was given since the last
 * signal. */
void ring_publish(ring_producer *producer);
void ring_signal(ring_producer *producer);

/* The oldest packet, or NULL. A packet that cannot be ends the ring. */
const BYTE *ring_peek(ring_consumer *consumer, uint32_t *size);

/* Pass over the packet that ring_peek returned, the second on to the stack, which may keep it. The
 * client gets the room with ring_give_room, up to the packet that is kept. */
void ring_pass(ring_consumer *consumer, uint32_t size);
void ring_pass_on(ring_consumer *consumer, uint32_t size);

/* The stack keeps the packet that it gets next, or gives back the one that it keeps. */
void ring_keep(ring_consumer *consumer, bool keep);

static inline bool
ring_is_kept(const ring_consumer *consumer)
{
    return consumer->keeping == RING_KEEPS_ONE;
}

void ring_give_room(ring_consumer *consumer);

/* Whether something was sent that is not taken yet. Takes the lock itself. */
bool ring_has_packets(ring_consumer *consumer);

/* The client's calls fail with ERROR_HANDLE_EOF from now on. */
void ring_end_producing(ring_producer *producer);
void ring_end_consuming(ring_consumer *consumer);

#endif
