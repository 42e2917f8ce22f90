/* SPDX-License-Identifier: MIT
 *
 * What every fuzz target has: the entry that libFuzzer calls, bytes to decide by, and a demand that
 * ends the process.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The input, taken from the front; zeros behind its end. */
typedef struct fuzz_input {
    const uint8_t *data;
    size_t size;
} fuzz_input;

static inline uint32_t
fuzz_u8(fuzz_input *input)
{
    if (input->size == 0) {
        return 0;
    }
    input->size--;
    return *input->data++;
}

static inline uint32_t
fuzz_u16(fuzz_input *input)
{
    uint32_t high = fuzz_u8(input);
    return high << 8 | fuzz_u8(input);
}

static inline uint32_t
fuzz_u32(fuzz_input *input)
{
    uint32_t high = fuzz_u16(input);
    return high << 16 | fuzz_u16(input);
}

/* The next bytes in memory of exactly their size, so that a sanitizer sees one byte too far. Freed
 * with free(). */
static inline uint8_t *
fuzz_bytes(fuzz_input *input, size_t size)
{
    uint8_t *copy = calloc(1, size);
    REQUIRE(copy != NULL || size == 0);
    size_t there = size < input->size ? size : input->size;
    if (there > 0) {
        memcpy(copy, input->data, there);
        input->data += there;
        input->size -= there;
    }
    return copy;
}

#endif
