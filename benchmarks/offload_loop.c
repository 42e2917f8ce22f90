/* SPDX-License-Identifier: MIT
 *
 * Loops over src/offload/ and what they are compared with, for benchmarks/offload.py: each writes
 * turns batches to memory that is used round and round, as a ring is.
 */
#include "offload/checksum.h"
#include "offload/merge.h"
#include "offload/split.h"

#include <string.h>

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT
#endif

#define MOST 64u

/* A batch of packets of one size, one behind the other, and where they are written. */
typedef struct work {
    const uint8_t *packets;
    uint32_t count; /* at most MOST */
    uint32_t size;
    uint8_t *ring;
    size_t capacity;
    uint32_t turns;
    uint32_t sum; /* of all sums, so that none is left out */
} work;

/* The next place in the ring for so many bytes. */
static uint8_t *
place(const work *done, size_t *used, size_t size)
{
    if (*used + size > done->capacity) {
        *used = 0;
    }
    uint8_t *memory = done->ring + *used;
    *used += (size + 7) / 4 * 4;
    return memory;
}

/* The Internet checksum as RFC 1071 gives it in C, in words of 16 bits. */
static uint32_t
plain_sum(const uint8_t *bytes, uint32_t size)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i + 1 < size; i += 2) {
        uint16_t word;
        memcpy(&word, bytes + i, sizeof(word));
        sum += word;
    }
    return size % 2 != 0 ? sum + bytes[size - 1] : sum;
}

typedef uint32_t sum_function(const uint8_t *bytes, uint32_t size);

static uint32_t
own_sum(const uint8_t *bytes, uint32_t size)
{
    return checksum_sum(bytes, size);
}

static void
copy_and_sum(work *done, bool copies, sum_function *sum)
{
    size_t used = 0;
    for (uint32_t turn = 0; turn < done->turns; turn++) {
        for (uint32_t i = 0; i < done->count; i++) {
            const uint8_t *packet = done->packets + (size_t)i * done->size;
            if (copies) {
                memcpy(place(done, &used, done->size), packet, done->size);
            }
            if (sum != NULL) {
                done->sum += sum(packet, done->size);
            }
        }
    }
}

EXPORT void
loop_copy(work *done)
{
    copy_and_sum(done, true, NULL);
}

EXPORT void
loop_copy_and_plain_sum(work *done)
{
    copy_and_sum(done, true, plain_sum);
}

EXPORT void
loop_copy_and_sum(work *done)
{
    copy_and_sum(done, true, own_sum);
}

EXPORT void
loop_sum(work *done)
{
    copy_and_sum(done, false, own_sum);
}

EXPORT void
loop_plain_sum(work *done)
{
    copy_and_sum(done, false, plain_sum);
}

static void
merge_all(work *done, bool verify)
{
    merge_packet packets[MOST];
    merge_output outputs[MOST];
    merge_plan plan;
    size_t used = 0;
    for (uint32_t turn = 0; turn < done->turns; turn++) {
        merge_begin(&plan, packets, outputs, 65535, verify);
        for (uint32_t i = 0; i < done->count; i++) {
            merge_add(&plan, done->packets + (size_t)i * done->size, done->size);
        }
        for (uint32_t i = 0; i < plan.output_count; i++) {
            merge_write(&plan, i, place(done, &used, outputs[i].size));
        }
        done->sum += plan.output_count;
    }
}

EXPORT void
loop_merge(work *done)
{
    merge_all(done, true);
}

EXPORT void
loop_merge_trusted(work *done)
{
    merge_all(done, false);
}

/* packets: one large packet of so many bytes; size: that of a segment. */
EXPORT void
loop_split(work *done, uint32_t large)
{
    uint16_t sums[MOST];
    split_plan plan;
    size_t used = 0;
    for (uint32_t turn = 0; turn < done->turns; turn++) {
        if (split_begin(&plan, done->packets, large, done->size) && split_sum(&plan, sums)) {
            for (uint32_t i = 0; i < plan.count; i++) {
                split_write(&plan, i, place(done, &used, split_size(&plan, i)));
            }
            done->sum += plan.count;
        }
    }
}
