/* SPDX-License-Identifier: MIT
 *
 * A TCP packet that is too large leaves as segments.
 */
#include "split.h"

#include "bytes.h"
#include "checksum.h"
#include "headers.h"

#include <string.h>

static bool
transport_is_right(const uint8_t *packet, const ip_headers *headers)
{
    uint32_t size = headers->total - headers->transport;
    return checksum_is_right(checksum_pseudo(headers->source, headers->destination,
                                             headers->address_size, PROTOCOL_TCP, size) +
                             checksum_sum(packet + headers->transport, size));
}

bool
split_begin(split_plan *plan, const void *packet, uint32_t size, uint32_t most, bool verify)
{
    const uint8_t *bytes = packet;
    ip_headers headers;
    if (size <= most || !ip_parse(bytes, size, &headers) || headers.total != size ||
        (headers.version == 6 && headers.has_extensions)) {
        return false;
    }
    uint32_t tcp_size = tcp_header_size(bytes, &headers);
    uint32_t all = headers.transport + tcp_size;
    if (tcp_size == 0 || all >= size || all >= most ||
        (bytes[headers.transport + TCP_FLAGS_AT] & (TCP_SYN | TCP_RST | TCP_URG)) != 0 ||
        !ip_checksum_is_right(bytes, &headers) ||
        (verify && !transport_is_right(bytes, &headers))) {
        return false;
    }
    plan->packet = bytes;
    plan->headers = all;
    plan->ip_size = headers.transport;
    plan->payload = most - all;
    plan->count = (size - all + plan->payload - 1) / plan->payload;
    plan->last = size - all - (plan->count - 1) * plan->payload;
    return true;
}

/* The IP header of a segment; returns the sum of the pseudo header. */
static uint32_t
write_ip(const split_plan *plan, uint32_t segment, uint32_t size, uint8_t *memory)
{
    uint32_t transport = size - plan->ip_size;
    if (memory[0] >> 4 == 4) {
        put_u16(memory + IPV4_TOTAL_AT, size);
        put_u16(memory + IPV4_ID_AT, get_u16(memory + IPV4_ID_AT) + segment);
        ipv4_write_checksum(memory, plan->ip_size);
        return checksum_pseudo(memory + IPV4_SOURCE_AT, memory + IPV4_DESTINATION_AT, 4,
                               PROTOCOL_TCP, transport);
    }
    put_u16(memory + IPV6_PAYLOAD_AT, transport);
    return checksum_pseudo(memory + IPV6_SOURCE_AT, memory + IPV6_DESTINATION_AT, 16, PROTOCOL_TCP,
                           transport);
}

void
split_write(const split_plan *plan, uint32_t segment, void *memory)
{
    uint8_t *written = memory;
    uint8_t *tcp = written + plan->ip_size;
    uint32_t offset = segment * plan->payload;
    uint32_t size = split_size(plan, segment);
    memcpy(written, plan->packet, plan->headers);
    uint32_t sum = write_ip(plan, segment, size, written);
    put_u32(tcp + TCP_SEQUENCE_AT, get_u32(tcp + TCP_SEQUENCE_AT) + offset);
    if (segment + 1 < plan->count) {
        tcp[TCP_FLAGS_AT] &= (uint8_t) ~(TCP_PSH | TCP_FIN);
    }
    if (segment > 0) {
        tcp[TCP_FLAGS_AT] &= (uint8_t)~TCP_CWR;
    }
    put_u16(tcp + TCP_CHECKSUM_AT, 0);
    sum += checksum_sum(tcp, plan->headers - plan->ip_size);
    sum += checksum_copy(written + plan->headers, plan->packet + plan->headers + offset,
                         size - plan->headers);
    put_u16(tcp + TCP_CHECKSUM_AT, checksum_finish(sum));
}
