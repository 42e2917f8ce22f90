/* SPDX-License-Identifier: MIT
 *
 * IP packets: what the driver takes for one, and what the built-in host needs to read and make
 * them.
 */
#ifndef SIMULATOR_PACKET_H
#define SIMULATOR_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "ip_helper.h"

#define IPV4_HEADER_SIZE 20u
#define IPV6_HEADER_SIZE 40u
#define ICMP_HEADER_SIZE 8u

/* The hop limit that Windows' stack begins with. */
#define HOP_LIMIT 128

/* IP protocol numbers, and types of ICMP messages. */
enum { PROTOCOL_ICMP = 1, PROTOCOL_IGMP = 2, PROTOCOL_UDP = 17, PROTOCOL_ICMPV6 = 58 };
enum { ECHO_REPLY = 0, ECHO_REQUEST = 8, ECHO_REQUEST_V6 = 128, ECHO_REPLY_V6 = 129 };

static inline uint16_t
packet_get16(const BYTE *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline void
packet_put16(BYTE *bytes, uint32_t value)
{
    bytes[0] = (BYTE)(value >> 8 & 0xFF);
    bytes[1] = (BYTE)(value & 0xFF);
}

/* Whether the driver lets it pass: IPv4 of at least 20 bytes or IPv6 of at least 40. */
bool packet_is_ip(const BYTE *packet, uint32_t size);

/* The Internet checksum: sum the parts (each but the last of even size), then finish. Over data
 * with its own right checksum inside it finishes as 0. */
uint32_t packet_sum(uint32_t sum, const BYTE *bytes, uint32_t size);
uint16_t packet_finish_sum(uint32_t sum);

/* Begins the sum of ICMPv6 (or another protocol over IPv6) with the pseudo header. */
uint32_t packet_pseudo_sum(const BYTE *source, const BYTE *destination, uint32_t size,
                           BYTE protocol);

/* Puts the checksum into an ICMPv6 message. */
void packet_put_icmpv6_checksum(const BYTE *source, const BYTE *destination, BYTE *body,
                                uint32_t size);

/* A whole packet, its headers read. */
typedef struct packet_view {
    ADDRESS_FAMILY family;
    BYTE protocol;
    const BYTE *source; /* 4 or 16 bytes, as the destination */
    const BYTE *destination;
    const BYTE *payload;
    uint32_t payload_size;
} packet_view;

/* Bytes of each of its addresses. */
static inline size_t
packet_address_size(const packet_view *view)
{
    return view->family == IP_HELPER_IPV4 ? 4 : 16;
}

typedef enum packet_verdict {
    PACKET_WHOLE,
    PACKET_IGNORED, /* truncated, a fragment, or of a kind that a host would not take */
    PACKET_BAD_CHECKSUM
} packet_verdict;

/* Reads the headers, options and extension headers; checks the checksum of the IPv4 header. */
packet_verdict packet_parse(const BYTE *packet, uint32_t size, packet_view *view);

/* Write a header without options. Total and payload are sizes in bytes. */
void packet_write_ipv4(BYTE *packet, uint32_t total, BYTE protocol, BYTE hops, const BYTE *source,
                       const BYTE *destination);
void packet_write_ipv6(BYTE *packet, uint32_t payload, BYTE protocol, BYTE hops, const BYTE *source,
                       const BYTE *destination);

/* A valid IPv4 packet of this size (20 to 65535), and its number: bytes 12 to 15. */
void packet_write_numbered(BYTE *packet, uint32_t size);
void packet_write_number(BYTE *packet, uint32_t number);

#endif
