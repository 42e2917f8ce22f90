/* SPDX-License-Identifier: MIT
 *
 * TCP segments of one flow that follow each other become one packet.
 *
 * The first packet of each output stands for its flow: there is no copy of addresses and ports.
 */
#include "merge.h"

#include "bytes.h"
#include "checksum.h"
#include "headers.h"

#include <string.h>

/* A flow may be in one of so many places of the table, from the one that its hash gives on. */
#define WINDOW 4u

#define NONE UINT32_MAX

/* --- What a packet is ------------------------------------------------------------------------- */

typedef enum packet_kind {
    KIND_OTHER,   /* of no TCP flow */
    KIND_UNKNOWN, /* perhaps of a TCP flow, and of which cannot be told */
    KIND_FLOW,    /* of a TCP flow, not plain */
    KIND_PLAIN
} packet_kind;

/* Where a packet tells its flow. */
typedef struct flow {
    const uint8_t *addresses; /* both */
    uint32_t addresses_size;
    const uint8_t *ports; /* both */
} flow;

/* The bytes of a plain TCP header with its IP header, or 0. */
static inline uint32_t
plain_headers(const uint8_t *packet, uint32_t size, uint32_t ip_size)
{
    const uint8_t *tcp = packet + ip_size;
    uint32_t headers = ip_size + (uint32_t)(tcp[TCP_OFFSET_AT] >> 4) * 4;
    bool plain = headers >= ip_size + TCP_SIZE && headers < size &&
                 (tcp[TCP_OFFSET_AT] & 0x0F) == 0 && (tcp[TCP_FLAGS_AT] & ~TCP_PSH) == TCP_ACK &&
                 get_u16(tcp + TCP_URGENT_AT) == 0;
    return plain ? headers : 0;
}

static inline packet_kind
classify_ipv4(const uint8_t *packet, uint32_t size, flow *found, uint32_t *headers)
{
    uint32_t ip_size = (packet[0] & 0x0Fu) * 4;
    uint32_t fragment = get_u16(packet + IPV4_FRAGMENT_AT);
    if (packet[IPV4_PROTOCOL_AT] != PROTOCOL_TCP) {
        return KIND_OTHER;
    }
    if (ip_size < IPV4_SIZE || size < ip_size + 4 || (fragment & IPV4_OFFSET) != 0) {
        return KIND_UNKNOWN;
    }
    *found = (flow){packet + IPV4_SOURCE_AT, 8, packet + ip_size};
    if (ip_size != IPV4_SIZE || size < IPV4_SIZE + TCP_SIZE ||
        get_u16(packet + IPV4_TOTAL_AT) != size ||
        (fragment | IPV4_DONT_FRAGMENT) != IPV4_DONT_FRAGMENT) {
        return KIND_FLOW;
    }
    *headers = plain_headers(packet, size, IPV4_SIZE);
    return *headers != 0 ? KIND_PLAIN : KIND_FLOW;
}

static inline packet_kind
classify_ipv6(const uint8_t *packet, uint32_t size, flow *found, uint32_t *headers)
{
    if (packet[IPV6_NEXT_AT] != PROTOCOL_TCP) {
        return ipv6_is_extension(packet[IPV6_NEXT_AT]) ? KIND_UNKNOWN : KIND_OTHER;
    }
    if (size < IPV6_SIZE + 4) {
        return KIND_UNKNOWN;
    }
    *found = (flow){packet + IPV6_SOURCE_AT, 32, packet + IPV6_SIZE};
    if (size < IPV6_SIZE + TCP_SIZE ||
        (uint32_t)get_u16(packet + IPV6_PAYLOAD_AT) + IPV6_SIZE != size) {
        return KIND_FLOW;
    }
    *headers = plain_headers(packet, size, IPV6_SIZE);
    return *headers != 0 ? KIND_PLAIN : KIND_FLOW;
}

