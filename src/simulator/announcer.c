/* SPDX-License-Identifier: MIT
 *
 * What a host says unasked.
 */
#include "announcer.h"

#include <string.h>

#include "packet.h"
#include "times.h"

/* RFC 4861: MAX_RTR_SOLICITATIONS and RTR_SOLICITATION_INTERVAL. */
#define SOLICITATIONS 3
#define SOLICITATION_INTERVAL_NS (4 * NS_PER_S)

enum { ROUTER_SOLICITATION = 133, MLD2_REPORT = 143, IGMP3_REPORT = 0x22 };

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
report_ipv4_groups(interfaces *ip, delivery *burst)
{
    enum { OPTION = 4, REPORT = 16 };
    static const BYTE routers[4] = {224, 0, 0, 22};
    static const BYTE router_alert[OPTION] = {0x94, 0x04, 0, 0};
    static const BYTE report[REPORT] = {IGMP3_REPORT, 0, 0, 0,  0, 0, 0, 1, 4, 0, 0, 0,
                                        224,          0, 0, 252};
    BYTE source[4] = {0, 0, 0, 0};
    BYTE *packet = delivery_make(burst, IPV4_HEADER_SIZE + OPTION + REPORT);
    if (packet == NULL) {
        return;
    }
    interfaces_visit(ip, IP_HELPER_IPV4, find_first_ipv4, source);
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

/* MLDv2: joins the solicited-node group of the link-local address. */
static void
report_ipv6_groups(interfaces *ip, delivery *burst)
{
    enum { OPTIONS = 8, REPORT = 28 };
    static const BYTE routers[16] = {0xFF, 0x02, [15] = 0x16};
    static const BYTE router_alert[OPTIONS] = {PROTOCOL_ICMPV6, 0, 5, 2, 0, 0, 1, 0};
    static const BYTE solicited_node[16] = {0xFF, 0x02, [11] = 1, [12] = 0xFF};
    BYTE source[16];
    BYTE *packet = delivery_make(burst, IPV6_HEADER_SIZE + OPTIONS + REPORT);
    if (packet == NULL) {
        return;
    }
    interfaces_link_local(ip, source);
    packet_write_ipv6(packet, OPTIONS + REPORT, 0, 1, source, routers);
    memcpy(&packet[IPV6_HEADER_SIZE], router_alert, OPTIONS);
    BYTE *body = &packet[IPV6_HEADER_SIZE + OPTIONS];
    memset(body, 0, REPORT);
    body[0] = MLD2_REPORT;
    packet_put16(&body[6], 1); /* records */
    body[8] = 4;               /* of the kind: change to exclude nothing, which is to join */
    memcpy(&body[12], solicited_node, 16);
    memcpy(&body[25], &source[13], 3);
    packet_put_icmpv6_checksum(source, routers, body, REPORT);
}

static void
solicit_routers(interfaces *ip, delivery *burst)
{
    static const BYTE routers[16] = {0xFF, 0x02, [15] = 2};
    BYTE source[16];
    BYTE *packet = delivery_make(burst, IPV6_HEADER_SIZE + ICMP_HEADER_SIZE);
    if (packet == NULL) {
        return;
    }
    interfaces_link_local(ip, source);
    packet_write_ipv6(packet, ICMP_HEADER_SIZE, PROTOCOL_ICMPV6, 255, source, routers);
    BYTE *body = &packet[IPV6_HEADER_SIZE];
    memset(body, 0, ICMP_HEADER_SIZE);
    body[0] = ROUTER_SOLICITATION;
    packet_put_icmpv6_checksum(source, routers, body, ICMP_HEADER_SIZE);
}

static int64_t
announce_ipv4(announcer *self, delivery *burst, int64_t now)
{
    int64_t ready_in_ns = interfaces_ready_in_ns(self->ip, SETTINGS_IPV4);
    if (self->reported[SETTINGS_IPV4] || ready_in_ns < 0) {
        return -1;
    }
    if (ready_in_ns > 0) {
        return now + ready_in_ns;
    }
    report_ipv4_groups(self->ip, burst);
    self->reported[SETTINGS_IPV4] = true;
    return -1;
}

static int64_t
announce_ipv6(announcer *self, delivery *burst, int64_t now)
{
    int64_t ready_in_ns = interfaces_ready_in_ns(self->ip, SETTINGS_IPV6);
    if (self->solicitations == SOLICITATIONS || ready_in_ns < 0) {
        return -1;
    }
    if (ready_in_ns > 0) {
        return now + ready_in_ns;
    }
    if (!self->reported[SETTINGS_IPV6]) {
        report_ipv6_groups(self->ip, burst);
        self->reported[SETTINGS_IPV6] = true;
        self->next_solicitation_ns = now;
    }
    if (now >= self->next_solicitation_ns) {
        solicit_routers(self->ip, burst);
        self->solicitations++;
        self->next_solicitation_ns += SOLICITATION_INTERVAL_NS;
    }
    return self->solicitations < SOLICITATIONS ? self->next_solicitation_ns : -1;
}

int64_t
announcer_speak(announcer *self, delivery *burst)
{
    int64_t now = platform_clock_ns();
    int64_t next_ipv4_ns = announce_ipv4(self, burst, now);
    return times_earlier(next_ipv4_ns, announce_ipv6(self, burst, now));
}
