/* SPDX-License-Identifier: MIT
 * mda/store/search_record.h - the octets of a mailbox's search index
 * (doc/design/search.md). Pure.
 *
 *   head      "EstWords", version, UIDVALIDITY, crc
 *   segment   head (counts, sizes, crcs), docs, crcs of the blocks, words,
 *             postings
 *   doc       UID, and whether its words are here
 *   words     NUL, then of each: its octets, NUL, its reference, NUL
 *   posting   the slots of a word: octets * 2 + is it bits; then distances, or
 *             the first slot and bits from it on
 *
 * A slot is a doc's header or its body. A reference has only octets that no
 * word has, so that words are found by looking through them as they lie: it is
 * the only slot, or the place of a posting. Numbers are little-endian. */
#pragma once

#include "mda/store/cache_head.h"
#include "mda/store/words.h"

enum {
	SEARCH_HEAD_OCTETS = CACHE_HEAD_OCTETS,
	SEARCH_SEGMENT_HEAD_OCTETS = 32,
	SEARCH_DOC_OCTETS = 8,
	SEARCH_DOCS_MAX = 1024, // of one segment
	SEARCH_SLOTS = 2 * SEARCH_DOCS_MAX,
	SEARCH_BODY_SLOT = SEARCH_DOCS_MAX, // the header's is the doc's number
	SEARCH_BLOCK_OCTETS = 16 * 1024,    // of postings
	SEARCH_WORDS_MAX_OCTETS = 32 << 20,
	SEARCH_POSTINGS_MAX_OCTETS = 16 << 20,
};

struct search_segment {
	uint64_t at; // in the file
	uint32_t n_docs, words_octets, postings_octets;
	uint32_t docs_crc, blocks_crc, words_crc;
};

struct search_doc {
	uint32_t uid;
	bool is_unread; // its words are not here
};

void search_put_head(struct buf *out, uint32_t uidvalidity);
/* ERR_FORMAT: another version, or damaged. */
enum err search_read_head(struct str bytes, uint32_t *uidvalidity_out) MUST_USE;

/* A segment's head is bound to its place. */
void search_put_segment(struct buf *out, const struct search_segment *s);
/* From at least SEARCH_SEGMENT_HEAD_OCTETS, else ERR_EOF. ERR_FORMAT: damaged.
 */
enum err search_read_segment(struct str bytes, uint64_t at,
			     struct search_segment *out) MUST_USE;

/* Where its parts are in the file, and what is behind it. */
uint32_t search_n_blocks(const struct search_segment *s);
uint64_t search_docs_at(const struct search_segment *s);
uint64_t search_blocks_at(const struct search_segment *s);
uint64_t search_words_at(const struct search_segment *s);
uint64_t search_postings_at(const struct search_segment *s);
uint64_t search_end(const struct search_segment *s);

void search_put_doc(struct buf *out, struct search_doc doc);
struct search_doc search_doc(struct str docs, size_t i);
/* The octets that a word of the file with this reference has in words. */
void search_put_word(struct buf *out, struct str word, uint32_t reference);
uint32_t search_reference_of_slot(uint32_t slot);
uint32_t search_reference_of_posting(uint32_t at);
/* Slots rise. */
void search_put_posting(struct buf *out, const uint16_t *slots, size_t n);

struct search_slots {
	uint64_t bits[SEARCH_SLOTS / 64];
};
bool search_has_slot(const struct search_slots *s, uint32_t slot);

/* Sees to it that these octets of the postings are there, and good; in blocks,
 * so that a search reads what it needs. */
typedef enum err search_need_fn(void *arg, uint32_t at, uint32_t n);

struct search_source {
	struct str words;    // good
	struct str postings; // where need() was called for them
	search_need_fn *need;
	void *arg;
};

/* The slots that may have the needle; all of them if its pieces say nothing.
 * ERR_FORMAT: damaged, though the checksums were right. */
enum err
search_find(const struct search_source *source, const struct pieces *pieces,
	    struct search_slots *out) MUST_USE;