/* What is no IP packet is of no flow. */
static inline packet_kind
classify(const uint8_t *packet, uint32_t size, flow *found, uint32_t *headers)
{
    unsigned version = size >= IPV4_SIZE ? packet[0] >> 4 : 0;
    *headers = 0;
    if (version == 4) {
        return classify_ipv4(packet, size, found, headers);
    }
    return version == 6 && size >= IPV6_SIZE ? classify_ipv6(packet, size, found, headers)
                                             : KIND_OTHER;
}

/* --- Checksums -------------------------------------------------------------------------------- */

/* The sum of what stands in front of a plain segment's payload and is covered by TCP's checksum:
 * the pseudo header and the TCP header, with its checksum. The addresses lie before it. */
static uint32_t
sum_in_front(const uint8_t *packet, uint32_t ip_size, uint32_t headers, uint32_t size)
{
    uint32_t addresses = ip_size == IPV4_SIZE ? IPV4_SOURCE_AT : IPV6_SOURCE_AT;
    return checksum_header(packet + addresses, headers - addresses) + (size - ip_size) +
           PROTOCOL_TCP;
}

/* Whether a plain packet's checksums are right, and its payload's sum. */
static bool
check(const merge_plan *plan, merge_packet *packet)
{
    if (packet->ip_size == IPV4_SIZE &&
        !checksum_is_right(checksum_header(packet->data, IPV4_SIZE))) {
        return false;
    }
    uint32_t front =
        checksum_fold(sum_in_front(packet->data, packet->ip_size, packet->headers, packet->size));
    if (!plan->verify) {
        packet->payload_sum = (uint16_t)(~front & 0xFFFF);
        return true;
    }
    uint32_t payload = checksum_sum(packet->data + packet->headers, packet->size - packet->headers);
    packet->payload_sum = (uint16_t)payload;
    return checksum_is_right(front + payload);
}

/* --- The table of flows ----------------------------------------------------------------------- */

static bool
is_open(const merge_plan *plan, uint32_t output)
{
    return output >= plan->barrier && plan->outputs[output].open;
}

static inline bool
is_of_flow(const merge_plan *plan, uint32_t output, const flow *sought)
{
    const merge_packet *first = &plan->packets[plan->outputs[output].first];
    const uint8_t *ports = first->data + first->ip_size;
    if (memcmp(ports, sought->ports, 4) != 0) {
        return false;
    }
    return first->ip_size == IPV4_SIZE
               ? sought->addresses_size == 8 && memcmp(ports - 8, sought->addresses, 8) == 0
               : sought->addresses_size == 32 && memcmp(ports - 32, sought->addresses, 32) == 0;
}

static uint32_t
hash_flow(const flow *hashed)
{
    uint32_t hash = get_u32(hashed->ports);
    for (uint32_t i = 0; i < hashed->addresses_size; i += 4) {
        hash = (hash ^ get_u32(hashed->addresses + i)) * UINT32_C(0x9E3779B1);
        hash ^= hash >> 15;
    }
    return hash;
}

/* The open output of a flow, or NONE; *slot becomes the place for its next one. */
static uint32_t
find_output(const merge_plan *plan, const flow *sought, uint32_t *slot)
{
    uint32_t start = hash_flow(sought) % MERGE_SLOTS;
    uint32_t vacant = NONE;
    for (uint32_t i = 0; i < WINDOW; i++) {
        uint32_t place = (start + i) % MERGE_SLOTS;
        uint32_t output = plan->slots[place] - 1;
        if (plan->slots[place] == 0 || !is_open(plan, output)) {
            vacant = vacant == NONE ? place : vacant;
        } else if (is_of_flow(plan, output, sought)) {
            *slot = place;
            return output;
        }
    }
    *slot = vacant == NONE ? start : vacant;
    return NONE;
}

/* --- The plan --------------------------------------------------------------------------------- */

/* Whether a packet is plain, of the flow of a plain one, and says the same as that but for size,
 * sequence number, PSH and checksums. What is alike to a plain one is plain. */
