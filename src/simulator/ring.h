/* SPDX-License-Identifier: MIT
 *
 * The layout of a ring, the memory that a client and the driver share.
 *
 * A ring is Head, Tail, Alertable and the packets. A packet is its Size and its bytes, and takes a
 * multiple of four. Beyond the capacity there is room for one packet of the largest size, so that
 * none ever wraps. Offsets count from the first packet and are wrapped at the capacity. The head
 * and the tail of a ring that has ended are beyond its capacity.
 */
#ifndef SIMULATOR_RING_H
#define SIMULATOR_RING_H

#include <assert.h>
#include <stddef.h>

#include "platform/atomics.h"
#include "platform/platform.h"
#include "wintun.h"

#define RING_ALIGNMENT 4u
#define RING_ENDED 0xFFFFFFFFu

/* Set in the Size of a packet that its present owner has not given on yet (sending), or that the
 * client has released (receiving). */
#define RING_MARK 0x80000000u

/* A wake-up that is lost, as between the client and the driver of version 0.14.1 now and then: the
 * driver sees what is sent next only when something else is sent after it. */
typedef struct ring_lapse {
    atom_u32 state; /* a ring_lapse_state */
    atom_u32 tail;  /* the tail that the driver goes on seeing */
} ring_lapse;

typedef enum ring_lapse_state { RING_LAPSE_NONE, RING_LAPSE_NEXT, RING_LAPSE_NOW } ring_lapse_state;

/* The tail that the driver sees; tail: that of the ring, read before. */
static inline uint32_t
ring_lapse_tail(ring_lapse *lapse, uint32_t tail)
{
    return atom_u32_load(&lapse->state) == RING_LAPSE_NOW ? atom_u32_load(&lapse->tail) : tail;
}

typedef struct ring {
    atom_u32 head;
    atom_u32 tail;
    atom_u32 alertable;
    UCHAR data[];
} ring;

static_assert(offsetof(ring, tail) == 4, "a ring's layout is part of the API");
static_assert(offsetof(ring, alertable) == 8, "a ring's layout is part of the API");
static_assert(offsetof(ring, data) == 12, "a ring's layout is part of the API");

/* Bytes that a packet takes in a ring. */
static inline uint32_t
ring_room(uint32_t packet_size)
{
    return (packet_size + (uint32_t)sizeof(uint32_t) + RING_ALIGNMENT - 1) & ~(RING_ALIGNMENT - 1);
}

static inline uint32_t
ring_wrap(uint32_t capacity, uint32_t offset)
{
    return offset & (capacity - 1);
}

/* Whether a head or tail that the other side wrote is one that can be followed. */
static inline bool
ring_offset_valid(uint32_t capacity, uint32_t offset)
{
    return offset < capacity && offset % RING_ALIGNMENT == 0;
}

/* The Size of the packet at an offset. Volatile: what the other side can write is read once. */
static inline volatile uint32_t *
ring_size_at(ring *shared, uint32_t offset)
{
    return (volatile uint32_t *)(void *)&shared->data[offset];
}

/* The Size in front of a packet's bytes. */
static inline volatile uint32_t *
ring_size_of(ring *shared, const BYTE *packet)
{
    return ring_size_at(shared, (uint32_t)(packet - shared->data) - (uint32_t)sizeof(uint32_t));
}

/* Bytes of a whole ring. */
static inline size_t
ring_size(uint32_t capacity)
{
    return offsetof(ring, data) + (size_t)capacity + ring_room(WINTUN_MAX_IP_PACKET_SIZE) -
           RING_ALIGNMENT;
}

/* A ring between memory that nobody can touch: a client that writes beyond it is stopped there and
 * then. NULL if there is no memory. */
static inline ring *
ring_create(uint32_t capacity)
{
    return platform_guarded_alloc(ring_size(capacity));
}

static inline void
ring_destroy(ring *shared, uint32_t capacity)
{
    platform_guarded_free(shared, ring_size(capacity));
}

#endif
