/* SPDX-License-Identifier: MIT
 *
 * All checksums of a packet at once.
 */
#ifndef PACKET_SUMS_H
#define PACKET_SUMS_H

#include <stdbool.h>
#include <stdint.h>

/* Whether all checksums that a whole IP packet has are right: that of an IPv4 header, and those of
 * TCP, UDP, ICMP and ICMPv6. Of a fragment, of other protocols, and of IPv6 with a route still to
 * go, only IP's own is known. False for what is no whole IP packet, or has no whole header of such
 * a transport. */
bool packet_sums_are_right(const uint8_t *packet, uint32_t size);

/* Writes these checksums; a UDP datagram over IPv4 that had none gets one, too. False, and nothing
 * is written, where packet_sums_are_right cannot be made true. */
bool packet_sums_write(uint8_t *packet, uint32_t size);

#endif