static inline bool
is_alike(const merge_packet *first, const uint8_t *packet, uint32_t size)
{
    const uint8_t *alike = first->data;
    uint32_t ip_size = first->ip_size;
    uint32_t options = first->headers - ip_size - TCP_SIZE;
    if (size <= first->headers) {
        return false;
    }
    bool same = ip_size == IPV4_SIZE
                    ? memcmp(packet, alike, IPV4_TOTAL_AT) == 0 &&
                          get_u16(packet + IPV4_TOTAL_AT) == size &&
                          memcmp(packet + IPV4_FRAGMENT_AT, alike + IPV4_FRAGMENT_AT, 4) == 0 &&
                          memcmp(packet + IPV4_SOURCE_AT, alike + IPV4_SOURCE_AT, 8) == 0
                    : memcmp(packet, alike, IPV6_PAYLOAD_AT) == 0 &&
                          get_u16(packet + IPV6_PAYLOAD_AT) + IPV6_SIZE == size &&
                          memcmp(packet + IPV6_NEXT_AT, alike + IPV6_NEXT_AT, 2) == 0 &&
                          memcmp(packet + IPV6_SOURCE_AT, alike + IPV6_SOURCE_AT, 32) == 0;
    packet += ip_size;
    alike += ip_size;
    return same && memcmp(packet, alike, TCP_SEQUENCE_AT) == 0 &&
           memcmp(packet + TCP_ACKNOWLEDGMENT_AT, alike + TCP_ACKNOWLEDGMENT_AT, 4) == 0 &&
           packet[TCP_OFFSET_AT] == alike[TCP_OFFSET_AT] &&
           (packet[TCP_FLAGS_AT] & ~TCP_PSH) == TCP_ACK &&
           memcmp(packet + TCP_WINDOW_AT, alike + TCP_WINDOW_AT, 2) == 0 &&
           memcmp(packet + TCP_URGENT_AT, alike + TCP_URGENT_AT, 2) == 0 &&
           (options == 0 || memcmp(packet + TCP_SIZE, alike + TCP_SIZE, options) == 0);
}

/* Joins a packet to an open output if it follows what is there; false if it does not. */
static bool
join(merge_plan *plan, uint32_t output, uint32_t index)
{
    merge_output *joined = &plan->outputs[output];
    merge_packet *packet = &plan->packets[index];
    merge_packet *first = &plan->packets[joined->first];
    const uint8_t *tcp = packet->data + first->ip_size;
    uint32_t payload = packet->size - first->headers;
    if (!is_alike(first, packet->data, packet->size) ||
        get_u32(tcp + TCP_SEQUENCE_AT) != joined->next_sequence ||
        payload > plan->max_size - joined->size) {
        return false;
    }
    packet->headers = first->headers;
    packet->ip_size = first->ip_size;
    joined->checked = joined->checked || check(plan, first);
    if (!joined->checked || !check(plan, packet)) {
        return false;
    }
    plan->packets[joined->last].next = index;
    joined->last = index;
    joined->count++;
    joined->size += payload;
    joined->next_sequence += payload;
    joined->push = (tcp[TCP_FLAGS_AT] & TCP_PSH) != 0;
    joined->open = !joined->push;
    return true;
}

/* A packet of the batch as an output of its own. */
static uint32_t
add_output(merge_plan *plan, uint32_t index, bool plain)
{
    const merge_packet *packet = &plan->packets[index];
    uint32_t output = plan->output_count++;
    merge_output *added = &plan->outputs[output];
    *added = (merge_output){packet->size, index, index, 1, 0, false, false, false};
    if (plain) {
        const uint8_t *tcp = packet->data + packet->ip_size;
        added->next_sequence = get_u32(tcp + TCP_SEQUENCE_AT) + packet->size - packet->headers;
        added->open = (tcp[TCP_FLAGS_AT] & TCP_PSH) == 0 && packet->size < plan->max_size;
    }
    return output;
}

