/* SPDX-License-Identifier: MIT
 * lib/base/utf8.h - strict UTF-8 (RFC 3629): no overlong forms, no surrogates,
 * nothing above U+10FFFF. */
#pragma once

#include "lib/base/str.h"

/* Octets of the character that s begins with, and the character; 0 when s is
 * empty, cut short or malformed. ASCII, NUL included, is one octet. */
size_t utf8_char(struct str s, uint32_t *char_out);
enum { UTF8_MAX_OCTETS = 4 };
/* The octets of a character (no surrogate, at most U+10FFFF); how many. */
size_t utf8_put(uint32_t c, char out[UTF8_MAX_OCTETS]);
bool utf8_is_valid(struct str s);
/* Octets at the beginning that are below 0x80. */
size_t utf8_ascii_run(struct str s);
/* True when every byte is below 0x80. */
bool utf8_is_ascii(struct str s);
