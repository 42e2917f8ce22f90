/* SPDX-License-Identifier: MIT
 *
 * The headers of an IP packet as its bytes tell them: none is believed beyond the bytes that are
 * there.
 */
#ifndef HEADERS_H
#define HEADERS_H

#include <stdbool.h>
#include <stdint.h>

/* The largest total that an IPv4 header can tell, and the largest packet that the ring takes. */
#define LARGEST_PACKET 65535u

#define IPV4_SIZE 20u /* without options */
#define IPV6_SIZE 40u
#define TCP_SIZE 20u /* without options */
#define UDP_SIZE 8u
#define ICMP_SIZE 8u

enum { IPV4_DONT_FRAGMENT = 0x4000, IPV4_MORE_FRAGMENTS = 0x2000, IPV4_OFFSET = 0x1FFF };

/* Protocol numbers of IANA. */
enum {
    PROTOCOL_HOP_BY_HOP = 0,
    PROTOCOL_ICMP = 1,
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    PROTOCOL_ROUTING = 43,
    PROTOCOL_FRAGMENT = 44,
    PROTOCOL_ESP = 50,
    PROTOCOL_AUTHENTICATION = 51,
    PROTOCOL_ICMPV6 = 58,
    PROTOCOL_DESTINATION = 60,
    PROTOCOL_MOBILITY = 135,
    PROTOCOL_HOST_IDENTITY = 139,
    PROTOCOL_SHIM6 = 140
};

enum {
    TCP_FIN = 0x01,
    TCP_SYN = 0x02,
    TCP_RST = 0x04,
    TCP_PSH = 0x08,
    TCP_ACK = 0x10,
    TCP_URG = 0x20,
    TCP_ECE = 0x40,
    TCP_CWR = 0x80
};

/* Where fields are, counted from the start of the header that they are in. */
enum {
    IPV4_TOTAL_AT = 2,
    IPV4_ID_AT = 4,
    IPV4_FRAGMENT_AT = 6,
    IPV4_TTL_AT = 8,
    IPV4_PROTOCOL_AT = 9,
    IPV4_CHECKSUM_AT = 10,
    IPV4_SOURCE_AT = 12,
    IPV4_DESTINATION_AT = 16,
    IPV6_PAYLOAD_AT = 4,
    IPV6_NEXT_AT = 6,
    IPV6_HOPS_AT = 7,
    IPV6_SOURCE_AT = 8,
    IPV6_DESTINATION_AT = 24,
    TCP_SEQUENCE_AT = 4,
    TCP_ACKNOWLEDGMENT_AT = 8,
    TCP_OFFSET_AT = 12,
    TCP_FLAGS_AT = 13,
    TCP_WINDOW_AT = 14,
    TCP_CHECKSUM_AT = 16,
    TCP_URGENT_AT = 18,
    UDP_LENGTH_AT = 4,
    UDP_CHECKSUM_AT = 6,
    ICMP_CHECKSUM_AT = 2
};

typedef struct ip_headers {
    unsigned version;           /* 4 or 6 */
    const uint8_t *source;      /* addresses of address_size bytes */
    const uint8_t *destination; /* */
    uint32_t address_size;
    uint32_t total;         /* bytes of the packet by its own header; all of them are there */
    uint32_t transport;     /* where the header behind those of IP begins; at most total */
    uint8_t protocol;       /* of that */
    bool is_fragment;       /* the first or a later one */
    bool is_later_fragment; /* which has no header of the transport */
    bool is_routed;         /* the destination is not the last one (IPv6) */
    bool has_extensions;    /* options (IPv4) or extension headers (IPv6) */
} ip_headers;

/* Reads them; false if this is no whole IP packet: another version, headers that do not fit, more
 * bytes told than there are. Checksums are not looked at. */
bool ip_parse(const uint8_t *packet, uint32_t size, ip_headers *headers);

/* Whether a protocol number means an extension header of IPv6, or one that hides the others. */
bool ipv6_is_extension(uint8_t protocol);

/* The bytes of the TCP header behind IP's, or 0: not TCP, a fragment, or a header that does not
 * fit. */
uint32_t tcp_header_size(const uint8_t *packet, const ip_headers *headers);

/* Whether the checksum of an IPv4 header is right; true for IPv6, which has none. */
bool ip_checksum_is_right(const uint8_t *packet, const ip_headers *headers);

/* Writes the checksum of an IPv4 header of so many bytes. */
void ipv4_write_checksum(uint8_t *packet, uint32_t header_size);

#endif
