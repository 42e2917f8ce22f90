/* SPDX-License-Identifier: MIT
 *
 * All checksums of a packet at once.
 */
#include "packet_sums.h"

#include "bytes.h"
#include "checksum.h"
#include "headers.h"

/* What a transport's checksum covers. */
typedef struct covered {
    uint32_t size;  /* bytes from the transport's header on; 0: it has no checksum that we know */
    uint32_t place; /* where in them the checksum is */
    uint32_t pseudo_sum; /* of the pseudo header; 0: there is none */
} covered;

static bool
fits(const ip_headers *headers, uint32_t least, uint32_t place, bool pseudo, covered *found)
{
    found->size = headers->total - headers->transport;
    found->place = place;
    if (pseudo) {
        found->pseudo_sum = checksum_pseudo(headers->source, headers->destination,
                                            headers->address_size, headers->protocol, found->size);
    }
    return found->size >= least;
}

/* A datagram may be shorter than what carries it. */
static bool
fits_udp(const uint8_t *packet, ip_headers headers, covered *found)
{
    uint32_t left = headers.total - headers.transport;
    uint32_t size = left >= UDP_SIZE ? get_u16(packet + headers.transport + UDP_LENGTH_AT) : 0;
    if (size < UDP_SIZE || size > left) {
        return false;
    }
    headers.total = headers.transport + size;
    return fits(&headers, UDP_SIZE, UDP_CHECKSUM_AT, true, found);
}

/* False: the transport's header or its payload is not whole. */
static bool
find_covered(const uint8_t *packet, const ip_headers *headers, covered *found)
{
    *found = (covered){0, 0, 0};
    if (headers->is_fragment || headers->is_routed) {
        return true;
    }
    switch (headers->protocol) {
    case PROTOCOL_TCP:
        return fits(headers, TCP_SIZE, TCP_CHECKSUM_AT, true, found);
    case PROTOCOL_UDP:
        return fits_udp(packet, *headers, found);
    case PROTOCOL_ICMP:
        return headers->version == 6 || fits(headers, 4, ICMP_CHECKSUM_AT, false, found);
    case PROTOCOL_ICMPV6:
        return headers->version == 4 || fits(headers, 4, ICMP_CHECKSUM_AT, true, found);
    default:
        return true;
    }
}

bool
packet_sums_are_right(const uint8_t *packet, uint32_t size)
{
    ip_headers headers;
    covered found;
    if (!ip_parse(packet, size, &headers) || !find_covered(packet, &headers, &found) ||
        !ip_checksum_is_right(packet, &headers)) {
        return false;
    }
    const uint8_t *transport = packet + headers.transport;
    if (found.size == 0) {
        return true;
    }
    if (headers.protocol == PROTOCOL_UDP && get_u16(transport + UDP_CHECKSUM_AT) == 0) {
        return headers.version == 4; /* none was made, which IPv6 does not allow */
    }
    return checksum_is_right(found.pseudo_sum + checksum_sum(transport, found.size));
}

bool
packet_sums_write(uint8_t *packet, uint32_t size)
{
    ip_headers headers;
    covered found;
    if (!ip_parse(packet, size, &headers) || !find_covered(packet, &headers, &found)) {
        return false;
    }
    if (headers.version == 4) {
        ipv4_write_checksum(packet, headers.transport);
    }
    if (found.size > 0) {
        uint8_t *transport = packet + headers.transport;
        uint8_t *place = transport + found.place;
        put_u16(place, 0);
        uint16_t checksum = checksum_finish(found.pseudo_sum + checksum_sum(transport, found.size));
        /* In UDP 0 means that there is none; the other zero says the same number. */
        put_u16(place, headers.protocol == PROTOCOL_UDP && checksum == 0 ? 0xFFFF : checksum);
    }
    return true;
}
