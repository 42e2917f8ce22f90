/* SPDX-License-Identifier: MIT
 *
 * Packets that were taken out of the ring, in the forms that the ways of receiving give them.
 */
#ifndef CORE_RECEIVED_H
#define CORE_RECEIVED_H

#include "packet.h"
#include "store.h"

/* Packets that a batch takes out of the ring at one release of the GIL. */
#define BATCH 128

/* One packet for the program. */
typedef struct received_packet {
    DWORD size;
    const BYTE *in_ring; /* NULL: the packet is in copy */
    uint64_t owned;      /* what goes back to the session with a packet that is in the ring */
    BYTE copy[SMALL_PACKET];
} received_packet;

/* Packets in the ring. */
typedef struct received_batch {
    DWORD limit; /* at most BATCH; set by the caller */
    DWORD count;
    uint64_t owned; /* what goes back to the session with all of them */
    const BYTE *packets[BATCH];
    DWORD sizes[BATCH];
} received_batch;

/* Packets copied into a buffer of the program, one behind the other. */
typedef struct packed_packets {
    BYTE *buffer;
    size_t capacity;
    uint32_t *spans; /* of limit packets: where each starts and ends in buffer */
    DWORD limit;     /* at least 1; set by the caller, as all above and below */
    DWORD headroom;  /* bytes left free in front of each packet, and behind */
    DWORD tailroom;
    DWORD count;     /* how many were copied */
    bool no_room;    /* not even for the first packet, */
    DWORD too_large; /* whose size this is */
} packed_packets;

/* Packets for the program to keep. Those that were in the store are copies that malloc made. */
typedef struct kept_packets {
    DWORD limit; /* set by the caller */
    DWORD count;
    packet_memory *packets;
} kept_packets;

#endif
