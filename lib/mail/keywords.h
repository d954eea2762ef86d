/* SPDX-License-Identifier: MIT
 * lib/mail/keywords.h - dovecot-keywords: the names of the letters a to z.
 *
 *   0 $Forwarded
 *   1 NonJunk
 *
 * A line gives the keyword of letter 'a' + number. Names are unique without
 * regard to case and are what RFC 9051 calls a flag-keyword; what breaks that
 * is left out and counted, so a letter may be in use and have no name. Dovecot
 * then calls it unknown-<number> and writes that down; keywords_adopt() does.
 */
#pragma once

#include "lib/base/buf.h"

enum {
	KEYWORDS_MAX = 26,
	/* Dovecot's mail_max_keyword_length: it would not take longer ones. */
	KEYWORD_OCTETS_MAX = 50,
};

struct keywords {
	struct str names[KEYWORDS_MAX]; // borrowed; n == 0: free
};

/* Reads a file; names borrow from it. Returns how many lines were left out.
 * A file of over 26 useful lines is read as far as it has sense. */
size_t keywords_parse(struct str file, struct keywords *out);

/* 0..25, or -1. Case is ignored. */
int keywords_find(const struct keywords *k, struct str name);
/* Takes the first free number; the name is borrowed. -1: none is free, or the
 * name is no keyword. The name must not be there yet (check). */
int keywords_add(struct keywords *k, struct str name);
/* Names the nameless letters among these bits; returns the bits it named. */
uint32_t keywords_adopt(struct keywords *k, uint32_t bits);
/* May it be a name here? */
bool keywords_is_name(struct str s);
/* Appends the file. */
enum err keywords_put(const struct keywords *k, struct buf *b) MUST_USE;
