/* SPDX-License-Identifier: MIT
 *
 * The far side of a session, as the driver serves it: packets are put into the ring that the client
 * receives from, and taken from the one that it sends to, in bursts. A burst holds the lock of its
 * ring; one that collects and delivers begins the collection first.
 */
#ifndef SIMULATOR_FAR_SIDE_H
#define SIMULATOR_FAR_SIDE_H

#include "control.h"
#include "counters.h"
#include "ring_driver.h"

/* Each ring's side has cache lines of its own. */
typedef struct far_side {
    counters *counters;
    atom_u32 flow; /* a SIMULATOR_FLOW */
    UCHAR apart1[64];
    ring_producer producer;
    UCHAR apart2[64];
    ring_consumer consumer;
    UCHAR apart3[64];
} far_side;

void far_side_init(far_side *self, ring *receive, ring *send, uint32_t capacity,
                   counters *counters);
void far_side_destroy(far_side *self);

/* The client's calls fail with ERROR_HANDLE_EOF from now on. */
void far_side_end(far_side *self);

/* Changes what is done with packets; returns when every burst that has begun is over. */
void far_side_set_flow(far_side *self, SIMULATOR_FLOW flow);

static inline SIMULATOR_FLOW
far_side_flow(far_side *self)
{
    return (SIMULATOR_FLOW)atom_u32_load(&self->flow);
}

/* Has the system keep the packet that it takes next, or give back the one that it keeps. */
void far_side_keep(far_side *self, bool keep);

/* What a driver without a thread does when something was sent: discards what is at the front and
 * not IP, and drops all while the adapter is paused. */
void far_side_look(far_side *self);

typedef struct delivery {
    far_side *side;
    uint64_t packets;
    uint64_t bytes;
    uint64_t full;
    uint64_t too_big;
    uint64_t paused;
} delivery;

void delivery_begin(delivery *burst, far_side *side);

/* Whether that many bytes of the ring are free: the sum of ring_room over a chain of packets. */
bool delivery_has_room(delivery *burst, uint64_t room);

/* Room for a packet of at most WINTUN_MAX_IP_PACKET_SIZE bytes; NULL if the ring is full or the
 * adapter paused, which is not counted. */
BYTE *delivery_reserve(delivery *burst, uint32_t size);

/* The same, but a packet that gets no room is counted as dropped. */
BYTE *delivery_make(delivery *burst, uint32_t size);

/* Copies a packet; whether it is one of IP the driver does not ask. False: dropped and counted. */
bool delivery_add(delivery *burst, const BYTE *packet, uint32_t size);

/* Counts a packet as dropped. */
void delivery_refuse(delivery *burst);

/* Gives the client what was added, in the middle of a burst. */
void delivery_publish(delivery *burst);

/* Gives the client what was added and signals it once for the burst. */
void delivery_end(delivery *burst);

typedef struct collection {
    far_side *side;
    uint64_t packets;
    uint64_t bytes;
    uint64_t not_ip;
    uint64_t paused;
} collection;

void collection_begin(collection *burst, far_side *side);

/* The oldest valid packet, still the client's; NULL if there is none. Discards the others; while
 * the system keeps a packet, the driver waits before it discards one. */
const BYTE *collection_peek(collection *burst, uint32_t *size);

/* Take the packet that collection_peek returned, for the wire, or to be dropped by a paused
 * adapter. */
void collection_take(collection *burst, uint32_t size);
void collection_drop(collection *burst, uint32_t size);

/* Gives the client the room of what was taken, and of what is discarded behind it. */
void collection_end(collection *burst);

#endif
