/* SPDX-License-Identifier: MIT
 *
 * A TCP packet that is too large leaves as segments.
 */
#include "split.h"

#include "bytes.h"
#include "checksum.h"
#include "headers.h"

#include <string.h>

bool
split_begin(split_plan *plan, const void *packet, uint32_t size, uint32_t most)
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
        !ip_checksum_is_right(bytes, &headers)) {
        return false;
    }
    uint32_t payload = most - all;
    uint32_t count = (size - all + payload - 1) / payload;
    uint32_t last = size - all - (count - 1) * payload;
    *plan = (split_plan){bytes,   size, count, all, headers.transport, headers.version == 4,
                         payload, last, NULL};
    return true;
}

/* The sum of the pseudo header for so many bytes from the transport's header on. */
static uint32_t
sum_pseudo(const split_plan *plan, const uint8_t *packet, uint32_t size)
{
    return plan->is_ipv4 ? checksum_pseudo(packet + IPV4_SOURCE_AT, packet + IPV4_DESTINATION_AT, 4,
                                           PROTOCOL_TCP, size)
                         : checksum_pseudo(packet + IPV6_SOURCE_AT, packet + IPV6_DESTINATION_AT,
                                           16, PROTOCOL_TCP, size);
}

bool
split_sum(split_plan *plan, uint16_t *sums)
{
    uint32_t offset = 0;
    uint32_t sum = sum_pseudo(plan, plan->packet, plan->size - plan->ip_size) +
                   checksum_header(plan->packet + plan->ip_size, plan->headers - plan->ip_size);
    for (uint32_t i = 0; i < plan->count; i++) {
        uint32_t payload = split_size(plan, i) - plan->headers;
        uint32_t added = checksum_sum(plan->packet + plan->headers + offset, payload);
        sums[i] = (uint16_t)added;
        sum = checksum_fold(sum) + (offset % 2 == 0 ? added : checksum_swap(added));
        offset += payload;
    }
    plan->sums = sums;
    return checksum_is_right(sum);
}

static void
write_ip(const split_plan *plan, uint32_t segment, uint32_t size, uint8_t *memory)
{
    if (plan->is_ipv4) {
        put_u16(memory + IPV4_TOTAL_AT, size);
        put_u16(memory + IPV4_ID_AT, get_u16(memory + IPV4_ID_AT) + segment);
        ipv4_write_checksum(memory, plan->ip_size);
    } else {
        put_u16(memory + IPV6_PAYLOAD_AT, size - IPV6_SIZE);
    }
}

void
split_write(const split_plan *plan, uint32_t segment, void *memory)
{
    uint8_t *written = memory;
    uint8_t *tcp = written + plan->ip_size;
    uint32_t offset = segment * plan->payload;
    uint32_t size = split_size(plan, segment);
    memcpy(written, plan->packet, plan->headers);
    memcpy(written + plan->headers, plan->packet + plan->headers + offset, size - plan->headers);
    write_ip(plan, segment, size, written);
    put_u32(tcp + TCP_SEQUENCE_AT, get_u32(tcp + TCP_SEQUENCE_AT) + offset);
    if (segment + 1 < plan->count) {
        tcp[TCP_FLAGS_AT] &= (uint8_t) ~(TCP_PSH | TCP_FIN);
    }
    if (segment > 0) {
        tcp[TCP_FLAGS_AT] &= (uint8_t)~TCP_CWR;
    }
    put_u16(tcp + TCP_CHECKSUM_AT, 0);
    uint32_t sum = sum_pseudo(plan, written, size - plan->ip_size) +
                   checksum_header(tcp, plan->headers - plan->ip_size);
    put_u16(tcp + TCP_CHECKSUM_AT, checksum_finish(sum + plan->sums[segment]));
}
