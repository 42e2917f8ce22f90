/* SPDX-License-Identifier: MIT
 *
 * UTF-16 and UTF-8.
 */
#include "text.h"

#include <stdint.h>

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
