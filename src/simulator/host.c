/* SPDX-License-Identifier: MIT
 *
 * The built-in host.
 */
#include "host.h"

#include <string.h>

#include "packet.h"
#include "times.h"

void
host_init(host *self, interfaces *ip)
{
    self->ip = ip;
    self->announcer.ip = ip;
    pinger_init(&self->pinger, ip);
}

void
host_destroy(host *self)
{
    pinger_destroy(&self->pinger);
}

int64_t
host_speak(host *self, delivery *burst)
{
    int64_t next_ping_ns = pinger_speak(&self->pinger, burst);
    return times_earlier(next_ping_ns, announcer_speak(&self->announcer, burst));
}

/* Whether one host can be answered at this address. */
static bool
is_host(const packet_view *view, const BYTE *address)
{
    static const BYTE zeros[16];
    if (memcmp(address, zeros, packet_address_size(view)) == 0) {
        return false;
    }
    return view->family == IP_HELPER_IPV4 ? address[0] < 224 : address[0] != 0xFF;
}

static void
answer_echo_request(delivery *burst, const packet_view *view)
{
    bool ipv4 = view->family == IP_HELPER_IPV4;
    uint32_t header = ipv4 ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE;
    uint32_t size = view->payload_size;
    if (!is_host(view, view->source)) {
        return;
    }
    BYTE *packet = delivery_make(burst, header + size);
    if (packet == NULL) {
        return;
    }
    BYTE *body = &packet[header];
    memcpy(body, view->payload, size);
    body[0] = ipv4 ? ECHO_REPLY : ECHO_REPLY_V6;
    if (ipv4) {
        packet_put16(&body[2], 0);
        packet_put16(&body[2], packet_finish_sum(packet_sum(0, body, size)));
        packet_write_ipv4(packet, header + size, PROTOCOL_ICMP, HOP_LIMIT, view->destination,
                          view->source);
    } else {
        packet_put_icmpv6_checksum(view->destination, view->source, body, size);
        packet_write_ipv6(packet, size, PROTOCOL_ICMPV6, HOP_LIMIT, view->destination,
                          view->source);
    }
}

static bool
is_icmp(const packet_view *view)
{
    return view->protocol == (view->family == IP_HELPER_IPV4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6) &&
           view->payload_size >= ICMP_HEADER_SIZE;
}

static bool
icmp_checksum_right(const packet_view *view)
{
    uint32_t sum = 0;
    if (view->family == IP_HELPER_IPV6) {
        sum =
            packet_pseudo_sum(view->source, view->destination, view->payload_size, PROTOCOL_ICMPV6);
    }
    return packet_finish_sum(packet_sum(sum, view->payload, view->payload_size)) == 0;
}

void
host_receive(host *self, delivery *burst, const BYTE *packet, uint32_t size)
{
    packet_view view;
    packet_verdict verdict = packet_parse(packet, size, &view);
    if (verdict == PACKET_WHOLE &&
        !interfaces_has_address(self->ip, view.family, view.destination)) {
        atom_u64_count(&burst->side->counters->not_for_host, 1);
        return;
    }
    if (verdict == PACKET_WHOLE && !is_icmp(&view)) {
        return;
    }
    if (verdict == PACKET_BAD_CHECKSUM ||
        (verdict == PACKET_WHOLE && !icmp_checksum_right(&view))) {
        atom_u64_count(&burst->side->counters->bad_checksums, 1);
        return;
    }
    if (verdict != PACKET_WHOLE || view.payload[1] != 0) {
        return;
    }
    bool ipv4 = view.family == IP_HELPER_IPV4;
    if (view.payload[0] == (ipv4 ? ECHO_REQUEST : ECHO_REQUEST_V6)) {
        answer_echo_request(burst, &view);
    } else if (view.payload[0] == (ipv4 ? ECHO_REPLY : ECHO_REPLY_V6)) {
        pinger_take_reply(&self->pinger, burst, &view);
    }
}
