/* SPDX-License-Identifier: MIT
 * mda/store/search_build.c - makes a segment of the search index.
 *
 * Standards: none (format: search_record.h, design: doc/design/search.md).
 * Owns: the words of the segment, and which doc has which.
 * Invariants:
 *  (1) An entry has a pair with a slot once.
 *  (2) Time is linear in the texts, whoever chose the words: hashes are keyed.
 */
#include "mda/store/search_build.h"

#include "lib/base/check.h"
#include "lib/base/crc32c.h"
#include "lib/base/map.h"
#include "lib/ipc/wire.h"

#include <stdlib.h>
#include <string.h>

enum {
	SLOT_BITS = 11,
	SLOT_MASK = (1 << SLOT_BITS) - 1,
	TABLE_FIRST_CAP = 1 << 14,
	LIST_FIRST_CAP = 1 << 12,
	PAIRS_FULL = 2 << 20,
	WORDS_FULL_OCTETS = 4 << 20,
	WORDS_HARD_OCTETS = 16 << 20,
	ENTRIES_FULL = 1 << 19,
	/* What a message may take. */
	SHARE = 4,
	SHARE_ALWAYS_OCTETS = 4096,
	SHARE_MAX_OCTETS = 1 << 20,
	WORD_COST_OCTETS = 6, // besides its own
	PAIR_COST_OCTETS = 1,
};

struct entry {
	uint64_t key; // key_of() the word
	uint32_t at;  // of its octets
	uint32_t n;
	uint32_t last_slot; // + 1; 0: none yet
};

struct cell {
	uint32_t tag;
	uint32_t entry; // + 1; 0: free
};

struct search_builder {
	uint64_t secrets[2];
	struct search_doc docs[SEARCH_DOCS_MAX];
	size_t n_docs;
	struct buf octets; // of the words
	struct entry *entries;
	size_t n_entries, cap_entries;
	struct cell *table;
	size_t mask;
	uint32_t *pairs; // entry << SLOT_BITS | slot
	size_t n_pairs, cap_pairs;
};

struct search_builder *
search_builder_new(void)
{
	struct search_builder *b = must_alloc(sizeof(*b));

	/* Of the process's secret. */
	b->secrets[0] = hash_bytes(S("search 0")) | 1;
	b->secrets[1] = hash_bytes(S("search 1")) | 1;
	buf_init(&b->octets, WORDS_HARD_OCTETS);
	b->mask = TABLE_FIRST_CAP - 1;
	b->table = must_alloc(TABLE_FIRST_CAP * sizeof(*b->table));
	b->cap_entries = b->cap_pairs = LIST_FIRST_CAP;
	b->entries = must_alloc(b->cap_entries * sizeof(*b->entries));
	b->pairs = must_alloc(b->cap_pairs * sizeof(*b->pairs));
	return b;
}

void
search_builder_free(struct search_builder **builder)
{
	struct search_builder *b = *builder;

	*builder = NULL;
	if (b == NULL)
		return;
	buf_release(&b->octets);
	free(b->entries);
	free(b->table);
	free(b->pairs);
	free(b);
}

bool
search_builder_is_full(const struct search_builder *b)
{
	return b->n_docs == SEARCH_DOCS_MAX || b->n_pairs >= PAIRS_FULL ||
	       b->octets.n >= WORDS_FULL_OCTETS || b->n_entries >= ENTRIES_FULL;
}

size_t
search_builder_n_docs(const struct search_builder *b)
{
	return b->n_docs;
}

/* ---- words ---- */

static uint64_t
mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The first eight octets; of a shorter word all that it has, in some order, so
 * that words of one length up to there are equal if their keys are. */
static uint64_t
key_of(struct str word)
{
	uint32_t first, last;
	uint64_t key;

	if (word.n >= sizeof(key)) {
		memcpy(&key, word.p, sizeof(key));
		return key;
	}
	if (word.n >= sizeof(first)) {
		memcpy(&first, word.p, sizeof(first));
		memcpy(&last, word.p + word.n - sizeof(last), sizeof(last));
		return first | (uint64_t)last << 32;
	}
	return (uint64_t)(unsigned char)word.p[0] << 16 |
	       (uint64_t)(unsigned char)word.p[word.n / 2] << 8 |
	       (unsigned char)word.p[word.n - 1];
}

/* Faster than hash_bytes(), which a table of so many short words would wait
 * for; the secrets keep strangers from choosing where words meet. */
