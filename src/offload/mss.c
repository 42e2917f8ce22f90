/* SPDX-License-Identifier: MIT
 *
 * The maximum segment size of TCP.
 */
#include "mss.h"

#include "bytes.h"
#include "checksum.h"
#include "headers.h"

enum { OPTION_END = 0, OPTION_NOTHING = 1, OPTION_MSS = 2, OPTION_MSS_SIZE = 4 };

/* Where the TCP header with SYN is, and its size; 0 if there is none. */
static uint32_t
find_syn(const uint8_t *packet, uint32_t size, ip_headers *headers)
{
    uint32_t tcp_size = ip_parse(packet, size, headers) ? tcp_header_size(packet, headers) : 0;
    return tcp_size > 0 && (packet[headers->transport + TCP_FLAGS_AT] & TCP_SYN) != 0 ? tcp_size
                                                                                      : 0;
}

bool
mss_is_told(const uint8_t *packet, uint32_t size)
{
    ip_headers headers;
    return find_syn(packet, size, &headers) > 0;
}

/* Writes a number of 16 bits that begins at any place of a TCP header, and updates the checksum. */
static void
replace(uint8_t *tcp, uint32_t place, uint32_t number)
{
    uint32_t before = get_u16(tcp + place);
    put_u16(tcp + place, number);
    if (place % 2 != 0) {
        before = checksum_swap(before);
        number = checksum_swap(number);
    }
    uint16_t checksum = get_u16(tcp + TCP_CHECKSUM_AT);
    put_u16(tcp + TCP_CHECKSUM_AT, checksum_update(checksum, before, number));
}

bool
mss_clamp(uint8_t *packet, uint32_t size, uint32_t mtu)
{
    ip_headers headers;
    bool changed = false;
    uint32_t tcp_size = find_syn(packet, size, &headers);
    if (tcp_size == 0) {
        return false;
    }
    uint8_t *tcp = packet + headers.transport;
    uint32_t in_front = (headers.version == 4 ? IPV4_SIZE : IPV6_SIZE) + TCP_SIZE;
    uint32_t most = mtu > in_front ? mtu - in_front : 1;
    uint32_t place = TCP_SIZE;
    while (place < tcp_size && tcp[place] != OPTION_END) {
        if (tcp[place] == OPTION_NOTHING) {
            place++;
            continue;
        }
        uint32_t length = place + 1 < tcp_size ? tcp[place + 1] : 0;
        if (length < 2 || length > tcp_size - place) {
            break; /* what follows cannot be told */
        }
        if (tcp[place] == OPTION_MSS && length == OPTION_MSS_SIZE &&
            get_u16(tcp + place + 2) > most) {
            replace(tcp, place + 2, most);
            changed = true;
        }
        place += length;
    }
    return changed;
}
