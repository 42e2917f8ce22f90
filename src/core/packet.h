/* SPDX-License-Identifier: MIT
 *
 * What the driver takes for an IP packet. It discards all else that a program sends.
 */
#ifndef PACKET_H
#define PACKET_H

#include "win32_types.h"

#include <stdbool.h>

/* IPv4 of at least 20 bytes or IPv6 of at least 40, as the driver of Wintun 0.14.1 has it
 * (TunProcessPackets): it looks at the version and the size alone. */
static inline bool
is_ip_packet(const void *packet, DWORD size)
{
    const BYTE *bytes = packet;
    return size >= 20 && ((bytes[0] >> 4 == 4) || (bytes[0] >> 4 == 6 && size >= 40));
}

#endif
