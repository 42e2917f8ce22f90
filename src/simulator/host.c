/* SPDX-License-Identifier: MIT
 *
 * The built-in host.
 */
#include "host.h"

#include <string.h>

#include "far_side.h"
#include "global.h"
#include "packet.h"

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

/* RFC 4861: MAX_RTR_SOLICITATIONS and RTR_SOLICITATION_INTERVAL. */
#define SOLICITATIONS 3
#define SOLICITATION_INTERVAL_NS (4 * NS_PER_S)

#define PING_PAYLOAD 56
#define PINGS_AT_ONCE 64
#define HOP_LIMIT 128

enum { ECHO_REPLY = 0, ECHO_REQUEST = 8, ECHO_REQUEST_V6 = 128, ECHO_REPLY_V6 = 129 };
enum { ROUTER_SOLICITATION = 133, MLD2_REPORT = 143, IGMP3_REPORT = 0x22 };

void
host_init(host *self)
{
    platform_mutex_init(&self->lock);
    self->identifier = (uint16_t)(global_random() & 0xFFFF);
}

void
host_destroy(host *self)
{
    platform_mutex_destroy(&self->lock);
}

void
host_order_pings(host *self, DWORD count, DWORD interval_ms)
{
    platform_mutex_lock(&self->lock);
    self->pings_left = count;
    self->ping_interval_ns = (int64_t)interval_ms * NS_PER_MS;
    self->next_ping_ns = platform_clock_ns();
    platform_mutex_unlock(&self->lock);
}

static adapter_counters *
counters_of(const struct delivery *burst)
{
    return &burst->session->adapter->counters;
}

/* A packet to fill in, or NULL: the ring is full, and the packet counted as dropped. */
static BYTE *
begin_packet(struct delivery *burst, uint32_t size)
{
    BYTE *packet = delivery_reserve(burst, size);
    if (packet == NULL) {
        burst->full++;
    }
    return packet;
}

/* --- Speaking first -------------------------------------------------------------------------- */

static void
find_first_ipv4(void *context, const MIB_UNICASTIPADDRESS_ROW *row)
{
    BYTE *address = context;
    static const BYTE none[4];
    if (memcmp(address, none, sizeof(none)) == 0) {
        memcpy(address, interfaces_address_bytes(row), 4);
    }
}

/* IGMPv3: joins 224.0.0.252 (link-local name resolution). */
static void
report_ipv4_groups(struct delivery *burst)
{
    enum { OPTION = 4, REPORT = 16 };
    static const BYTE routers[4] = {224, 0, 0, 22};
    static const BYTE router_alert[OPTION] = {0x94, 0x04, 0, 0};
    static const BYTE report[REPORT] = {IGMP3_REPORT, 0, 0, 0,  0, 0, 0, 1, 4, 0, 0, 0,
                                        224,          0, 0, 252};
    BYTE source[4] = {0, 0, 0, 0};
    BYTE *packet = begin_packet(burst, IPV4_HEADER_SIZE + OPTION + REPORT);
    if (packet == NULL) {
        return;
    }
    interfaces_visit(&burst->session->adapter->ip, IP_HELPER_IPV4, find_first_ipv4, source);
    packet_write_ipv4(packet, IPV4_HEADER_SIZE + OPTION + REPORT, PROTOCOL_IGMP, 1, source,
                      routers);
    packet[0] = 0x46;
    memcpy(&packet[IPV4_HEADER_SIZE], router_alert, OPTION);
    packet_put16(&packet[10], 0);
    packet_put16(&packet[10], packet_finish_sum(packet_sum(0, packet, IPV4_HEADER_SIZE + OPTION)));
    BYTE *body = &packet[IPV4_HEADER_SIZE + OPTION];
    memcpy(body, report, REPORT);
    packet_put16(&body[2], packet_finish_sum(packet_sum(0, body, REPORT)));
}

static void
put_icmpv6_checksum(const BYTE *source, const BYTE *destination, BYTE *body, uint32_t size)
{
    uint32_t sum = packet_pseudo_sum(source, destination, size, PROTOCOL_ICMPV6);
    packet_put16(&body[2], 0);
    packet_put16(&body[2], packet_finish_sum(packet_sum(sum, body, size)));
}

