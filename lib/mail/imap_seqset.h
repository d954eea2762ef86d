/* SPDX-License-Identifier: MIT
 * lib/mail/imap_seqset.h - sequence sets and UID sets (RFC 9051 section 9,
 * sequence-set) as sorted, disjoint ranges.
 *
 * Nothing here walks over numbers, only over ranges, so "1:4294967295" costs
 * as much as "1". Adjacent ranges are one. Also the ranges of RFC 9394. */
#pragma once

#include "lib/base/buf.h"
#include "lib/mail/imap_reader.h"

enum { IMAP_SEQSET_RANGES_MAX = 10000 };

struct imap_range {
	uint32_t first, last; // 1 <= first <= last
};

struct imap_seqset {
	const struct imap_range *ranges;
	size_t n;
	bool is_saved; // "$": the result of the last SEARCH (RFC 5182)
};

/* Strictly rising numbers as ranges; ranges_out has room for n. */
size_t imap_seqset_from_sorted(const uint32_t *numbers, size_t n,
			       struct imap_range *ranges_out);

/* Reads a set. "*" stands for max, the highest number in the mailbox; with an
 * empty mailbox (max 0) a range with "*" is left out, it names nothing. The
 * ranges as sent are capped (limit), 0 and 2^32 are faults. Ranges live in the
 * reader's arena. */
bool
imap_seqset_read(struct imap_reader *r, uint32_t max, struct imap_seqset *out);

/* PARTIAL (RFC 9394): from the first to the last of the results, which begin
 * at 1; the last one is the first when they are counted from the end. */
struct imap_partial {
	bool is_from_end;
	uint32_t first, last; // 1 <= first <= last
	struct str sent;      // "-1:-100"; borrows from the input
};

bool imap_partial_read(struct imap_reader *r, struct imap_partial *out);
/* Which of n results: so many from *at_out on. */
size_t imap_partial_cut(const struct imap_partial *p, size_t n, size_t *at_out);

/* O(log n). */
bool imap_seqset_has(const struct imap_seqset *set, uint32_t number);
/* How many numbers are in it. */
uint64_t imap_seqset_count(const struct imap_seqset *set);
/* Is no number above max? (RFC 9051 9: a message sequence number beyond the
 * mailbox is an error.) */
bool imap_seqset_is_within(const struct imap_seqset *set, uint32_t max);
/* Walks the numbers of the set that are >= from: gives the least such, false
 * when there is none. O(log n). */
bool
imap_seqset_from(const struct imap_seqset *set, uint32_t from, uint32_t *out);

/* "1:5,7"; ERR_LIMIT when the buf is full. The empty set writes nothing. */
enum err
imap_seqset_write(struct buf *b, const struct imap_seqset *set) MUST_USE;
/* The same from strictly rising numbers. */
enum err imap_seqset_write_sorted(struct buf *b, const uint32_t *numbers,
				  size_t n) MUST_USE;
