/* SPDX-License-Identifier: MIT
 *
 * Numbers in a packet's bytes: big-endian, at any address.
 */
#ifndef BYTES_H
#define BYTES_H

#include <stdint.h>

static inline uint16_t
get_u16(const uint8_t *bytes)
{
    return (uint16_t)((unsigned)bytes[0] << 8 | bytes[1]);
}

static inline uint32_t
get_u32(const uint8_t *bytes)
{
    return (uint32_t)get_u16(bytes) << 16 | get_u16(bytes + 2);
}

/* The lower 16 bits. */
static inline void
put_u16(uint8_t *bytes, uint32_t number)
{
    bytes[0] = (uint8_t)(number >> 8 & 0xFF);
    bytes[1] = (uint8_t)(number & 0xFF);
}

static inline void
put_u32(uint8_t *bytes, uint32_t number)
{
    put_u16(bytes, number >> 16);
    put_u16(bytes + 2, number);
}

#endif