/* MLDv2: joins the solicited-node group of the link-local address. */
static void
report_ipv6_groups(struct delivery *burst)
{
    enum { OPTIONS = 8, REPORT = 28 };
    static const BYTE routers[16] = {0xFF, 0x02, [15] = 0x16};
    static const BYTE router_alert[OPTIONS] = {PROTOCOL_ICMPV6, 0, 5, 2, 0, 0, 1, 0};
    static const BYTE solicited_node[16] = {0xFF, 0x02, [11] = 1, [12] = 0xFF};
    BYTE source[16];
    BYTE *packet = begin_packet(burst, IPV6_HEADER_SIZE + OPTIONS + REPORT);
    if (packet == NULL) {
        return;
    }
    interfaces_link_local(&burst->session->adapter->ip, source);
    packet_write_ipv6(packet, OPTIONS + REPORT, 0, 1, source, routers);
    memcpy(&packet[IPV6_HEADER_SIZE], router_alert, OPTIONS);
    BYTE *body = &packet[IPV6_HEADER_SIZE + OPTIONS];
    memset(body, 0, REPORT);
    body[0] = MLD2_REPORT;
    packet_put16(&body[6], 1); /* records */
    body[8] = 4;               /* of the kind: change to exclude nothing, which is to join */
    memcpy(&body[12], solicited_node, 16);
    memcpy(&body[25], &source[13], 3);
    put_icmpv6_checksum(source, routers, body, REPORT);
}

static void
solicit_routers(struct delivery *burst)
{
    static const BYTE routers[16] = {0xFF, 0x02, [15] = 2};
    BYTE source[16];
    BYTE *packet = begin_packet(burst, IPV6_HEADER_SIZE + ICMP_HEADER_SIZE);
    if (packet == NULL) {
        return;
    }
    interfaces_link_local(&burst->session->adapter->ip, source);
    packet_write_ipv6(packet, ICMP_HEADER_SIZE, PROTOCOL_ICMPV6, 255, source, routers);
    BYTE *body = &packet[IPV6_HEADER_SIZE];
    memset(body, 0, ICMP_HEADER_SIZE);
    body[0] = ROUTER_SOLICITATION;
    put_icmpv6_checksum(source, routers, body, ICMP_HEADER_SIZE);
}

/* The earlier of two times, of which a negative one is none. */
static int64_t
earlier(int64_t one, int64_t other)
{
    if (one < 0 || other < 0) {
        return one < 0 ? other : one;
    }
    return one < other ? one : other;
}

static int64_t
announce_ipv4(host *self, struct delivery *burst, int64_t now)
{
    int64_t ready_in_ns = interfaces_ready_in_ns(&burst->session->adapter->ip, SETTINGS_IPV4);
    if (self->reported[SETTINGS_IPV4] || ready_in_ns < 0) {
        return -1;
    }
    if (ready_in_ns > 0) {
        return now + ready_in_ns;
    }
    report_ipv4_groups(burst);
    self->reported[SETTINGS_IPV4] = true;
    return -1;
}

static int64_t
announce_ipv6(host *self, struct delivery *burst, int64_t now)
{
    int64_t ready_in_ns = interfaces_ready_in_ns(&burst->session->adapter->ip, SETTINGS_IPV6);
    if (self->solicitations == SOLICITATIONS || ready_in_ns < 0) {
        return -1;
    }
    if (ready_in_ns > 0) {
        return now + ready_in_ns;
    }
    if (!self->reported[SETTINGS_IPV6]) {
        report_ipv6_groups(burst);
        self->reported[SETTINGS_IPV6] = true;
        self->next_solicitation_ns = now;
    }
    if (now >= self->next_solicitation_ns) {
        solicit_routers(burst);
        self->solicitations++;
        self->next_solicitation_ns += SOLICITATION_INTERVAL_NS;
    }
    return self->solicitations < SOLICITATIONS ? self->next_solicitation_ns : -1;
}

/* --- Pinging --------------------------------------------------------------------------------- */

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
send_ping(host *self, struct delivery *burst, const UCHAR *source, const host_ping *ping)
{
    enum { BODY = ICMP_HEADER_SIZE + PING_PAYLOAD };
    bool ipv4 = ping->family == IP_HELPER_IPV4;
    uint32_t header = ipv4 ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE;
    BYTE *packet = begin_packet(burst, header + BODY);
    if (packet == NULL) {
        return false;
    }
    BYTE *body = &packet[header];
    write_echo(body, ipv4 ? ECHO_REQUEST : ECHO_REQUEST_V6, self->identifier, ping->sequence);
    if (ipv4) {
        packet_put16(&body[2], packet_finish_sum(packet_sum(0, body, BODY)));
        packet_write_ipv4(packet, header + BODY, PROTOCOL_ICMP, HOP_LIMIT, source, ping->neighbour);
    } else {
        put_icmpv6_checksum(source, ping->neighbour, body, BODY);
        packet_write_ipv6(packet, BODY, PROTOCOL_ICMPV6, HOP_LIMIT, source, ping->neighbour);
    }
    return true;
}

