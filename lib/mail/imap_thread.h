/* SPDX-License-Identifier: MIT
 * lib/mail/imap_thread.h - the trees of THREAD (RFC 5256 3 and 5, and REFS).
 *
 * Message-IDs and base subjects are known by their keyed hashes of 64 bits,
 * so that a message costs the same whatever it says. Time is O(n log n) in
 * messages and references, for chains and circles of any length; nothing
 * recurses. */
#pragma once

#include "lib/mail/imap_sort.h"

enum {
	IMAP_THREAD_REFERENCES_MAX = 100, // of one message: the last ones
	IMAP_THREAD_REFERENCES_ALL_MAX = 2 << 20, // of all together
};

struct imap_thread_message {
	uint32_t number;  // that is told
	int64_t date_s;	  // sent; for REFS the INTERNALDATE
	uint64_t id;	  // of Message-ID; 0: none that is valid
	uint64_t subject; // of the base subject, folded; 0: empty
	bool is_reply;	  // a mark was removed from the subject
	size_t first_reference, n_references; // in the array beside
};

/* The valid Message-IDs of a References, In-Reply-To or Message-ID field's raw
 * value: at most the last max of them, hashed; returns how many. "a" in quotes
 * is the same as a without. */
size_t imap_thread_ids(struct str value, uint64_t *out, size_t max);

/* Appends " (1)(2 3)", or nothing without messages. The messages stand in the
 * order of their sequence numbers. ERR_LIMIT: too many references, or out is
 * full. */
enum err
imap_thread_write(struct buf *out, enum imap_thread_algorithm algorithm,
		  const struct imap_thread_message *messages, size_t n,
		  const uint64_t *references) MUST_USE;
