/* SPDX-License-Identifier: MIT
 *
 * The Internet checksum (RFC 1071): of any bytes, of a part, and after a change (RFC 1624).
 *
 * A sum here is the ones' complement sum of big-endian 16-bit words. Sums of parts are added as
 * plain numbers; checksum_finish makes the checksum of them. 0 and 0xFFFF are both zero in ones'
 * complement; a sum is 0 only if all its bytes are.
 */
#ifndef CHECKSUM_H
#define CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The sum of bytes that begin at an even place, 0 to 0xFFFF; an odd last byte counts as if a zero
 * byte followed. */
uint32_t checksum_sum(const void *bytes, size_t size);

/* A number as a folded sum, 0 to 0xFFFF. */
static inline uint32_t
checksum_fold(uint32_t sum)
{
    sum = (sum & 0xFFFF) + (sum >> 16);
    return (sum & 0xFFFF) + (sum >> 16);
}

/* A folded sum of bytes as what it is when they begin at an odd place. */
static inline uint32_t
checksum_swap(uint32_t sum)
{
    return (sum << 8 | sum >> 8) & 0xFFFF;
}

/* The checksum of what was summed. */
static inline uint16_t
checksum_finish(uint32_t sum)
{
    return (uint16_t)(~checksum_fold(sum) & 0xFFFF);
}

/* Whether bytes with their own checksum among them are right, by their sum. */
static inline bool
checksum_is_right(uint32_t sum)
{
    return checksum_fold(sum) == 0xFFFF;
}

/* The checksum after words of the sum old_sum became words of the sum new_sum, both folded;
 * equation 3 of RFC 1624, section 3. */
static inline uint16_t
checksum_update(uint16_t checksum, uint32_t old_sum, uint32_t new_sum)
{
    return checksum_finish((~(uint32_t)checksum & 0xFFFF) + (~old_sum & 0xFFFF) + new_sum);
}

/* Whether a sum of words in this machine's byte order has its bytes to be swapped. */
static inline bool
checksum_is_swapped(void)
{
    const uint16_t one = 1;
    uint8_t first;
    memcpy(&first, &one, 1);
    return first == 1;
}

/* The sum of a header, whose bytes come in fours; for so few of them as a header has. */
static inline uint32_t
checksum_header(const uint8_t *header, uint32_t size)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < size; i += 4) {
        uint32_t word;
        memcpy(&word, header + i, sizeof(word));
        sum += word;
    }
    sum = (sum & 0xFFFFFFFF) + (sum >> 32);
    uint32_t folded = checksum_fold((uint32_t)((sum & 0xFFFF) + (sum >> 16)));
    return checksum_is_swapped() ? checksum_swap(folded) : folded;
}

/* The sum of a pseudo header (RFC 9293, RFC 768; RFC 8200, section 8.1). address_size: 4 or 16.
 * size: bytes of the transport's header and its payload. */
uint32_t checksum_pseudo(const uint8_t *source, const uint8_t *destination, uint32_t address_size,
                         uint8_t protocol, uint32_t size);

#endif
