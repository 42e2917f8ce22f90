/* SPDX-License-Identifier: MIT
 *
 * The answer that a router sends to a packet that is too large.
 */
#include "too_big.h"

#include "bytes.h"
#include "checksum.h"
#include "headers.h"

#include <string.h>

enum {
    ICMP_UNREACHABLE = 3,
    ICMP_FRAGMENTATION_NEEDED = 4,
    ICMPV6_TOO_BIG = 2,
    ICMPV6_REDIRECT = 137,
    HOPS = 64,
    INTERNETWORK_CONTROL = 0xC0 /* the precedence of ICMP errors: RFC 1812, section 4.3.2.5 */
};

#define IPV6_LEAST_MTU 1280u

/* Messages of ICMP that ask or answer; the others are errors and redirects. */
static bool
is_icmp_query(uint8_t type)
{
    switch (type) {
    case 0:  /* echo reply */
    case 8:  /* echo */
    case 9:  /* router advertisement */
    case 10: /* router solicitation */
    case 13: /* timestamp */
    case 14:
    case 15: /* information */
    case 16:
    case 17: /* address mask */
    case 18:
    case 42: /* extended echo */
    case 43:
        return true;
    default:
        return false;
    }
}

static bool
may_answer_ipv4(const uint8_t *packet, const ip_headers *headers)
{
    const uint8_t *from = headers->source;
    bool dont_fragment = (get_u16(packet + IPV4_FRAGMENT_AT) & IPV4_DONT_FRAGMENT) != 0;
    bool from_host = from[0] != 0 && from[0] != 127 && from[0] < 224;
    bool is_error =
        headers->protocol == PROTOCOL_ICMP &&
        (headers->transport == headers->total || !is_icmp_query(packet[headers->transport]));
    return dont_fragment && from_host && headers->destination[0] < 224 && !is_error &&
           !headers->is_later_fragment && ip_checksum_is_right(packet, headers);
}

static bool
may_answer_ipv6(const uint8_t *packet, const ip_headers *headers)
{
    static const uint8_t none[16] = {0};
    bool from_host = headers->source[0] != 0xFF && memcmp(headers->source, none, 16) != 0;
    bool is_error = false;
    if (headers->protocol == PROTOCOL_ICMPV6) {
        uint8_t type = headers->transport < headers->total ? packet[headers->transport] : 0;
        is_error = type < 128 || type == ICMPV6_REDIRECT;
    }
    return from_host && !headers->is_later_fragment && !is_error;
}

static uint32_t
smaller(uint32_t one, uint32_t other)
{
    return one < other ? one : other;
}

static uint32_t
answer_ipv4(const uint8_t *packet, const ip_headers *headers, uint32_t mtu, const uint8_t *source,
            uint8_t *answer)
{
    uint32_t quoted = smaller(headers->total, TOO_BIG_IPV4_SIZE - IPV4_SIZE - ICMP_SIZE);
    uint32_t size = IPV4_SIZE + ICMP_SIZE + quoted;
    uint8_t *icmp = answer + IPV4_SIZE;
    memset(answer, 0, IPV4_SIZE + ICMP_SIZE);
    answer[0] = 0x45;
    answer[1] = INTERNETWORK_CONTROL;
    put_u16(answer + IPV4_TOTAL_AT, size);
    put_u16(answer + IPV4_FRAGMENT_AT, IPV4_DONT_FRAGMENT);
    answer[IPV4_TTL_AT] = HOPS;
    answer[IPV4_PROTOCOL_AT] = PROTOCOL_ICMP;
    memcpy(answer + IPV4_SOURCE_AT, source, 4);
    memcpy(answer + IPV4_DESTINATION_AT, headers->source, 4);
    ipv4_write_checksum(answer, IPV4_SIZE);
    icmp[0] = ICMP_UNREACHABLE;
    icmp[1] = ICMP_FRAGMENTATION_NEEDED;
    put_u16(icmp + 6, mtu);
    memcpy(icmp + ICMP_SIZE, packet, quoted);
    put_u16(icmp + ICMP_CHECKSUM_AT, checksum_finish(checksum_sum(icmp, ICMP_SIZE + quoted)));
    return size;
}

static uint32_t
answer_ipv6(const uint8_t *packet, const ip_headers *headers, uint32_t mtu, const uint8_t *source,
            uint8_t *answer)
{
    uint32_t quoted = smaller(headers->total, TOO_BIG_IPV6_SIZE - IPV6_SIZE - ICMP_SIZE);
    uint32_t payload = ICMP_SIZE + quoted;
    uint8_t *icmp = answer + IPV6_SIZE;
    memset(answer, 0, IPV6_SIZE + ICMP_SIZE);
    answer[0] = 0x60;
    put_u16(answer + IPV6_PAYLOAD_AT, payload);
    answer[IPV6_NEXT_AT] = PROTOCOL_ICMPV6;
    answer[IPV6_HOPS_AT] = HOPS;
    memcpy(answer + IPV6_SOURCE_AT, source, 16);
    memcpy(answer + IPV6_DESTINATION_AT, headers->source, 16);
    icmp[0] = ICMPV6_TOO_BIG;
    put_u32(icmp + 4, mtu);
    memcpy(icmp + ICMP_SIZE, packet, quoted);
    uint32_t sum = checksum_pseudo(answer + IPV6_SOURCE_AT, answer + IPV6_DESTINATION_AT, 16,
                                   PROTOCOL_ICMPV6, payload);
    put_u16(icmp + ICMP_CHECKSUM_AT, checksum_finish(sum + checksum_sum(icmp, payload)));
    return IPV6_SIZE + payload;
}

uint32_t
too_big_answer(const uint8_t *packet, uint32_t size, uint32_t mtu, const uint8_t *source,
               uint8_t answer[TOO_BIG_IPV6_SIZE])
{
    ip_headers headers;
    if (!ip_parse(packet, size, &headers)) {
        return 0;
    }
    source = source != NULL ? source : headers.destination;
    if (headers.version == 4) {
        return headers.total > mtu && may_answer_ipv4(packet, &headers)
                   ? answer_ipv4(packet, &headers, mtu, source, answer)
                   : 0;
    }
    mtu = mtu > IPV6_LEAST_MTU ? mtu : IPV6_LEAST_MTU;
    return headers.total > mtu && source[0] != 0xFF && may_answer_ipv6(packet, &headers)
               ? answer_ipv6(packet, &headers, mtu, source, answer)
               : 0;
}
