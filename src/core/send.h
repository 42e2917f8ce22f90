/* SPDX-License-Identifier: MIT
 *
 * Putting packets into the ring, and giving back the memory of packets. Knows nothing of Python.
 */
#ifndef CORE_SEND_H
#define CORE_SEND_H

#include "packet.h"
#include "wait.h"

/* --- Attempts for room ------------------------------------------------------------------------ */

/* What is written: packets[written] and those after it. */
typedef struct written_packets {
    const packet_source *packets;
    size_t count;
    size_t written; /* counts on */
} written_packets;

/* Copies packets into the ring and sends them, until it is full. context: written_packets. */
outcome send_copies(shared_session *session, attempt *tried);

/* Packets to fill and send, in the ring. */
typedef struct allocated_packets {
    const DWORD *sizes; /* of wanted packets; or NULL: all are of size */
    DWORD size;
    DWORD wanted; /* set by the caller, as all above */
    DWORD count;
    packet_memory *packets;
} allocated_packets;

/* Reserves room for packets, until the ring is full; each of them holds the session. What stops it
 * is told only if there are none. context: allocated_packets. */
outcome allocate_packets(shared_session *session, attempt *tried);

/* --- Giving back, without the GIL ------------------------------------------------------------- */

/* Gives packets' memory back: to the ring by releasing it, by sending it, or zero-filled if it was
 * not to be sent; or frees the copy. Once a packet; of those in the ring, each gives back a hold on
 * the session. */
void packet_give_back(shared_session *session, const packet_memory *packets, size_t count,
                      bool send);

#endif