static uint64_t
hash_word(const struct search_builder *b, struct str word, uint64_t key)
{
	uint64_t hash = mix(key ^ b->secrets[1], b->secrets[0] + 2 * word.n);

	if (word.n <= sizeof(key))
		return hash;
	for (word = str_from(word, sizeof(key)); word.n > sizeof(key);
	     word = str_from(word, sizeof(key)))
		hash = mix(hash ^ key_of(word), b->secrets[0]);
	return mix(hash ^ key_of(word), b->secrets[0]);
}

static struct str
word_of(const struct search_builder *b, const struct entry *entry)
{
	return str_sub(buf_str(&b->octets), entry->at, entry->n);
}

static void
grow_table(struct search_builder *b)
{
	size_t mask = 2 * b->mask + 1;
	struct cell *table = must_alloc((mask + 1) * sizeof(*table));

	for (size_t i = 0; i <= b->mask; i++) {
		const struct cell *old = &b->table[i];
		size_t at;

		if (old->entry == 0)
			continue;
		at = hash_word(b, word_of(b, &b->entries[old->entry - 1]),
			       b->entries[old->entry - 1].key) &
		     mask;
		while (table[at].entry != 0)
			at = (at + 1) & mask;
		table[at] = *old;
	}
	free(b->table);
	b->table = table;
	b->mask = mask;
}

/* NULL: no more fit. */
static struct entry *
new_entry(struct search_builder *b, struct str word, uint64_t key)
{
	struct entry *entry;

	if (b->n_entries >= UINT32_MAX >> SLOT_BITS)
		return NULL;
	if (b->n_entries == b->cap_entries) {
		b->cap_entries *= 2;
		b->entries = must_realloc(b->entries,
					  b->cap_entries * sizeof(*b->entries));
	}
	entry = &b->entries[b->n_entries];
	*entry = (struct entry) { .key = key,
				  .at = (uint32_t)b->octets.n,
				  .n = (uint32_t)word.n };
	if (buf_add(&b->octets, word) != OK)
		return NULL;
	b->n_entries++;
	return entry;
}

static bool
is_word(const struct search_builder *b, const struct entry *entry,
	struct str word, uint64_t key)
{
	return entry->key == key && entry->n == word.n &&
	       (word.n <= sizeof(key) ||
		memcmp(b->octets.p + entry->at + sizeof(key),
		       word.p + sizeof(key), word.n - sizeof(key)) == 0);
}

static struct entry *
find_entry(struct search_builder *b, struct str word, bool *is_new_out)
{
	uint64_t key = key_of(word), hash = hash_word(b, word, key);
	uint32_t tag = (uint32_t)(hash >> 32);
	size_t at = hash & b->mask;
	struct entry *entry;

	*is_new_out = false;
	for (; b->table[at].entry != 0; at = (at + 1) & b->mask) {
		if (b->table[at].tag != tag)
			continue;
		entry = &b->entries[b->table[at].entry - 1];
		if (is_word(b, entry, word, key))
			return entry;
	}
	entry = new_entry(b, word, key);
	if (entry == NULL)
		return NULL;
	*is_new_out = true;
	b->table[at] = (struct cell) { tag, (uint32_t)b->n_entries };
	if (2 * b->n_entries > b->mask)
		grow_table(b);
	return entry;
}

static void
add_pair(struct search_builder *b, const struct entry *entry, uint32_t slot)
{
	if (b->n_pairs == b->cap_pairs) {
		b->cap_pairs *= 2;
		b->pairs = must_realloc(b->pairs,
					b->cap_pairs * sizeof(*b->pairs));
	}
	b->pairs[b->n_pairs++] =
		(uint32_t)(entry - b->entries) << SLOT_BITS | slot;
}

/* False: more than it may take. */
static bool
add_text(struct search_builder *b, struct str text, uint32_t slot,
	 uint64_t *room)
{
	struct words words;
	struct str word;

	words_init(&words, text);
	while (words_next(&words, &word)) {
		bool is_new;
		struct entry *entry = find_entry(b, word, &is_new);
		uint64_t cost;

		if (entry == NULL)
			return false;
		if (entry->last_slot == slot + 1)
			continue;
		cost = PAIR_COST_OCTETS +
		       (is_new ? word.n + WORD_COST_OCTETS : 0);
		if (cost > *room)
			return false;
		*room -= cost;
		entry->last_slot = slot + 1;
		add_pair(b, entry, slot);
	}
	return true;
}

void
search_builder_add(struct search_builder *b, uint32_t uid, struct str header,
		   struct str body, uint64_t octets)
{
	uint32_t doc = (uint32_t)b->n_docs;
	size_t n_pairs = b->n_pairs;
	uint64_t room = octets / SHARE;
	bool is_read;

