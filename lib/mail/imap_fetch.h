/* SPDX-License-Identifier: MIT
 * lib/mail/imap_fetch.h - the items of a FETCH (RFC 9051 6.4.5, RFC 3501
 * 6.4.5, RFC 3516, RFC 7162, RFC 8474, RFC 8514, RFC 8970). */
#pragma once

#include "lib/base/buf.h"
#include "lib/mail/imap_seqset.h"
#include "lib/mail/mime.h"

enum {
	IMAP_FETCH_ITEMS_MAX = 100,
	IMAP_FETCH_FIELDS_MAX = 200, // names in one HEADER.FIELDS
};

enum imap_fetch_kind {
	IMAP_FETCH_UID,
	IMAP_FETCH_FLAGS,
	IMAP_FETCH_INTERNALDATE,
	IMAP_FETCH_RFC822_SIZE,
	IMAP_FETCH_ENVELOPE,
	IMAP_FETCH_BODY, // the structure without extension data
	IMAP_FETCH_BODYSTRUCTURE,
	IMAP_FETCH_SECTION, // BODY[...], BODY.PEEK[...]
	IMAP_FETCH_RFC822,
	IMAP_FETCH_RFC822_HEADER,
	IMAP_FETCH_RFC822_TEXT,
	IMAP_FETCH_BINARY, // BINARY[...], BINARY.PEEK[...]
	IMAP_FETCH_BINARY_SIZE,
	IMAP_FETCH_MODSEQ,
	IMAP_FETCH_EMAILID,
	IMAP_FETCH_THREADID,
	IMAP_FETCH_SAVEDATE,
	IMAP_FETCH_PREVIEW,
};

/* Bits: which extensions the server announces. An item or modifier of one
 * that is absent is BAD. */
enum imap_fetch_features {
	IMAP_FETCH_HAS_BINARY = 1,    // RFC 3516
	IMAP_FETCH_HAS_CONDSTORE = 2, // RFC 7162: MODSEQ, CHANGEDSINCE
	IMAP_FETCH_HAS_QRESYNC = 4,   // RFC 7162: VANISHED
	IMAP_FETCH_HAS_OBJECTID = 8,  // RFC 8474
	IMAP_FETCH_HAS_SAVEDATE = 16, // RFC 8514
	IMAP_FETCH_HAS_PREVIEW = 32,  // RFC 8970
	IMAP_FETCH_HAS_PARTIAL = 64,  // RFC 9394
};

enum imap_section_text {
	IMAP_SECTION_ALL, // all of the message or part
	IMAP_SECTION_HEADER,
	IMAP_SECTION_FIELDS,	 // HEADER.FIELDS (...)
	IMAP_SECTION_FIELDS_NOT, // HEADER.FIELDS.NOT (...)
	IMAP_SECTION_TEXT,
	IMAP_SECTION_MIME, // only below a part
};

struct imap_section {
	const uint32_t *parts; // 1, 2, 1 for "1.2.1"; at most IMAP_DEPTH_MAX
	size_t n_parts;
	enum imap_section_text text;
	const struct str *fields; // as sent
	const struct str *sorted; // the same, as str_icmp() has them
	size_t n_fields;
};

struct imap_fetch_item {
	enum imap_fetch_kind kind;
	bool is_peek;		     // does not set \Seen
	bool is_lazy;		     // PREVIEW (LAZY)
	struct imap_section section; // SECTION, BINARY, BINARY_SIZE
	bool has_partial;
	uint64_t partial_first, partial_octets; // <first.octets>, octets >= 1
};

struct imap_fetch {
	const struct imap_fetch_item *items;
	size_t n;
	bool sets_seen; // some item is a body text without PEEK
	bool has_changed_since, has_vanished, has_partial;
	uint64_t changed_since;
	struct imap_partial partial; // of the messages
};

/* Reads the items and the modifiers behind them, up to the end of the command.
 * Arrays live in the reader's arena. Twice the same simple item is one. */
bool imap_fetch_read(struct imap_reader *r, unsigned features,
		     struct imap_fetch *out);
/* "(UID FLAGS ...)" alone, in the middle of other arguments. */
bool imap_fetch_read_list(struct imap_reader *r, unsigned features,
			  struct imap_fetch *out);
/* Adds a simple item unless it is there ("UID FETCH" always answers UID, RFC
 * 9051 6.4.9). False when the arena is full. */
bool imap_fetch_add_kind(struct imap_fetch *f, enum imap_fetch_kind kind,
			 struct arena *arena);

/* A section-spec by itself, "2.HEADER.FIELDS (DATE)", as an URL has it. What it
 * points at lives in the arena. False: it is none. */
bool imap_section_read(struct str spec, struct arena *arena,
		       struct imap_section *out);
/* What mime_section() is asked for; of FIELDS and FIELDS_NOT the header. */
enum mime_what imap_section_what(enum imap_section_text text);
/* Appends those fields of a header that a section with FIELDS or FIELDS_NOT
 * wants, in CRLF form, and the empty line that ends the header; RFC 9051
 * 6.4.5.1: "except in the case of a message that has no body and no blank
 * line". ERR_LIMIT: not all had room. */
enum err imap_section_pick(struct buf *out, const struct imap_section *section,
			   struct str header) MUST_USE;

/* The item's name in the response: BODY[HEADER.FIELDS (DATE FROM)]<0>. Field
 * names are given in upper case, as strings where they are no atoms. */
enum err imap_fetch_write_label(struct buf *b,
				const struct imap_fetch_item *item) MUST_USE;
