/* SPDX-License-Identifier: MIT
 * lib/mail/imap_list.h - arguments of LIST, LSUB and STATUS, and the matcher
 * for "*" and "%" (RFC 9051 6.3.9, RFC 5258, RFC 5819, RFC 6154). */
#pragma once

#include "lib/base/buf.h"
#include "lib/mail/imap_metadata.h"

enum {
	IMAP_LIST_PATTERNS_MAX = 100,
	IMAP_LIST_PATTERN_OCTETS_MAX = 1024, // reference and pattern
};

/* Bits: selection options. */
enum imap_list_select {
	IMAP_LIST_SELECT_SUBSCRIBED = 1,
	IMAP_LIST_SELECT_REMOTE = 2,
	IMAP_LIST_SELECT_RECURSIVEMATCH = 4,
	IMAP_LIST_SELECT_SPECIAL_USE = 8,
};

/* Bits: RETURN options. */
enum imap_list_return {
	IMAP_LIST_RETURN_SUBSCRIBED = 1,
	IMAP_LIST_RETURN_CHILDREN = 2,
	IMAP_LIST_RETURN_SPECIAL_USE = 4,
	IMAP_LIST_RETURN_STATUS = 8,	// the items are in status_items
	IMAP_LIST_RETURN_METADATA = 16, // RFC 9590: in entries
};

/* Bits: STATUS items. */
enum imap_status_item {
	IMAP_STATUS_MESSAGES = 1,
	IMAP_STATUS_RECENT = 2,
	IMAP_STATUS_UIDNEXT = 4,
	IMAP_STATUS_UIDVALIDITY = 8,
	IMAP_STATUS_UNSEEN = 16,
	IMAP_STATUS_SIZE = 32,
	IMAP_STATUS_DELETED = 64,
	IMAP_STATUS_HIGHESTMODSEQ = 128,
	IMAP_STATUS_MAILBOXID = 256,
	IMAP_STATUS_DELETED_STORAGE = 512,
	IMAP_STATUS_APPENDLIMIT = 1024,
	IMAP_STATUS_ALL = 2047,
};

struct imap_list {
	struct str reference;
	const struct str *patterns; // without the reference
	size_t n_patterns;
	unsigned select_bits, return_bits, status_items;
	struct imap_entries entries;
	bool is_extended;    // has options or a list of patterns (RFC 5258)
	bool asks_separator; // LIST x "": the root and the separator only
};

/* The arguments of LIST, up to the end. status_allowed: the STATUS items whose
 * extension is announced. */
bool imap_list_read(struct imap_reader *r, unsigned status_allowed,
		    struct imap_list *out);
/* The arguments of LSUB: reference and one pattern, up to the end. */
bool imap_list_read_lsub(struct imap_reader *r, struct imap_list *out);
/* "(MESSAGES UNSEEN)", at least one item; others than allowed are BAD. */
bool imap_status_read_items(struct imap_reader *r, unsigned allowed,
			    unsigned *items_out);
/* The name of one item, "MESSAGES". */
struct str imap_status_item_name(enum imap_status_item item);

/* A pattern made ready for many names. */
struct imap_list_pattern;

/* Joins reference and pattern. NULL when they are too long, or the arena is
 * full; answer NO [LIMIT]. */
const struct imap_list_pattern *
imap_list_pattern_new(struct str reference, struct str pattern, char separator,
		      struct arena *arena) MUST_USE;
/* Does the whole name match? It is in the encoding that the pattern is in. The
 * first component INBOX is compared without regard to case. Steps: octets of
 * the name times 1/64 of the literal octets of the pattern, if these are not
 * more than those of the name; there is no going back, however many wildcards.
 */
bool imap_list_matches(const struct imap_list_pattern *p, struct str name);
