/* SPDX-License-Identifier: MIT
 *
 * IP packets.
 */
#include "packet.h"

#include <string.h>

bool
packet_is_ip(const BYTE *packet, uint32_t size)
{
    if (size < IPV4_HEADER_SIZE) {
        return false;
    }
    BYTE version = packet[0] >> 4;
    return version == 4 || (version == 6 && size >= IPV6_HEADER_SIZE);
}

/* --- Checksums ------------------------------------------------------------------------------- */

uint32_t
packet_sum(uint32_t sum, const BYTE *bytes, uint32_t size)
{
    /* 65535 bytes sum to less than 2 to the 31st. */
    for (uint32_t i = 0; i + 1 < size; i += 2) {
        sum += packet_get16(&bytes[i]);
    }
    if (size % 2 != 0) {
        sum += (uint32_t)bytes[size - 1] << 8;
    }
    return sum;
}

uint16_t
packet_finish_sum(uint32_t sum)
{
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = (sum & 0xFFFF) + (sum >> 16);
    return (uint16_t)(~sum & 0xFFFF);
}

uint32_t
packet_pseudo_sum(const BYTE *source, const BYTE *destination, uint32_t size, BYTE protocol)
{
    uint32_t sum = packet_sum(0, source, 16);
    return packet_sum(sum, destination, 16) + (size >> 16) + (size & 0xFFFF) + protocol;
}

void
packet_put_icmpv6_checksum(const BYTE *source, const BYTE *destination, BYTE *body, uint32_t size)
{
    uint32_t sum = packet_pseudo_sum(source, destination, size, PROTOCOL_ICMPV6);
    packet_put16(&body[2], 0);
    packet_put16(&body[2], packet_finish_sum(packet_sum(sum, body, size)));
}

/* --- Reading --------------------------------------------------------------------------------- */

static packet_verdict
parse_ipv4(const BYTE *packet, uint32_t size, packet_view *view)
{
    if (size < IPV4_HEADER_SIZE) {
        return PACKET_IGNORED;
    }
    uint32_t header = (packet[0] & 0x0Fu) * 4;
    uint32_t total = packet_get16(&packet[2]);
    bool fragment = (packet_get16(&packet[6]) & 0x3FFF) != 0;
    if (header < IPV4_HEADER_SIZE || total < header || total > size) {
        return PACKET_IGNORED;
    }
    if (packet_finish_sum(packet_sum(0, packet, header)) != 0) {
        return PACKET_BAD_CHECKSUM;
    }
    view->family = IP_HELPER_IPV4;
    view->protocol = packet[9];
    view->source = &packet[12];
    view->destination = &packet[16];
    view->payload = &packet[header];
    view->payload_size = total - header;
    return fragment ? PACKET_IGNORED : PACKET_WHOLE;
}

enum {
    EXTENSION_HOP_BY_HOP = 0,
    EXTENSION_ROUTING = 43,
    EXTENSION_FRAGMENT = 44,
    EXTENSION_DESTINATION = 60
};

/* Passes over one extension header; false if it does not fit or a host would not take the packet.
 */
static bool
pass_extension(packet_view *view)
{
    if (view->payload_size < 8) {
        return false;
    }
    const BYTE *header = view->payload;
    uint32_t size = 8 + header[1] * 8u;
    if (view->protocol == EXTENSION_FRAGMENT) {
        size = 8;
        if ((packet_get16(&header[2]) & 0xFFF9) != 0) {
            return false; /* an offset, or more to come: not the whole packet */
        }
    }
    if (view->protocol == EXTENSION_ROUTING && header[3] != 0) {
        return false; /* to be sent on to another host */
    }
    if (size > view->payload_size) {
        return false;
    }
    view->protocol = header[0];
    view->payload += size;
    view->payload_size -= size;
    return true;
}

static packet_verdict
parse_ipv6(const BYTE *packet, uint32_t size, packet_view *view)
{
    if (size < IPV6_HEADER_SIZE) {
        return PACKET_IGNORED;
    }
    view->family = IP_HELPER_IPV6;
    view->protocol = packet[6];
    view->source = &packet[8];
    view->destination = &packet[24];
    view->payload = &packet[IPV6_HEADER_SIZE];
    view->payload_size = packet_get16(&packet[4]);
    if (view->payload_size > size - IPV6_HEADER_SIZE) {
        return PACKET_IGNORED;
    }
    while (view->protocol == EXTENSION_HOP_BY_HOP || view->protocol == EXTENSION_ROUTING ||
           view->protocol == EXTENSION_FRAGMENT || view->protocol == EXTENSION_DESTINATION) {
        if (!pass_extension(view)) {
            return PACKET_IGNORED;
        }
    }
    return PACKET_WHOLE;
}

packet_verdict
packet_parse(const BYTE *packet, uint32_t size, packet_view *view)
{
    if (!packet_is_ip(packet, size)) {
        return PACKET_IGNORED;
    }
    return packet[0] >> 4 == 4 ? parse_ipv4(packet, size, view) : parse_ipv6(packet, size, view);
}

/* --- Writing --------------------------------------------------------------------------------- */

static void
write_ipv4_checksum(BYTE *packet, uint32_t header)
{
    packet_put16(&packet[10], 0);
    packet_put16(&packet[10], packet_finish_sum(packet_sum(0, packet, header)));
}

void
packet_write_ipv4(BYTE *packet, uint32_t total, BYTE protocol, BYTE hops, const BYTE *source,
                  const BYTE *destination)
{
    memset(packet, 0, IPV4_HEADER_SIZE);
    packet[0] = 0x45;
    packet_put16(&packet[2], total);
    packet[8] = hops;
    packet[9] = protocol;
    memcpy(&packet[12], source, 4);
    memcpy(&packet[16], destination, 4);
    write_ipv4_checksum(packet, IPV4_HEADER_SIZE);
}

void
packet_write_ipv6(BYTE *packet, uint32_t payload, BYTE protocol, BYTE hops, const BYTE *source,
                  const BYTE *destination)
{
    memset(packet, 0, IPV6_HEADER_SIZE);
    packet[0] = 0x60;
    packet_put16(&packet[4], payload);
    packet[6] = protocol;
    packet[7] = hops;
    memcpy(&packet[8], source, 16);
    memcpy(&packet[24], destination, 16);
}

void
packet_write_numbered(BYTE *packet, uint32_t size)
{
    static const BYTE anywhere[4] = {0, 0, 0, 0};
    static const BYTE destination[4] = {192, 0, 2, 1}; /* of a network meant for examples */
    enum { PROTOCOL_EXPERIMENT = 253 };
    for (uint32_t i = IPV4_HEADER_SIZE; i < size; i++) {
        packet[i] = (BYTE)(i & 0xFF);
    }
    packet_write_ipv4(packet, size, PROTOCOL_EXPERIMENT, 64, anywhere, destination);
}

void
packet_write_number(BYTE *packet, uint32_t number)
{
    packet_put16(&packet[12], number >> 16);
    packet_put16(&packet[14], number & 0xFFFF);
    write_ipv4_checksum(packet, IPV4_HEADER_SIZE);
}