typedef struct ping_round {
    host *self;
    struct delivery *burst;
} ping_round;

static void
ping_from(void *context, const MIB_UNICASTIPADDRESS_ROW *row)
{
    const ping_round *round = context;
    host *self = round->self;
    host_ping *ping = &self->pings[self->sequence % HOST_PINGS];
    if ((int)row->PrefixOrigin != ORIGIN_MANUAL || !find_neighbour(row, ping->neighbour)) {
        return;
    }
    ping->family = row->Address.si_family;
    ping->sequence = self->sequence++;
    ping->waiting = send_ping(self, round->burst, interfaces_address_bytes(row), ping);
    atom_u64_count(&counters_of(round->burst)->pings_sent, 1);
}

/* Takes one ping off what was asked for, if it is time; stores when the next one is due. */
static bool
ping_is_due(host *self, int64_t *next_ns)
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
host_speak(host *self, struct delivery *burst)
{
    int64_t now = platform_clock_ns();
    int64_t next_ping_ns = -1;
    ping_round round = {self, burst};
    for (int i = 0; i < PINGS_AT_ONCE && ping_is_due(self, &next_ping_ns); i++) {
        interfaces_visit(&burst->session->adapter->ip, IP_HELPER_UNSPEC, ping_from, &round);
    }
    int64_t next_ipv4_ns = announce_ipv4(self, burst, now);
    int64_t next_ipv6_ns = announce_ipv6(self, burst, now);
    return earlier(next_ping_ns, earlier(next_ipv4_ns, next_ipv6_ns));
}

/* --- Listening ------------------------------------------------------------------------------- */

static size_t
address_size(const packet_view *view)
{
    return view->family == IP_HELPER_IPV4 ? 4 : 16;
}

static void
take_echo_reply(host *self, struct delivery *burst, const packet_view *view)
{
    BYTE expected[PING_PAYLOAD];
    uint16_t sequence = packet_get16(&view->payload[6]);
    host_ping *ping = &self->pings[sequence % HOST_PINGS];
    fill_ping_payload(expected, sequence);
    if (ping->waiting && ping->sequence == sequence && ping->family == view->family &&
        packet_get16(&view->payload[4]) == self->identifier &&
        view->payload_size == ICMP_HEADER_SIZE + PING_PAYLOAD &&
        memcmp(&view->payload[ICMP_HEADER_SIZE], expected, PING_PAYLOAD) == 0 &&
        memcmp(view->source, ping->neighbour, address_size(view)) == 0) {
        ping->waiting = false;
        atom_u64_count(&counters_of(burst)->pings_answered, 1);
    }
}

/* Whether one host can be answered at this address. */
static bool
is_host(const packet_view *view, const BYTE *address)
{
    static const BYTE zeros[16];
    if (memcmp(address, zeros, address_size(view)) == 0) {
        return false;
    }
    return view->family == IP_HELPER_IPV4 ? address[0] < 224 : address[0] != 0xFF;
}

static void
answer_echo_request(struct delivery *burst, const packet_view *view)
{
    bool ipv4 = view->family == IP_HELPER_IPV4;
    uint32_t header = ipv4 ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE;
    uint32_t size = view->payload_size;
    if (!is_host(view, view->source)) {
        return;
    }
    BYTE *packet = begin_packet(burst, header + size);
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
        put_icmpv6_checksum(view->destination, view->source, body, size);
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
host_receive(host *self, struct delivery *burst, const BYTE *packet, uint32_t size)
{
    packet_view view;
    packet_verdict verdict = packet_parse(packet, size, &view);
    if (verdict == PACKET_WHOLE &&
        (!is_icmp(&view) ||
         !interfaces_has_address(&burst->session->adapter->ip, view.family, view.destination))) {
        return;
    }
    if (verdict == PACKET_BAD_CHECKSUM ||
        (verdict == PACKET_WHOLE && !icmp_checksum_right(&view))) {
        atom_u64_count(&counters_of(burst)->bad_checksums, 1);
        return;
    }
    if (verdict != PACKET_WHOLE || view.payload[1] != 0) {
        return;
    }
    bool ipv4 = view.family == IP_HELPER_IPV4;
    if (view.payload[0] == (ipv4 ? ECHO_REQUEST : ECHO_REQUEST_V6)) {
        answer_echo_request(burst, &view);
    } else if (view.payload[0] == (ipv4 ? ECHO_REPLY : ECHO_REPLY_V6)) {
        take_echo_reply(self, burst, &view);
    }
}
