/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: UTF-8 to UTF-16 and back. The first byte of the input is the room for the result,
 * the others are the text.
 */
#include "fuzz.h"

#include "text.h"

/* The text as a zero-terminated string of exactly its size. */
static char *
take_utf8(fuzz_input input)
{
    size_t size = input.size;
    char *text = (char *)fuzz_bytes(&input, size + 1);
    text[size] = '\0';
    return text;
}

static WCHAR *
take_utf16(fuzz_input input)
{
    size_t size = input.size / sizeof(WCHAR);
    WCHAR *text = (WCHAR *)(void *)fuzz_bytes(&input, (size + 1) * sizeof(WCHAR));
    text[size] = 0;
    return text;
}

static WCHAR *
to_utf16(const char *utf8, size_t room)
{
    WCHAR *text = malloc(room * sizeof(WCHAR));
    REQUIRE(text != NULL);
    text_to_utf16(utf8, text, room);
    REQUIRE(text_utf16_length(text, room) < room);
    return text;
}

static char *
to_utf8(const WCHAR *text, size_t room)
{
    char *utf8 = malloc(room);
    REQUIRE(utf8 != NULL);
    text_to_utf8(text, utf8, room);
    REQUIRE(memchr(utf8, 0, room) != NULL);
    return utf8;
}

/* Whatever else is in a text, its ASCII characters are those of the other text, in their order: no
 * longer spelling of a character passes for it. */
static void
require_same_ascii(const char *one, const char *other)
{
    do {
        for (; (*one & 0x80) != 0; one++) {
        }
        for (; (*other & 0x80) != 0; other++) {
        }
        REQUIRE(*one == *other);
        other++;
    } while (*one++ != '\0');
}

static void
check_from_utf8(const char *utf8)
{
    size_t length = strlen(utf8);
    WCHAR *text = to_utf16(utf8, length + 3);
    char *back = to_utf8(text, length * 3 + 1);
    WCHAR *again = to_utf16(back, strlen(back) + 3);
    size_t units = text_utf16_length(text, length + 3);
    require_same_ascii(utf8, back);
    REQUIRE(memcmp(text, again, (units + 1) * sizeof(WCHAR)) == 0);
    free(text);
    free(back);
    free(again);
}

static void
check_from_utf16(const WCHAR *text, size_t limit)
{
    size_t length = text_utf16_length(text, limit);
    char *utf8 = to_utf8(text, length * 3 + 4);
    WCHAR *back = to_utf16(utf8, length + 3);
    REQUIRE(memcmp(text, back, (length + 1) * sizeof(WCHAR)) == 0);
    free(utf8);
    free(back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    fuzz_input input = {data, length};
    size_t room = fuzz_u8(&input) + 1;
    char *utf8 = take_utf8(input);
    WCHAR *utf16 = take_utf16(input);
    free(to_utf16(utf8, room));
    free(to_utf8(utf16, room));
    check_from_utf8(utf8);
    check_from_utf16(utf16, input.size / sizeof(WCHAR) + 1);
    free(utf8);
    free(utf16);
    return 0;
}
