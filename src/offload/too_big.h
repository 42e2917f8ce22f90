/* SPDX-License-Identifier: MIT
 *
 * The answer that a router sends to a packet that is larger than the next link's MTU.
 */
#ifndef TOO_BIG_H
#define TOO_BIG_H

#include <stdint.h>

/* The largest answers: RFC 1812, section 4.3.2.3; RFC 4443, section 3.2. */
#define TOO_BIG_IPV4_SIZE 576u
#define TOO_BIG_IPV6_SIZE 1280u

/* Writes the answer to a packet: "fragmentation needed" of ICMP (RFC 792, RFC 1191), "packet too
 * big" of ICMPv6 (RFC 4443, section 3.2), which is one packet of at most the size above with as
 * much of the packet as it has room for. source: the answer's source address, of 4 or 16 bytes as
 * the packet's are, or NULL for the packet's destination. mtu: of the next link; IPv6 has none
 * under 1280.
 *
 * Returns the answer's bytes, or 0 where a router sends none: the packet is not larger than mtu, no
 * whole IP packet, or has a wrong IPv4 checksum; it may be fragmented (IPv4 without "don't
 * fragment"); its source is not one host; with IPv4 its destination is a group; it is itself an
 * error or redirect of ICMP, or a later fragment of anything (RFC 1122, section 3.2.2; RFC 4443,
 * section 2.4). */
uint32_t too_big_answer(const uint8_t *packet, uint32_t size, uint32_t mtu, const uint8_t *source,
                        uint8_t answer[TOO_BIG_IPV6_SIZE]);

#endif
