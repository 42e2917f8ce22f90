/* SPDX-License-Identifier: MIT
 *
 * The headers of an IP packet.
 */
#include "headers.h"

#include "bytes.h"
#include "checksum.h"

bool
ipv6_is_extension(uint8_t protocol)
{
    switch (protocol) {
    case PROTOCOL_HOP_BY_HOP:
    case PROTOCOL_ROUTING:
    case PROTOCOL_FRAGMENT:
    case PROTOCOL_ESP:
    case PROTOCOL_AUTHENTICATION:
    case PROTOCOL_DESTINATION:
    case PROTOCOL_MOBILITY:
    case PROTOCOL_HOST_IDENTITY:
    case PROTOCOL_SHIM6:
        return true;
    default:
        return false;
    }
}

static bool
parse_ipv4(const uint8_t *packet, uint32_t size, ip_headers *headers)
{
    if (size < IPV4_SIZE) {
        return false;
    }
    uint32_t fragment = get_u16(packet + IPV4_FRAGMENT_AT);
    headers->version = 4;
    headers->source = packet + IPV4_SOURCE_AT;
    headers->destination = packet + IPV4_DESTINATION_AT;
    headers->address_size = 4;
    headers->total = get_u16(packet + IPV4_TOTAL_AT);
    headers->transport = (packet[0] & 0x0Fu) * 4;
    headers->protocol = packet[IPV4_PROTOCOL_AT];
    headers->is_fragment = (fragment & (IPV4_MORE_FRAGMENTS | IPV4_OFFSET)) != 0;
    headers->is_later_fragment = (fragment & IPV4_OFFSET) != 0;
    headers->is_routed = false;
    headers->has_extensions = headers->transport > IPV4_SIZE;
    return headers->transport >= IPV4_SIZE && headers->transport <= headers->total &&
           headers->total <= size;
}

/* Passes over one extension header; false if it does not fit. */
static bool
pass_extension(const uint8_t *packet, ip_headers *headers)
{
    uint32_t left = headers->total - headers->transport;
    const uint8_t *header = packet + headers->transport;
    if (left < 8) {
        return false;
    }
    uint32_t length = 8 + header[1] * 8u;
    if (headers->protocol == PROTOCOL_FRAGMENT) {
        uint32_t offset = get_u16(header + 2);
        length = 8;
        headers->is_fragment = headers->is_fragment || (offset & 0xFFF9) != 0;
        headers->is_later_fragment = headers->is_later_fragment || (offset & 0xFFF8) != 0;
    } else if (headers->protocol == PROTOCOL_AUTHENTICATION) {
        length = 8 + header[1] * 4u;
    } else if (headers->protocol == PROTOCOL_ROUTING && header[3] != 0) {
        headers->is_routed = true;
    }
    if (length > left) {
        return false;
    }
    headers->protocol = header[0];
    headers->transport += length;
    headers->has_extensions = true;
    return true;
}

static bool
parse_ipv6(const uint8_t *packet, uint32_t size, ip_headers *headers)
{
    if (size < IPV6_SIZE) {
        return false;
    }
    *headers = (ip_headers){6,
                            packet + IPV6_SOURCE_AT,
                            packet + IPV6_DESTINATION_AT,
                            16,
                            IPV6_SIZE + get_u16(packet + IPV6_PAYLOAD_AT),
                            IPV6_SIZE,
                            packet[IPV6_NEXT_AT],
                            false,
                            false,
                            false,
                            false};
    if (headers->total > size) {
        return false;
    }
    /* What is encrypted cannot be read, and a later fragment begins with anything. */
    while (!headers->is_later_fragment && headers->protocol != PROTOCOL_ESP &&
           ipv6_is_extension(headers->protocol)) {
        if (!pass_extension(packet, headers)) {
            return false;
        }
    }
    return true;
}

bool
ip_parse(const uint8_t *packet, uint32_t size, ip_headers *headers)
{
    unsigned version = size > 0 ? packet[0] >> 4 : 0;
    return version == 4   ? parse_ipv4(packet, size, headers)
           : version == 6 ? parse_ipv6(packet, size, headers)
                          : false;
}

uint32_t
tcp_header_size(const uint8_t *packet, const ip_headers *headers)
{
    uint32_t left = headers->total - headers->transport;
    if (headers->protocol != PROTOCOL_TCP || headers->is_fragment || left < TCP_SIZE) {
        return 0;
    }
    uint32_t header = (uint32_t)(packet[headers->transport + TCP_OFFSET_AT] >> 4) * 4;
    return header >= TCP_SIZE && header <= left ? header : 0;
}

bool
ip_checksum_is_right(const uint8_t *packet, const ip_headers *headers)
{
    return headers->version == 6 || checksum_is_right(checksum_header(packet, headers->transport));
}

void
ipv4_write_checksum(uint8_t *packet, uint32_t header_size)
{
    put_u16(packet + IPV4_CHECKSUM_AT, 0);
    put_u16(packet + IPV4_CHECKSUM_AT, checksum_finish(checksum_header(packet, header_size)));
}