void
merge_begin(merge_plan *plan, merge_packet *packets, merge_output *outputs, uint32_t max_size,
            bool verify)
{
    memset(plan, 0, sizeof(*plan));
    plan->packets = packets;
    plan->outputs = outputs;
    plan->max_size = max_size < LARGEST_PACKET ? max_size : LARGEST_PACKET;
    plan->verify = verify;
}

/* Adds a packet that does not follow the last plain one. */
static void
add_other(merge_plan *plan, uint32_t index)
{
    merge_packet *packet = &plan->packets[index];
    flow found;
    uint32_t headers;
    uint32_t slot;
    packet_kind kind = classify(packet->data, packet->size, &found, &headers);
    if (kind == KIND_OTHER || kind == KIND_UNKNOWN) {
        (void)add_output(plan, index, false);
        plan->barrier = kind == KIND_UNKNOWN ? plan->output_count : plan->barrier;
        return;
    }
    uint32_t output = find_output(plan, &found, &slot);
    if (output != NONE && output + 1 != plan->recent && join(plan, output, index)) {
        plan->recent = output + 1;
        return;
    }
    if (output != NONE) {
        plan->outputs[output].open = false;
    }
    packet->headers = (uint16_t)headers;
    packet->ip_size = found.addresses_size == 8 ? IPV4_SIZE : IPV6_SIZE;
    output = add_output(plan, index, kind == KIND_PLAIN);
    if (kind == KIND_PLAIN) {
        plan->slots[slot] = output + 1;
        plan->recent = output + 1;
    }
}

void
merge_add(merge_plan *plan, const void *data, uint32_t size)
{
    uint32_t index = plan->packet_count++;
    plan->packets[index] = (merge_packet){data, size, index, 0, 0, 0};
    if (plan->recent == 0 || !is_open(plan, plan->recent - 1) ||
        !join(plan, plan->recent - 1, index)) {
        add_other(plan, index);
    }
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* Copies the payloads to where they belong behind the headers, and returns their sum. */
static uint32_t
write_payloads(const merge_plan *plan, const merge_output *output, uint8_t *memory)
{
    uint32_t sum = 0;
    uint32_t index = output->first;
    uint32_t offset = 0;
    for (uint32_t i = 0; i < output->count; i++) {
        const merge_packet *packet = &plan->packets[index];
        uint32_t payload = packet->size - packet->headers;
        memcpy(memory + offset, packet->data + packet->headers, payload);
        uint32_t added = packet->payload_sum;
        sum = checksum_fold(sum + (offset % 2 == 0 ? added : checksum_swap(added)));
        offset += payload;
        index = packet->next;
    }
    return sum;
}

void
merge_write(const merge_plan *plan, uint32_t output, void *memory)
{
    const merge_output *written = &plan->outputs[output];
    const merge_packet *first = &plan->packets[written->first];
    uint8_t *packet = memory;
    if (written->count == 1) {
        if (first->size > 0) {
            memcpy(packet, first->data, first->size);
        }
        return;
    }
    memcpy(packet, first->data, first->headers);
    uint32_t sum = write_payloads(plan, written, packet + first->headers);
    uint32_t ip_size = first->ip_size;
    uint8_t *tcp = packet + ip_size;
    if (ip_size == IPV4_SIZE) {
        put_u16(packet + IPV4_TOTAL_AT, written->size);
        ipv4_write_checksum(packet, IPV4_SIZE);
    } else {
        put_u16(packet + IPV6_PAYLOAD_AT, written->size - IPV6_SIZE);
    }
    if (written->push) {
        tcp[TCP_FLAGS_AT] |= TCP_PSH;
    }
    put_u16(tcp + TCP_CHECKSUM_AT, 0);
    sum += sum_in_front(packet, ip_size, first->headers, written->size);
    put_u16(tcp + TCP_CHECKSUM_AT, checksum_finish(sum));
}
