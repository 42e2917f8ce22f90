/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: the built-in host. The first byte of the input says what to put right in the packet
 * that follows, since no fuzzer guesses checksums and addresses.
 */
#include "fuzz.h"

#include "exports.h"
#include "far_side.h"
#include "packet.h"
#include "session.h"

enum {
    OWN_ADDRESS = 1,     /* send it to the adapter's address */
    RIGHT_HEADER = 2,    /* the checksum of an IPv4 header */
    RIGHT_MESSAGE = 4,   /* the checksum of an ICMP or ICMPv6 message */
    PING_FIRST = 8,      /* the host has sent a ping to each of its neighbours */
    PINGED_BY_OWN = 16,  /* the packet comes from a neighbour, and has the host's identifier */
    WITH_PING_DATA = 32, /* and the payload of a ping of its own */
};

static const BYTE own_ipv4[4] = {10, 6, 7, 1};
static const BYTE own_ipv6[16] = {0xFD, [15] = 1};
static const BYTE neighbour_ipv4[4] = {10, 6, 7, 2};
static const BYTE neighbour_ipv6[16] = {0xFD, [15] = 2};

static void
add_address(const NET_LUID *luid, ADDRESS_FAMILY family, const BYTE *address, size_t size)
{
    MIB_UNICASTIPADDRESS_ROW row;
    InitializeUnicastIpAddressEntry(&row);
    row.InterfaceLuid = *luid;
    row.Address.si_family = family;
    row.OnLinkPrefixLength = family == IP_HELPER_IPV4 ? 24 : 64;
    memcpy(family == IP_HELPER_IPV4 ? (BYTE *)&row.Address.Ipv4.sin_addr
                                    : (BYTE *)&row.Address.Ipv6.sin6_addr,
           address, size);
    REQUIRE(CreateUnicastIpAddressEntry(&row) == ERROR_SUCCESS);
}

/* A session that no thread of the driver serves. */
static struct WINTUN_SESSION *
make_session(void)
{
    static const WCHAR name[] = {'f', 'u', 'z', 'z', 0};
    static WINTUN_ADAPTER_HANDLE adapter; /* never closed: no leak */
    NET_LUID luid;
    adapter = WintunCreateAdapter(name, name, NULL);
    REQUIRE(adapter != NULL);
    REQUIRE(WintunSimulatorSetWire("fuzz", SIMULATOR_WIRE_MEMORY, 0, 0) == ERROR_SUCCESS);
    WintunGetAdapterLUID(adapter, &luid);
    add_address(&luid, IP_HELPER_IPV4, own_ipv4, sizeof(own_ipv4));
    add_address(&luid, IP_HELPER_IPV6, own_ipv6, sizeof(own_ipv6));
    struct WINTUN_SESSION *session = WintunStartSession(adapter, WINTUN_MIN_RING_CAPACITY);
    REQUIRE(session != NULL);
    return session;
}

/* --- Putting right ---------------------------------------------------------------------------- */

static void
put_addresses(uint32_t mends, BYTE *packet, uint32_t size)
{
    bool ipv4 = packet[0] >> 4 == 4;
    uint32_t address = ipv4 ? 4 : 16;
    uint32_t source = ipv4 ? 12 : 8;
    if (size < source + 2 * address) {
        return;
    }
    if ((mends & OWN_ADDRESS) != 0) {
        memcpy(&packet[source + address], ipv4 ? own_ipv4 : own_ipv6, address);
    }
    if ((mends & PINGED_BY_OWN) != 0) {
        memcpy(&packet[source], ipv4 ? neighbour_ipv4 : neighbour_ipv6, address);
    }
}

static void
put_header_checksum(BYTE *packet, uint32_t size)
{
    uint32_t header = (packet[0] & 15u) * 4;
    if (packet[0] >> 4 == 4 && header >= IPV4_HEADER_SIZE && header <= size) {
        packet_put16(&packet[10], 0);
        packet_put16(&packet[10], packet_finish_sum(packet_sum(0, packet, header)));
    }
}

