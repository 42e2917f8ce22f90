/* SPDX-License-Identifier: MIT
 *
 * Echo requests and the replies to them.
 */
#include "pinger.h"

#include <string.h>

#include "global.h"
#include "times.h"

#define PING_PAYLOAD 56
#define PINGS_AT_ONCE 64

void
pinger_init(pinger *self, interfaces *ip)
{
    platform_mutex_init(&self->lock);
    self->ip = ip;
    self->identifier = (uint16_t)(global_random() & 0xFFFF);
}

void
pinger_destroy(pinger *self)
{
    platform_mutex_destroy(&self->lock);
}

void
pinger_order(pinger *self, DWORD count, DWORD interval_ms)
{
    platform_mutex_lock(&self->lock);
    self->pings_left = count;
    self->ping_interval_ns = (int64_t)interval_ms * NS_PER_MS;
    self->next_ping_ns = platform_clock_ns();
    platform_mutex_unlock(&self->lock);
}

static void
fill_ping_payload(BYTE *payload, uint16_t sequence)
{
    for (unsigned i = 0; i < PING_PAYLOAD; i++) {
        payload[i] = (BYTE)((sequence + i) & 0xFF);
    }
}

/* Another host's address in the subnet: the other one of two, else the first one that is not the
 * adapter's own. False if there is none. */
static bool
find_neighbour(const MIB_UNICASTIPADDRESS_ROW *row, UCHAR neighbour[16])
{
    const UCHAR *own = interfaces_address_bytes(row);
    unsigned bits = row->Address.si_family == IP_HELPER_IPV4 ? 32 : 128;
    unsigned prefix = row->OnLinkPrefixLength;
    if (prefix >= bits) {
        return false;
    }
    memcpy(neighbour, own, bits / 8);
    UCHAR *last = &neighbour[bits / 8 - 1];
    if (bits - prefix == 1) {
        *last ^= 1;
        return true;
    }
    for (unsigned bit = prefix; bit < bits; bit++) {
        neighbour[bit / 8] &= (UCHAR)(0xFF ^ 0x80 >> bit % 8);
    }
    *last |= 1;
    if (memcmp(neighbour, own, bits / 8) == 0) {
        *last ^= 3;
    }
    return true;
}

static void
write_echo(BYTE *body, BYTE type, uint16_t identifier, uint16_t sequence)
{
    memset(body, 0, ICMP_HEADER_SIZE);
    body[0] = type;
    packet_put16(&body[4], identifier);
    packet_put16(&body[6], sequence);
    fill_ping_payload(&body[ICMP_HEADER_SIZE], sequence);
}

static bool
send_ping(pinger *self, delivery *burst, const UCHAR *source, const pinger_ping *ping)
{
    enum { BODY = ICMP_HEADER_SIZE + PING_PAYLOAD };
    bool ipv4 = ping->family == IP_HELPER_IPV4;
    uint32_t header = ipv4 ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE;
    BYTE *packet = delivery_make(burst, header + BODY);
    if (packet == NULL) {
        return false;
    }
    BYTE *body = &packet[header];
    write_echo(body, ipv4 ? ECHO_REQUEST : ECHO_REQUEST_V6, self->identifier, ping->sequence);
    if (ipv4) {
        packet_put16(&body[2], packet_finish_sum(packet_sum(0, body, BODY)));
        packet_write_ipv4(packet, header + BODY, PROTOCOL_ICMP, HOP_LIMIT, source, ping->neighbour);
    } else {
        packet_put_icmpv6_checksum(source, ping->neighbour, body, BODY);
        packet_write_ipv6(packet, BODY, PROTOCOL_ICMPV6, HOP_LIMIT, source, ping->neighbour);
    }
    return true;
}

typedef struct ping_round {
    pinger *self;
    delivery *burst;
} ping_round;

static void
ping_from(void *context, const MIB_UNICASTIPADDRESS_ROW *row)
{
    const ping_round *round = context;
    pinger *self = round->self;
    pinger_ping *ping = &self->pings[self->sequence % PINGER_PINGS];
    if ((int)row->PrefixOrigin != ORIGIN_MANUAL || !find_neighbour(row, ping->neighbour)) {
        return;
    }
    ping->family = row->Address.si_family;
    ping->sequence = self->sequence++;
    ping->waiting = send_ping(self, round->burst, interfaces_address_bytes(row), ping);
    atom_u64_count(&round->burst->side->counters->pings_sent, 1);
}

static void
look_for_neighbour(void *context, const MIB_UNICASTIPADDRESS_ROW *row)
{
    bool *found = context;
    UCHAR neighbour[16];
    *found = *found || ((int)row->PrefixOrigin == ORIGIN_MANUAL && find_neighbour(row, neighbour));
}

bool
pinger_has_neighbour(pinger *self)
{
    bool found = false;
    interfaces_visit(self->ip, IP_HELPER_UNSPEC, look_for_neighbour, &found);
    return found;
}

/* Takes one ping off what was asked for, if it is time; stores when the next one is due. */
static bool
ping_is_due(pinger *self, int64_t *next_ns)
{
    platform_mutex_lock(&self->lock);
    bool due = self->pings_left > 0 && platform_clock_ns() >= self->next_ping_ns;
    if (due) {
        self->pings_left--;
        self->next_ping_ns += self->ping_interval_ns;
    }
    *next_ns = self->pings_left > 0 ? self->next_ping_ns : -1;
    platform_mutex_unlock(&self->lock);
    return due;
}

int64_t
pinger_speak(pinger *self, delivery *burst)
{
    int64_t next_ns = -1;
    ping_round round = {self, burst};
    for (int i = 0; i < PINGS_AT_ONCE && ping_is_due(self, &next_ns); i++) {
        interfaces_visit(self->ip, IP_HELPER_UNSPEC, ping_from, &round);
    }
    return next_ns;
}

void
pinger_take_reply(pinger *self, delivery *burst, const packet_view *view)
{
    BYTE expected[PING_PAYLOAD];
    uint16_t sequence = packet_get16(&view->payload[6]);
    pinger_ping *ping = &self->pings[sequence % PINGER_PINGS];
    fill_ping_payload(expected, sequence);
    if (ping->waiting && ping->sequence == sequence && ping->family == view->family &&
        packet_get16(&view->payload[4]) == self->identifier &&
        view->payload_size == ICMP_HEADER_SIZE + PING_PAYLOAD &&
        memcmp(&view->payload[ICMP_HEADER_SIZE], expected, PING_PAYLOAD) == 0 &&
        memcmp(view->source, ping->neighbour, packet_address_size(view)) == 0) {
        ping->waiting = false;
        atom_u64_count(&burst->side->counters->pings_answered, 1);
    }
}
