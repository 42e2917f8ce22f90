/* SPDX-License-Identifier: MIT
 *
 * The Internet checksum.
 *
 * It may be summed in words of any size and in this machine's byte order (RFC 1071, section 2).
 * Words of 64 bits are summed here, and their carries apart, which are worth as much as the words:
 * two to the 64th is one more than a multiple of 65535. So no addition waits for the carry of
 * another, and two sums grow side by side.
 */
#include "checksum.h"

#include <string.h>

#define BLOCK 32

static inline uint64_t
get_word(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return word;
}

static inline void
add_word(uint64_t *sum, uint64_t *carries, uint64_t word)
{
    *sum += word;
    *carries += *sum < word;
}

/* The sum of fewer bytes than a block, as one of 64-bit words. */
static inline uint64_t
sum_rest(const uint8_t *bytes, size_t size)
{
    uint64_t sum = 0;
    uint64_t carries = 0;
    for (; size >= 8; size -= 8) {
        add_word(&sum, &carries, get_word(bytes));
        bytes += 8;
    }
    sum = (sum & 0xFFFFFFFF) + (sum >> 32) + carries;
    if (size >= 4) {
        uint32_t half;
        memcpy(&half, bytes, 4);
        sum += half;
        bytes += 4;
        size -= 4;
    }
    if (size >= 2) {
        uint16_t quarter;
        memcpy(&quarter, bytes, 2);
        sum += quarter;
        bytes += 2;
        size -= 2;
    }
    if (size > 0) {
        const uint8_t last[2] = {*bytes, 0};
        uint16_t quarter;
        memcpy(&quarter, last, 2);
        sum += quarter;
    }
    return sum;
}

static inline uint64_t
fold_half(uint64_t number)
{
    return (number & 0xFFFFFFFF) + (number >> 32);
}

/* A sum of big-endian 16-bit words out of one of 64-bit words of this machine's. */
static inline uint32_t
finish(uint64_t sum)
{
    uint32_t folded = checksum_fold((uint32_t)fold_half(fold_half(sum)));
    return checksum_is_swapped() ? checksum_swap(folded) : folded;
}

uint32_t
checksum_sum(const void *bytes, size_t size)
{
    const uint8_t *from = bytes;
    uint64_t one = 0;
    uint64_t other = 0;
    uint64_t carries = 0;
    uint64_t other_carries = 0;
    for (; size >= BLOCK; size -= BLOCK) {
        add_word(&one, &carries, get_word(from));
        add_word(&other, &other_carries, get_word(from + 8));
        add_word(&one, &carries, get_word(from + 16));
        add_word(&other, &other_carries, get_word(from + 24));
        from += BLOCK;
    }
    return finish(fold_half(one) + fold_half(other) + carries + other_carries +
                  sum_rest(from, size));
}

uint32_t
checksum_pseudo(const uint8_t *source, const uint8_t *destination, uint32_t address_size,
                uint8_t protocol, uint32_t size)
{
    return checksum_header(source, address_size) + checksum_header(destination, address_size) +
           (size >> 16) + (size & 0xFFFF) + protocol;
}
