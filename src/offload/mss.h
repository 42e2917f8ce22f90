/* SPDX-License-Identifier: MIT
 *
 * The maximum segment size that the ends of a TCP connection tell each other, made to fit a tunnel.
 */
#ifndef MSS_H
#define MSS_H

#include <stdbool.h>
#include <stdint.h>

/* Whether this is a whole TCP packet with SYN, which alone tells a maximum segment size. */
bool mss_is_told(const uint8_t *packet, uint32_t size);

/* Lowers what a TCP packet with SYN tells to what fits in packets of mtu bytes: 40 less with IPv4,
 * 60 less with IPv6 (RFC 9293, section 3.7.1), never to 0. The checksum is updated and so stays
 * right or wrong. Returns whether something was changed; without the option nothing is. */
bool mss_clamp(uint8_t *packet, uint32_t size, uint32_t mtu);

#endif
