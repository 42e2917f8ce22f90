/* SPDX-License-Identifier: MIT
 *
 * The Internet checksum.
 *
 * It may be summed in words of any size and in this machine's byte order (RFC 1071, section 2).
 * Words of 64 bits are summed here, once whole, where the sum loses its carries, and once their
 * upper halves alone. The sum of the lower halves is what is left of the first without the second:
 * nothing was lost, and there is no carry to wait for. The loops are written so that compilers make
 * vector instructions of them.
 */
#include "checksum.h"

#include <string.h>

#define BLOCK 16

/* The halves' sums do not overflow in so many bytes, nor does the sum of all of them. */
#define MOST_AT_ONCE ((size_t)1 << 30)

typedef struct lanes {
    uint64_t whole[2];
    uint64_t upper[2];
} lanes;

static inline void
add_block(lanes *sums, const uint64_t words[2])
{
    for (int i = 0; i < 2; i++) {
        sums->whole[i] += words[i];
        sums->upper[i] += words[i] >> 32;
    }
}

static bool
is_little_endian(void)
{
    const uint16_t one = 1;
    uint8_t first;
    memcpy(&first, &one, 1);
    return first == 1;
}

static uint32_t
fold_lanes(const lanes *sums)
{
    uint64_t sum = 0;
    for (int i = 0; i < 2; i++) {
        sum += sums->upper[i] + (sums->whole[i] - (sums->upper[i] << 32));
    }
    sum = (sum & 0xFFFFFFFF) + (sum >> 32);
    sum = (sum & 0xFFFFFFFF) + (sum >> 32);
    sum = (sum & 0xFFFF) + (sum >> 16);
    uint32_t folded = checksum_fold((uint32_t)sum);
    return is_little_endian() ? checksum_swap(folded) : folded;
}

static uint32_t
sum_some(const uint8_t *bytes, size_t size)
{
    lanes sums = {{0, 0}, {0, 0}};
    uint64_t words[2];
    for (; size >= BLOCK; size -= BLOCK) {
        memcpy(words, bytes, BLOCK);
        add_block(&sums, words);
        bytes += BLOCK;
    }
    if (size > 0) {
        memset(words, 0, sizeof(words));
        memcpy(words, bytes, size);
        add_block(&sums, words);
    }
    return fold_lanes(&sums);
}

uint32_t
checksum_sum(const void *bytes, size_t size)
{
    const uint8_t *from = bytes;
    uint32_t sum = 0;
    for (; size > MOST_AT_ONCE; size -= MOST_AT_ONCE) {
        sum = checksum_fold(sum + sum_some(from, MOST_AT_ONCE));
        from += MOST_AT_ONCE;
    }
    return checksum_fold(sum + sum_some(from, size));
}

static uint32_t
copy_some(uint8_t *to, const uint8_t *from, size_t size)
{
    lanes sums = {{0, 0}, {0, 0}};
    uint64_t words[2];
    for (; size >= BLOCK; size -= BLOCK) {
        memcpy(words, from, BLOCK);
        memcpy(to, words, BLOCK);
        add_block(&sums, words);
        from += BLOCK;
        to += BLOCK;
    }
    if (size > 0) {
        memset(words, 0, sizeof(words));
        memcpy(words, from, size);
        memcpy(to, words, size);
        add_block(&sums, words);
    }
    return fold_lanes(&sums);
}

uint32_t
checksum_copy(void *to, const void *from, size_t size)
{
    const uint8_t *next = from;
    uint8_t *place = to;
    uint32_t sum = 0;
    for (; size > MOST_AT_ONCE; size -= MOST_AT_ONCE) {
        sum = checksum_fold(sum + copy_some(place, next, MOST_AT_ONCE));
        next += MOST_AT_ONCE;
        place += MOST_AT_ONCE;
    }
    return checksum_fold(sum + copy_some(place, next, size));
}

uint32_t
checksum_pseudo(const uint8_t *source, const uint8_t *destination, uint32_t address_size,
                uint8_t protocol, uint32_t size)
{
    return checksum_sum(source, address_size) + checksum_sum(destination, address_size) +
           (size >> 16) + (size & 0xFFFF) + protocol;
}
