/* SPDX-License-Identifier: MIT
 * lib/mail/imap_flags.h - flags and keywords of messages, and the arguments of
 * STORE (RFC 9051 2.3.2, 6.4.6; RFC 7162 UNCHANGEDSINCE). */
#pragma once

#include "lib/base/buf.h"
#include "lib/mail/imap_reader.h"

enum {
	IMAP_KEYWORD_OCTETS_MAX = 255,
	IMAP_KEYWORDS_MAX = 100, // in one list
};

/* Bits. */
enum imap_flag {
	IMAP_FLAG_ANSWERED = 1,
	IMAP_FLAG_FLAGGED = 2,
	IMAP_FLAG_DELETED = 4,
	IMAP_FLAG_SEEN = 8,
	IMAP_FLAG_DRAFT = 16,
	IMAP_FLAG_RECENT = 32, // the server's alone
};

struct imap_flags {
	unsigned bits;
	const struct str *keywords; // no two equal, whatever the case
	size_t n_keywords;
};

enum imap_store_mode {
	IMAP_STORE_SET,
	IMAP_STORE_ADD,
	IMAP_STORE_REMOVE,
};

struct imap_store {
	enum imap_store_mode mode;
	bool is_silent;
	bool has_unchanged_since;
	uint64_t unchanged_since;
	struct imap_flags flags;
};

/* "(\Seen $label1)". An unknown system flag is a fault; \Recent is dropped
 * (old clients copy it into APPEND). */
bool imap_flags_read(struct imap_reader *r, struct imap_flags *out);
/* What follows the set in STORE: "[(UNCHANGEDSINCE n)] +FLAGS.SILENT (...)",
 * the list with or without parentheses, up to the end. */
bool imap_store_read(struct imap_reader *r, bool has_condstore,
		     struct imap_store *out);
/* The bit of "\Seen" in any case; 0 for what is no system flag. */
unsigned imap_flag_bit(struct str flag);
/* Is it a keyword that may be stored: an atom within the cap? */
bool imap_is_keyword(struct str s);

/* "(\Answered \Seen $label1 \*)": the \* when new keywords may be made, for
 * PERMANENTFLAGS. Keywords that are no atoms are left out. */
enum err imap_flags_write(struct buf *b, const struct imap_flags *flags,
			  bool has_star) MUST_USE;
