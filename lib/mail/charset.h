/* SPDX-License-Identifier: MIT
 * lib/mail/charset.h - text of any charset to UTF-8.
 *
 * The output is always valid UTF-8. Names come from a list of our own, not from
 * the mail: iconv is opened only for those. Bytes that a charset does not
 * have, and all non-ASCII bytes of unknown charsets, become U+FFFD. */
#pragma once

#include "lib/base/buf.h"

enum charset_kind {
	CHARSET_UTF8,
	CHARSET_GUESS, // us-ascii or none: UTF-8 if valid, else windows-1252
	CHARSET_ICONV,
	CHARSET_UNKNOWN,
};

struct charset {
	enum charset_kind kind;
	void *iconv; // NULL: none
};

void charset_init(struct charset *c, struct str name);
void charset_release(struct charset *c);
/* Appends the text. Unless is_last, a character cut by the end of in is left:
 * *n_used_out is less than in.n then. ERR_LIMIT when out is full, with the
 * beginning in it. */
enum err charset_convert(struct charset *c, struct buf *out, struct str in,
			 bool is_last, size_t *n_used_out) MUST_USE;
