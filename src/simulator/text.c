/* SPDX-License-Identifier: MIT
 *
 * UTF-16 and UTF-8.
 */
#include "text.h"

#include <stdint.h>

#include "wintun.h"

size_t
text_utf16_length(const WCHAR *text, size_t limit)
{
    size_t length = 0;
    while (length < limit && text[length] != 0) {
        length++;
    }
    return length;
}

static size_t
encode_utf8(uint32_t code, char bytes[4])
{
    if (code < 0x80) {
        bytes[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint32_t marks[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = length - 1; i > 0; i--) {
        bytes[i] = (char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    bytes[0] = (char)(marks[length] | code);
    return length;
}

void
text_to_utf8(const WCHAR *text, char *utf8, size_t capacity)
{
    size_t used = 0;
    while (*text != 0) {
        uint32_t code = *text++;
        if (code >= 0xD800 && code < 0xDC00 && *text >= 0xDC00 && *text < 0xE000) {
            code = 0x10000 + ((code - 0xD800) << 10) + ((uint32_t)*text++ - 0xDC00);
        }
        char bytes[4];
        size_t length = encode_utf8(code, bytes);
        if (used + length >= capacity) {
            break;
        }
        for (size_t i = 0; i < length; i++) {
            utf8[used++] = bytes[i];
        }
    }
    utf8[used] = '\0';
}

/* Reads one character; what is not UTF-8, such as a character in more bytes than it needs, becomes
 * U+FFFD. */
static uint32_t
decode_utf8(const char **utf8)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000}; /* of a character, by more bytes */
    const unsigned char *bytes = (const unsigned char *)*utf8;
    uint32_t code = bytes[0];
    size_t more = code < 0x80 ? 0 : code < 0xC2 ? 4 : code < 0xE0 ? 1 : code < 0xF0 ? 2 : 3;
    if (more == 4 || code > 0xF4) {
        *utf8 += 1;
        return 0xFFFD;
    }
    if (more > 0) {
        code &= 0x3Fu >> more;
    }
    for (size_t i = 1; i <= more; i++) {
        if ((bytes[i] & 0xC0) != 0x80) {
            *utf8 += i;
            return 0xFFFD;
        }
        code = code << 6 | (bytes[i] & 0x3Fu);
    }
    *utf8 += more + 1;
    return code >= least[more] && code <= 0x10FFFF ? code : 0xFFFD;
}

void
text_to_utf16(const char *utf8, WCHAR *text, size_t capacity)
{
    size_t used = 0;
    while (*utf8 != '\0' && used + 2 < capacity) {
        uint32_t code = decode_utf8(&utf8);
        if (code >= 0x10000) {
            text[used++] = (WCHAR)(0xD800 + ((code - 0x10000) >> 10));
            code = 0xDC00 + ((code - 0x10000) & 0x3FF);
        }
        text[used++] = (WCHAR)code;
    }
    text[used] = 0;
}

/* A code unit in upper case. The ranges are those of the Unicode Character Database in which a
 * small letter is the capital and a constant, or the code after it. */
static WCHAR
to_upper(WCHAR unit)
{
    static const struct {
        uint16_t first; /* the first and last small letter of the range, */
        uint16_t last;
        uint16_t step;   /* every which code is one, */
        uint16_t offset; /* and how far behind its capital it is */
    } ranges[] = {
        {0x0061, 0x007A, 1, 32},                         /* a to z */
        {0x00E0, 0x00F6, 1, 32},                         /* Latin-1, but for the division sign */
        {0x00F8, 0x00FE, 1, 32}, {0x0101, 0x012F, 2, 1}, /* Latin Extended-A; the dotless i has no
                                                            partner of its own */
        {0x0133, 0x0137, 2, 1}, /* between these pairs stand letters without a capital */
        {0x013A, 0x0148, 2, 1},  {0x014B, 0x0177, 2, 1},  {0x017A, 0x017E, 2, 1},
        {0x03B1, 0x03C1, 1, 32},                          /* Greek, but for the final sigma */
        {0x03C3, 0x03CB, 1, 32}, {0x0430, 0x044F, 1, 32}, /* Cyrillic */
        {0x0450, 0x045F, 1, 80},
    };
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        if (unit >= ranges[i].first && unit <= ranges[i].last &&
            (unit - ranges[i].first) % ranges[i].step == 0) {
            return (WCHAR)(unit - ranges[i].offset);
        }
    }
    return unit;
}

bool
text_is_same_name(const WCHAR *one, const WCHAR *other)
{
    while (*one != 0 && to_upper(*one) == to_upper(*other)) {
        one++;
        other++;
    }
    return *one == 0 && *other == 0;
}

/* A character beyond the first plane has one case here. */
static bool
is_same_code(uint32_t one, uint32_t other)
{
    return one == other ||
           (one < 0x10000 && other < 0x10000 && to_upper((WCHAR)one) == to_upper((WCHAR)other));
}

bool
text_is_same_utf8(const char *one, const char *other)
{
    while (*one != '\0' && *other != '\0') {
        if (!is_same_code(decode_utf8(&one), decode_utf8(&other))) {
            return false;
        }
    }
    return *one == *other;
}

bool
text_is_same_in_utf8(const WCHAR *one, const char *other)
{
    char utf8[4 * WINTUN_MAX_ADAPTER_NAME];
    text_to_utf8(one, utf8, sizeof(utf8));
    return text_is_same_utf8(utf8, other);
}
