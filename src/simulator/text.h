/* SPDX-License-Identifier: MIT
 *
 * Text: the Wintun API speaks UTF-16, the control functions UTF-8. Both ways keep lone surrogates.
 */
#ifndef SIMULATOR_TEXT_H
#define SIMULATOR_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "win32_types.h"

/* Code units before the terminating zero, or limit if it is not within limit. */
size_t text_utf16_length(const WCHAR *text, size_t limit);

/* Writes text and a terminating zero; what does not fit into capacity is cut off. A code unit takes
 * up to three bytes, a byte at most one code unit. */
void text_to_utf8(const WCHAR *text, char *utf8, size_t capacity);
void text_to_utf16(const char *utf8, WCHAR *text, size_t capacity);

/* Whether two texts are the same name to Windows, which does not look at case. The letters that
 * have two cases here are those of Latin (up to U+017F), Greek (without accents) and Cyrillic. */
bool text_is_same_name(const WCHAR *one, const WCHAR *other);

/* The same of a name that the control functions give, and of two such names. */
bool text_is_same_in_utf8(const WCHAR *one, const char *other);
bool text_is_same_utf8(const char *one, const char *other);

#endif
