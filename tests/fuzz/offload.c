/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: merging, splitting and checksums of packets. The input says which packets there are:
 * bytes of its own, or what follows the one before with some bytes changed.
 */
#include "fuzz.h"

#include "offload/bytes.h"
#include "offload/checksum.h"
#include "offload/headers.h"
#include "offload/merge.h"
#include "offload/mss.h"
#include "offload/packet_sums.h"
#include "offload/split.h"
#include "offload/too_big.h"

enum { MOST_PACKETS = 16, LARGEST = 1500 };

enum { OWN_BYTES = 1, RIGHT_SUMS = 2 };

typedef struct packet {
    uint8_t *data; /* memory of exactly its size */
    uint32_t size;
} packet;

/* --- Packets ---------------------------------------------------------------------------------- */

/* Where a TCP header may be, or 0. */
static uint32_t
tcp_place(const packet *looked_at)
{
    ip_headers headers;
    return ip_parse(looked_at->data, looked_at->size, &headers) &&
                   tcp_header_size(looked_at->data, &headers) > 0
               ? headers.transport
               : 0;
}

/* The packet behind another one in its stream. */
static packet
following(const packet *before)
{
    packet made = {malloc(before->size > 0 ? before->size : 1), before->size};
    REQUIRE(made.data != NULL);
    if (before->size > 0) {
        memcpy(made.data, before->data, before->size);
    }
    uint32_t place = tcp_place(before);
    if (place > 0) {
        ip_headers headers;
        REQUIRE(ip_parse(before->data, before->size, &headers));
        uint32_t payload = headers.total - place - tcp_header_size(before->data, &headers);
        uint8_t *sequence = made.data + place + TCP_SEQUENCE_AT;
        put_u32(sequence, get_u32(sequence) + payload);
    }
    return made;
}

static packet
next_packet(fuzz_input *input, const packet *before)
{
    uint32_t kind = fuzz_u8(input);
    packet made;
    if (before == NULL || (kind & OWN_BYTES) != 0) {
        made.size = fuzz_u16(input) % LARGEST;
        made.data = fuzz_bytes(input, made.size);
    } else {
        made = following(before);
        for (uint32_t changes = kind >> 6; changes > 0 && made.size > 0; changes--) {
            uint32_t place = fuzz_u8(input);
            made.data[place % made.size] ^= (uint8_t)fuzz_u8(input);
        }
    }
    if ((kind & RIGHT_SUMS) != 0) {
        (void)packet_sums_write(made.data, made.size);
    }
    return made;
}

/* --- Checksums -------------------------------------------------------------------------------- */

/* The checksum as RFC 1071 tells it, word by word. */
static uint16_t
slow_checksum(const uint8_t *bytes, size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i++) {
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    return (uint16_t)(~sum & 0xFFFF);
}

static void
check_sums(const packet *checked)
{
    for (uint32_t start = 0; start < 3 && start < checked->size; start++) {
        const uint8_t *bytes = checked->data + start;
        uint32_t size = checked->size - start;
        REQUIRE(checksum_finish(checksum_sum(bytes, size)) == slow_checksum(bytes, size));
        REQUIRE(checksum_header(bytes, size & ~UINT32_C(3)) ==
                checksum_sum(bytes, size & ~UINT32_C(3)));
    }
}

/* --- What is made of one packet --------------------------------------------------------------- */

static void
check_split(const packet *whole, uint32_t most)
{
    split_plan plan;
    if (!split_begin(&plan, whole->data, whole->size, most)) {
        return;
    }
    uint16_t *sums = malloc(plan.count * sizeof(*sums));
    REQUIRE(sums != NULL && plan.count > 1);
    if (!split_sum(&plan, sums)) {
        REQUIRE(!packet_sums_are_right(whole->data, whole->size));
        free(sums);
        return;
    }
    REQUIRE(packet_sums_are_right(whole->data, whole->size));
    uint32_t offset = plan.headers;
    for (uint32_t i = 0; i < plan.count; i++) {
        uint32_t size = split_size(&plan, i);
        uint8_t *segment = malloc(size);
        REQUIRE(segment != NULL && size <= most && size > plan.headers);
        split_write(&plan, i, segment);
        REQUIRE(packet_sums_are_right(segment, size));
        REQUIRE(memcmp(segment + plan.headers, whole->data + offset, size - plan.headers) == 0);
        offset += size - plan.headers;
        free(segment);
    }
    REQUIRE(offset == whole->size);
    free(sums);
}