static void
put_message(const struct WINTUN_SESSION *session, uint32_t mends, BYTE *packet, uint32_t size)
{
    packet_view view;
    if (packet_parse(packet, size, &view) != PACKET_WHOLE || view.payload_size < 4) {
        return;
    }
    BYTE *message = packet + (view.payload - packet);
    if ((mends & PINGED_BY_OWN) != 0 && view.payload_size >= 6) {
        packet_put16(&message[4], session->driver.host.pinger.identifier);
    }
    if ((mends & WITH_PING_DATA) != 0 && view.payload_size >= 8) {
        for (uint32_t i = 8; i < view.payload_size; i++) {
            message[i] = (BYTE)((packet_get16(&message[6]) + i - 8) & 0xFF);
        }
    }
    if ((mends & RIGHT_MESSAGE) != 0) {
        uint32_t sum = view.family == IP_HELPER_IPV4
                           ? 0
                           : packet_pseudo_sum(view.source, view.destination, view.payload_size,
                                               PROTOCOL_ICMPV6);
        packet_put16(&message[2], 0);
        packet_put16(&message[2], packet_finish_sum(packet_sum(sum, message, view.payload_size)));
    }
}

static void
put_right(const struct WINTUN_SESSION *session, uint32_t mends, BYTE *packet, uint32_t size)
{
    if (size == 0) {
        return;
    }
    put_addresses(mends, packet, size);
    if ((mends & RIGHT_HEADER) != 0) {
        put_header_checksum(packet, size);
    }
    put_message(session, mends, packet, size);
}

/* --- What the host says ----------------------------------------------------------------------- */

/* Everything that it sends is whole, with right checksums. */
static void
check_said(const BYTE *packet, uint32_t size)
{
    packet_view view;
    REQUIRE(packet_parse(packet, size, &view) == PACKET_WHOLE);
    uint32_t sum =
        view.family == IP_HELPER_IPV4
            ? 0
            : packet_pseudo_sum(view.source, view.destination, view.payload_size, PROTOCOL_ICMPV6);
    REQUIRE(packet_finish_sum(packet_sum(sum, view.payload, view.payload_size)) == 0);
}

/* How many packets the host sent. */
static unsigned
hear(struct WINTUN_SESSION *session)
{
    unsigned count = 0;
    DWORD size;
    BYTE *packet;
    while ((packet = WintunReceivePacket(session, &size)) != NULL) {
        check_said(packet, size);
        WintunReleaseReceivePacket(session, packet);
        count++;
    }
    return count;
}

/* Waiting pings have the numbers 0 and 1. */
static void
ping_first(struct WINTUN_SESSION *session)
{
    delivery burst;
    host *self = &session->driver.host;
    pinger_order(&self->pinger, 1, 0);
    delivery_begin(&burst, &session->driver.side);
    (void)host_speak(self, &burst);
    delivery_end(&burst);
    REQUIRE(hear(session) >= 2);
}

static void
reset(struct WINTUN_SESSION *session)
{
    pinger *self = &session->driver.host.pinger;
    memset(self->pings, 0, sizeof(self->pings));
    self->sequence = 0;
    self->identifier = 0x1234;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    static struct WINTUN_SESSION *session;
    if (session == NULL) {
        session = make_session();
    }
    fuzz_input input = {data, length};
    uint32_t mends = fuzz_u8(&input);
    uint32_t size = (uint32_t)(input.size < 0xFFFF ? input.size : 0xFFFF);
    BYTE *packet = fuzz_bytes(&input, size);
    reset(session);
    if ((mends & PING_FIRST) != 0) {
        ping_first(session);
    }
    put_right(session, mends, packet, size);
    if (packet_is_ip(packet, size)) { /* the driver lets nothing else pass */
        delivery burst;
        delivery_begin(&burst, &session->driver.side);
        host_receive(&session->driver.host, &burst, packet, size);
        delivery_end(&burst);
        REQUIRE(hear(session) <= 1);
    }
    free(packet);
    return 0;
}