	check(b->n_docs < SEARCH_DOCS_MAX);
	if (room > SHARE_MAX_OCTETS)
		room = SHARE_MAX_OCTETS;
	room += SHARE_ALWAYS_OCTETS;
	is_read = add_text(b, header, doc, &room) &&
		  add_text(b, body, SEARCH_BODY_SLOT + doc, &room);
	if (!is_read) // words that only it had have no pair, and are not put
		b->n_pairs = n_pairs;
	b->docs[b->n_docs++] = (struct search_doc) { uid, !is_read };
}

void
search_builder_add_unread(struct search_builder *b, uint32_t uid)
{
	check(b->n_docs < SEARCH_DOCS_MAX);
	b->docs[b->n_docs++] = (struct search_doc) { uid, true };
}

/* ---- the segment ---- */

/* The slots of each entry, one entry behind the other, rising: those of headers
 * are below those of bodies, and docs came one after the other. */
static uint16_t *
sort_pairs(const struct search_builder *b, uint32_t *ends)
{
	uint16_t *slots = must_alloc((b->n_pairs + 1) * sizeof(*slots));
	uint32_t sum = 0;

	for (size_t i = 0; i < b->n_pairs; i++)
		ends[b->pairs[i] >> SLOT_BITS]++;
	for (size_t i = 0; i < b->n_entries; i++) {
		uint32_t count = ends[i];

		ends[i] = sum;
		sum += count;
	}
	for (int is_body = 0; is_body <= 1; is_body++)
		for (size_t i = 0; i < b->n_pairs; i++) {
			uint32_t slot = b->pairs[i] & SLOT_MASK;

			if ((slot >= SEARCH_BODY_SLOT) == is_body)
				slots[ends[b->pairs[i] >> SLOT_BITS]++] =
					(uint16_t)slot;
		}
	return slots;
}

struct parts {
	struct buf docs, blocks, words, postings;
};

static void
put_words(const struct search_builder *b, struct parts *p)
{
	uint32_t *ends = must_alloc((b->n_entries + 1) * sizeof(*ends));
	uint16_t *slots = sort_pairs(b, ends);
	uint32_t begin = 0;

	for (size_t i = 0; i < b->n_entries; i++) {
		size_t n = ends[i] - begin;
		uint32_t reference;

		if (n == 0)
			continue;
		if (n == 1) {
			reference = search_reference_of_slot(slots[begin]);
		} else {
			reference = search_reference_of_posting(
				(uint32_t)p->postings.n);
			search_put_posting(&p->postings, slots + begin, n);
		}
		search_put_word(&p->words, word_of(b, &b->entries[i]),
				reference);
		begin = ends[i];
	}
	free(slots);
	free(ends);
}

static void
put_blocks(struct parts *p)
{
	struct str rest = buf_str(&p->postings);

	for (; rest.n > 0; rest = str_from(rest, SEARCH_BLOCK_OCTETS))
		wire_put_u32(&p->blocks,
			     crc32c(0, str_first(rest, SEARCH_BLOCK_OCTETS)));
}

void
search_builder_put(struct search_builder *b, struct buf *out, uint64_t at)
{
	struct search_segment s = { .at = at, .n_docs = (uint32_t)b->n_docs };
	struct parts p;

	buf_init(&p.docs, SEARCH_DOCS_MAX * SEARCH_DOC_OCTETS);
	buf_init(&p.blocks, SEARCH_POSTINGS_MAX_OCTETS);
	buf_init(&p.words, SEARCH_WORDS_MAX_OCTETS);
	buf_init(&p.postings, SEARCH_POSTINGS_MAX_OCTETS);
	for (size_t i = 0; i < b->n_docs; i++)
		search_put_doc(&p.docs, b->docs[i]);
	put_words(b, &p);
	put_blocks(&p);
	s.words_octets = (uint32_t)p.words.n;
	s.postings_octets = (uint32_t)p.postings.n;
	s.docs_crc = crc32c(0, buf_str(&p.docs));
	s.blocks_crc = crc32c(0, buf_str(&p.blocks));
	s.words_crc = crc32c(0, buf_str(&p.words));
	search_put_segment(out, &s);
	buf_put(out, buf_str(&p.docs));
	buf_put(out, buf_str(&p.blocks));
	buf_put(out, buf_str(&p.words));
	buf_put(out, buf_str(&p.postings));
	buf_release(&p.docs);
	buf_release(&p.blocks);
	buf_release(&p.words);
	buf_release(&p.postings);
}
