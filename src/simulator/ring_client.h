/* SPDX-License-Identifier: MIT
 *
 * The client's side of the rings: what wintun.dll does in the client's process. Thread-safe.
 */
#ifndef SIMULATOR_RING_CLIENT_H
#define SIMULATOR_RING_CLIENT_H

#include "platform/platform.h"
#include "ring.h"

/* Of the ring that the client receives from. */
typedef struct ring_receiver {
    platform_mutex lock;
    ring *shared;
    uint32_t capacity;
    uint32_t next;       /* where the next packet to receive is */
    uint32_t released;   /* the ring's head: everything before it was released */
    uint32_t unreleased; /* packets between released and next */
    uint32_t held;       /* of those, the ones that the client still has */
} ring_receiver;

/* Of the ring that the client sends to. */
typedef struct ring_sender {
    platform_mutex lock;
    ring *shared;
    uint32_t capacity;
    uint32_t next;       /* where the next packet will be allocated */
    uint32_t sent;       /* the ring's tail: everything before it was sent */
    uint32_t unsent;     /* packets between sent and next */
    uint32_t held;       /* of those, the ones that the client still has */
    platform_event bell; /* set for a driver that has set the ring's Alertable */
    ring_lapse *lapse;   /* where a wake-up is lost, or NULL: never */
} ring_sender;

/* Return NULL and a Win32 code if there is no packet, or no room for one. */
BYTE *ring_receive(ring_receiver *receiver, DWORD *size, DWORD *code);
BYTE *ring_allocate(ring_sender *sender, DWORD size, DWORD *code);

/* Take a packet back, in any order. */
void ring_release(ring_receiver *receiver, const BYTE *packet);
void ring_send(ring_sender *sender, const BYTE *packet);

#endif
