/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: what the driver and the host take for a packet. The input is the packet.
 */
#include "fuzz.h"

#include "packet.h"
#include "wintun.h"

static bool
inside(const BYTE *part, uint32_t part_size, const BYTE *packet, uint32_t size)
{
    return part >= packet && part <= packet + size && part_size <= (size_t)(packet + size - part);
}

/* The Internet checksum as RFC 1071 tells it, word by word. */
static uint16_t
slow_checksum(const BYTE *bytes, uint32_t size)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < size; i++) {
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    return (uint16_t)(~sum & 0xFFFF);
}

static void
check_view(const packet_view *view, const BYTE *packet, uint32_t size)
{
    uint32_t address = view->family == IP_HELPER_IPV4 ? 4 : 16;
    REQUIRE(view->family == IP_HELPER_IPV4 || view->family == IP_HELPER_IPV6);
    REQUIRE(packet[0] >> 4 == (view->family == IP_HELPER_IPV4 ? 4 : 6));
    REQUIRE(inside(view->source, address, packet, size));
    REQUIRE(inside(view->destination, address, packet, size));
    REQUIRE(inside(view->payload, view->payload_size, packet, size));
    REQUIRE(view->payload >= view->destination + address);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    fuzz_input input = {data, length};
    uint32_t size = (uint32_t)(length < WINTUN_MAX_IP_PACKET_SIZE ? length : 0xFFFF);
    BYTE *packet = fuzz_bytes(&input, size);
    packet_view view;
    packet_verdict verdict = packet_parse(packet, size, &view);
    REQUIRE(packet_finish_sum(packet_sum(0, packet, size)) == slow_checksum(packet, size));
    unsigned version = size > 0 ? packet[0] >> 4 : 0;
    REQUIRE(packet_is_ip(packet, size) ==
            ((version == 4 && size >= 20) || (version == 6 && size >= 40)));
    if (verdict != PACKET_IGNORED) {
        REQUIRE(packet_is_ip(packet, size));
    }
    if (verdict == PACKET_WHOLE) {
        check_view(&view, packet, size);
    }
    if (size >= IPV4_HEADER_SIZE) {
        packet_write_numbered(packet, size);
        packet_write_number(packet, size * 0x10001);
        REQUIRE(packet_parse(packet, size, &view) == PACKET_WHOLE);
        check_view(&view, packet, size);
        REQUIRE(view.payload_size == size - IPV4_HEADER_SIZE);
    }
    free(packet);
    return 0;
}
