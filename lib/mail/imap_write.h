/* SPDX-License-Identifier: MIT
 * lib/mail/imap_write.h - strings of IMAP responses (RFC 9051 section 9).
 *
 * Each appends the first form that can carry the bytes: atom, quoted,
 * literal. All return ERR_LIMIT and change nothing when the buf is full. */
#pragma once

#include "lib/base/buf.h"

enum {
	IMAP_QUOTED_MAX = 1000, // longer strings go as literals
};

/* Quoted, or a literal when s is long or holds CR, LF or 8-bit. NUL, which no
 * string may hold, is left out. */
enum err imap_write_string(struct buf *b, struct str s) MUST_USE;
/* With is_utf8 (UTF8=ACCEPT, IMAP4rev2) valid UTF-8 is quoted. */
enum err
imap_write_string_utf8(struct buf *b, struct str s, bool is_utf8) MUST_USE;
/* STR_NONE (p == NULL) is NIL. */
enum err imap_write_nstring(struct buf *b, struct str s) MUST_USE;
/* An atom where possible. "NIL" is quoted, though astring would allow it. */
enum err imap_write_astring(struct buf *b, struct str s) MUST_USE;
/* The same for a mailbox's name; with is_utf8 as in imap_write_string_utf8. */
enum err
imap_write_astring_utf8(struct buf *b, struct str s, bool is_utf8) MUST_USE;
/* "{n}" CRLF, or "~{n}" CRLF, without the bytes: they follow elsewhere. */
enum err imap_write_literal_head(struct buf *b, uint64_t n_octets,
				 bool is_binary) MUST_USE;
