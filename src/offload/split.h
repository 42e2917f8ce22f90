/* SPDX-License-Identifier: MIT
 *
 * A TCP packet that is too large leaves as segments, as a kernel's segmentation makes them.
 *
 * Their headers are the packet's but for this: the sequence number of each is where its payload
 * begins; PSH and FIN stay on the last alone, CWR on the first alone; the identifications of IPv4
 * count on; sizes and checksums are each one's own.
 */
#ifndef SPLIT_H
#define SPLIT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct split_plan {
    const uint8_t *packet;
    uint32_t size;
    uint32_t count;   /* segments */
    uint32_t headers; /* bytes of each one's headers */
    uint32_t ip_size; /* and of IP's among them */
    bool is_ipv4;
    uint32_t payload;     /* bytes of each one's payload, but the last one's */
    uint32_t last;        /* and of that */
    const uint16_t *sums; /* of the payloads */
} split_plan;

/* Plans the segments, of at most most bytes each, headers included. False: the packet is to be left
 * whole. It has no more than most bytes; or it cannot be split: it is no TCP segment with a
 * payload, a fragment, has extension headers (IPv6), SYN, RST or URG, headers that leave no room
 * for a payload, sizes that are not told right, or a wrong IPv4 checksum.
 *
 * The packet stays where it is until the last split_write. As with merge.h, nothing is read or
 * written beyond the sizes if it is changed meanwhile. */
bool split_begin(split_plan *plan, const void *packet, uint32_t size, uint32_t most);

/* Sums the payloads, which is the one time that they are read besides copying. sums: memory for
 * plan->count of them, kept until the last split_write. False: the packet's checksum is wrong, and
 * it is to be left whole, for those of segments would be right. */
bool split_sum(split_plan *plan, uint16_t *sums);

/* The bytes of a segment, 0 to count - 1. */
static inline uint32_t
split_size(const split_plan *plan, uint32_t segment)
{
    return plan->headers + (segment + 1 < plan->count ? plan->payload : plan->last);
}

/* Writes a segment to memory, after split_sum. In any order, and from any thread. */
void split_write(const split_plan *plan, uint32_t segment, void *memory);

#endif