static void
check_answers(const packet *asked, uint32_t mtu)
{
    uint8_t answer[TOO_BIG_IPV6_SIZE];
    uint32_t size = too_big_answer(asked->data, asked->size, mtu, NULL, answer);
    REQUIRE(size <= sizeof(answer));
    if (size > 0) {
        REQUIRE(packet_sums_are_right(answer, size));
        REQUIRE(asked->size > mtu);
    }
    packet changed = {malloc(asked->size > 0 ? asked->size : 1), asked->size};
    REQUIRE(changed.data != NULL);
    if (asked->size > 0) {
        memcpy(changed.data, asked->data, asked->size);
    }
    bool right = packet_sums_are_right(asked->data, asked->size);
    if (mss_clamp(changed.data, changed.size, mtu)) {
        REQUIRE(mss_is_told(asked->data, asked->size));
        REQUIRE(packet_sums_are_right(changed.data, changed.size) == right);
        REQUIRE(!mss_clamp(changed.data, changed.size, mtu));
    }
    free(changed.data);
}

/* --- What is made of all of them -------------------------------------------------------------- */

static void
check_output(const merge_plan *plan, uint32_t output, bool trusted, uint32_t most)
{
    const merge_output *looked_at = &plan->outputs[output];
    packet made = {malloc(looked_at->size > 0 ? looked_at->size : 1), looked_at->size};
    REQUIRE(made.data != NULL);
    merge_write(plan, output, made.data);
    const merge_packet *first = &plan->packets[looked_at->first];
    if (looked_at->count == 1) {
        REQUIRE(looked_at->size == first->size);
        REQUIRE(first->size == 0 || memcmp(made.data, first->data, first->size) == 0);
    } else {
        REQUIRE(looked_at->size <= plan->max_size);
        REQUIRE(trusted || packet_sums_are_right(made.data, made.size));
        uint32_t offset = first->headers;
        uint32_t index = looked_at->first;
        for (uint32_t i = 0; i < looked_at->count; i++) {
            const merge_packet *each = &plan->packets[index];
            uint32_t payload = each->size - each->headers;
            REQUIRE(trusted || packet_sums_are_right(each->data, each->size));
            REQUIRE(memcmp(made.data + offset, each->data + each->headers, payload) == 0);
            offset += payload;
            REQUIRE(i + 1 == looked_at->count ? index == looked_at->last : each->next > index);
            index = each->next;
        }
        REQUIRE(offset == made.size);
    }
    check_split(&made, most);
    free(made.data);
}

static void
check_merge(const packet *batch, uint32_t count, uint32_t max_size, bool verify, uint32_t most)
{
    merge_packet packets[MOST_PACKETS];
    merge_output outputs[MOST_PACKETS];
    merge_plan plan;
    uint32_t joined = 0;
    merge_begin(&plan, packets, outputs, max_size, verify);
    for (uint32_t i = 0; i < count; i++) {
        merge_add(&plan, batch[i].data, batch[i].size);
    }
    REQUIRE(plan.packet_count == count);
    for (uint32_t i = 0; i < plan.output_count; i++) {
        REQUIRE(i == 0 || outputs[i].first > outputs[i - 1].first);
        joined += outputs[i].count;
        check_output(&plan, i, !verify, most);
    }
    REQUIRE(joined == count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    fuzz_input input = {data, length};
    packet batch[MOST_PACKETS];
    uint32_t count = 0;
    uint32_t max_size = 68 + fuzz_u16(&input);
    uint32_t most = 68 + fuzz_u8(&input);
    while (input.size > 0 && count < MOST_PACKETS) {
        batch[count] = next_packet(&input, count > 0 ? &batch[count - 1] : NULL);
        check_sums(&batch[count]);
        check_answers(&batch[count], most);
        count++;
    }
    check_merge(batch, count, max_size, true, most);
    check_merge(batch, count, max_size, false, most);
    while (count > 0) {
        free(batch[--count].data);
    }
    return 0;
}
