/* SPDX-License-Identifier: MIT
 *
 * TCP segments of one flow that follow each other become one packet, as a network card with
 * "receive offload" makes of them for a kernel.
 *
 * Two steps. A plan over a batch tells what goes out and how large each of it is, so that the
 * caller can get memory of that size, as in a ring; then each is written there, and its bytes are
 * copied once. A packet's bytes are read in both steps, and only there: if another thread changes
 * them meanwhile, what goes out is wrong, but nothing is read or written beyond the sizes given.
 *
 * Joined are segments that are plain and alike. Plain: IPv4 without options or fragments, or IPv6
 * without extension headers; with a payload; with no flag but ACK, and PSH on the last; with the
 * sizes that their headers tell, and right checksums. Alike: addresses, ports, acknowledgment,
 * window, time to live, traffic class, flow label, "don't fragment", and all TCP options. Each
 * begins with the sequence number at which the one before it ends. The identifications of IPv4
 * headers are not compared: they mean something in fragments only; the first one's stays.
 *
 * All else goes out as it is. What a plan gives out is in the order of the first packets, and the
 * packets of a flow keep their order: nothing is joined over a packet of its flow, nor over one
 * whose flow cannot be told (as of a later fragment).
 */
#ifndef MERGE_H
#define MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A packet of the batch. */
typedef struct merge_packet {
    const uint8_t *data;
    uint32_t size;
    uint32_t next;        /* the packet behind it in what goes out, if it is not the last */
    uint16_t headers;     /* bytes of IP and TCP headers; 0: not plain */
    uint16_t payload_sum; /* of one that was joined with others */
    uint8_t ip_size;      /* bytes of the IP header of a plain one */
} merge_packet;

/* What goes out: one packet of the batch as it is, or more of them joined. */
typedef struct merge_output {
    uint32_t size;  /* bytes */
    uint32_t first; /* packets of the batch */
    uint32_t last;
    uint32_t count;
    uint32_t next_sequence; /* the sequence number that a segment to join has */
    bool open;              /* more may be joined */
    bool checked;           /* the first one's checksums are right, its payload_sum is known */
    bool push;              /* the last one has PSH */
} merge_output;

/* Flows that are known at a time. When two fall on the same places of the table, the older one is
 * joined no further: less is merged then, and nothing is wrong. */
#define MERGE_SLOTS 256u

typedef struct merge_plan {
    merge_packet *packets;
    merge_output *outputs;
    uint32_t packet_count;
    uint32_t output_count;
    uint32_t max_size;
    uint32_t recent;  /* the output of the last plain packet, and 1 */
    uint32_t barrier; /* outputs before it are not open */
    bool verify;
    uint32_t slots[MERGE_SLOTS]; /* outputs, and 1; 0 is none */
} merge_plan;

/* Begins a plan. packets and outputs: memory for as many of each as will be added, kept until the
 * last merge_write. max_size: the most bytes that packets are joined to, at most 65535.
 *
 * verify: sum each segment's payload before it is joined. Without it the checksums are taken for
 * right, as whoever has authenticated the packets may do, and the payload is read only when it is
 * copied: the checksum of what goes out is made of those of the segments, and wrong if one was. */
void merge_begin(merge_plan *plan, merge_packet *packets, merge_output *outputs, uint32_t max_size,
                 bool verify);

/* Adds the next packet of the batch, which stays where it is until the last merge_write. */
void merge_add(merge_plan *plan, const void *data, uint32_t size);

/* Writes outputs[output], which has outputs[output].size bytes, to memory. In any order, and from
 * any thread: the plan is not changed. */
void merge_write(const merge_plan *plan, uint32_t output, void *memory);

#endif
