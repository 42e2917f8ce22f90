/* SPDX-License-Identifier: MIT
 *
 * A packet's memory: where it is, and what has to be done with it.
 */
#ifndef CORE_PACKET_H
#define CORE_PACKET_H

#include "win32_types.h"

#include <stdbool.h>

typedef enum packet_kind {
    PACKET_RECEIVED, /* in the ring, to be released */
    PACKET_TO_SEND,  /* in the ring, to be sent */
    PACKET_COPY      /* received, in memory of its own */
} packet_kind;

/* A packet that the program may look into and change. */
typedef struct packet_memory {
    BYTE *memory;
    DWORD size;
    packet_kind kind;
} packet_memory;

/* A packet to write, in memory of the program. */
typedef struct packet_source {
    const void *data;
    DWORD size;
} packet_source;

/* What the driver takes for an IP packet: IPv4 of at least 20 bytes or IPv6 of at least 40; it
 * looks at the version and the size alone, and discards all else that a program sends (Wintun
 * 0.14.1). */
static inline bool
is_ip_packet(const void *packet, DWORD size)
{
    const BYTE *bytes = packet;
    return size >= 20 && ((bytes[0] >> 4 == 4) || (bytes[0] >> 4 == 6 && size >= 40));
}

#endif
