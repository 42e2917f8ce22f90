/* SPDX-License-Identifier: MIT
 *
 * The far side of a session, as the driver serves it: packets are put into the ring that the client
 * receives from, and taken from the one that it sends to, in bursts. A burst holds the lock of its
 * ring; one that collects and delivers begins the collection first.
 */
#ifndef SIMULATOR_FAR_SIDE_H
#define SIMULATOR_FAR_SIDE_H

#include "session.h"

typedef struct delivery {
    struct WINTUN_SESSION *session;
    uint64_t packets;
    uint64_t bytes;
    uint64_t full;
    uint64_t not_ip;
} delivery;

void delivery_begin(delivery *burst, struct WINTUN_SESSION *session);

/* Room for a packet, which must be a valid one; NULL if the ring is full, which is not counted. */
BYTE *delivery_reserve(delivery *burst, uint32_t size);

/* Copies a packet. ERROR_BUFFER_OVERFLOW or ERROR_INVALID_DATA: dropped and counted. */
DWORD delivery_add(delivery *burst, const BYTE *packet, uint32_t size);

/* Gives the client what was added, in the middle of a burst. */
void delivery_publish(delivery *burst);

/* Gives the client what was added and signals it once for the burst. */
void delivery_end(delivery *burst);

typedef struct collection {
    struct WINTUN_SESSION *session;
    uint64_t packets;
    uint64_t bytes;
    uint64_t discarded;
} collection;

void collection_begin(collection *burst, struct WINTUN_SESSION *session);

/* The oldest valid packet, still the client's; NULL if there is none. Discards the others. */
const BYTE *collection_peek(collection *burst, uint32_t *size);

/* Takes the packet that collection_peek returned. */
void collection_take(collection *burst, uint32_t size);

/* Gives the client the room of what was taken. */
void collection_end(collection *burst);

#endif
