/* SPDX-License-Identifier: MIT
 * mda/store/search_record.c - the octets of a mailbox's search index.
 *
 * Invariants:
 *  (1) Nothing is read beyond the octets that were given, whatever they say.
 *  (2) Time is linear in words and postings.
 */
#include "mda/store/search_record.h"

#include "lib/base/check.h"
#include "lib/base/crc32c.h"
#include "lib/ipc/wire.h"

#include <string.h>

enum {
	SEGMENT_CRC_AT = SEARCH_SEGMENT_HEAD_OCTETS - 4,
	CRC_OCTETS = 4,
	PLACE_OCTETS = 8,
	DOC_IS_UNREAD = 1,
	/* References: five bits to an octet. */
	REFERENCE_BASE = 1,
	REFERENCE_BITS = 5,
	REFERENCE_MASK = (1 << REFERENCE_BITS) - 1,
	REFERENCE_MAX_BITS = 32,
	VARINT_BITS = 7,
	VARINT_MAX_OCTETS = 5,
	VARINT_MORE = 0x80,
	PATTERN_MAX_OCTETS = WORD_MAX_OCTETS + 2,
};
#define SEGMENT_MAGIC UINT32_C(0x67537445)

static const struct cache_kind kind = { STR_INIT("EstWords"), 2 };

void
search_put_head(struct buf *out, uint32_t uidvalidity)
{
	cache_head_put(out, &kind, uidvalidity);
}

enum err
search_read_head(struct str bytes, uint32_t *uidvalidity_out)
{
	return cache_head_read(bytes, &kind, uidvalidity_out);
}

/* ---- segments ---- */

static uint32_t
segment_crc(uint64_t at, struct str fields)
{
	char place[PLACE_OCTETS];

	for (int i = 0; i < PLACE_OCTETS; i++)
		place[i] = (char)(at >> (8 * i));
	return crc32c(crc32c(0, str_of(place, sizeof(place))), fields);
}

void
search_put_segment(struct buf *out, const struct search_segment *s)
{
	size_t begin = out->n;

	wire_put_u32(out, SEGMENT_MAGIC);
	wire_put_u32(out, s->n_docs);
	wire_put_u32(out, s->words_octets);
	wire_put_u32(out, s->postings_octets);
	wire_put_u32(out, s->docs_crc);
	wire_put_u32(out, s->blocks_crc);
	wire_put_u32(out, s->words_crc);
	wire_put_u32(out, segment_crc(s->at, str_from(buf_str(out), begin)));
}

enum err
search_read_segment(struct str bytes, uint64_t at, struct search_segment *out)
{
	struct wire w = wire_of(str_first(bytes, SEARCH_SEGMENT_HEAD_OCTETS));
	uint32_t word;

	if (bytes.n < SEARCH_SEGMENT_HEAD_OCTETS)
		return ERR_EOF;
	word = wire_u32(&w);
	out->at = at;
	out->n_docs = wire_u32(&w);
	out->words_octets = wire_u32(&w);
	out->postings_octets = wire_u32(&w);
	out->docs_crc = wire_u32(&w);
	out->blocks_crc = wire_u32(&w);
	out->words_crc = wire_u32(&w);
	if (word != SEGMENT_MAGIC ||
	    wire_u32(&w) != segment_crc(at, str_first(bytes, SEGMENT_CRC_AT)) ||
	    out->n_docs == 0 || out->n_docs > SEARCH_DOCS_MAX ||
	    out->words_octets > SEARCH_WORDS_MAX_OCTETS ||
	    out->postings_octets > SEARCH_POSTINGS_MAX_OCTETS)
		return ERR_FORMAT;
	return OK;
}

uint32_t
search_n_blocks(const struct search_segment *s)
{
	return (s->postings_octets + SEARCH_BLOCK_OCTETS - 1) /
	       SEARCH_BLOCK_OCTETS;
}

uint64_t
search_docs_at(const struct search_segment *s)
{
	return s->at + SEARCH_SEGMENT_HEAD_OCTETS;
}

uint64_t
search_blocks_at(const struct search_segment *s)
{
	return search_docs_at(s) + s->n_docs * SEARCH_DOC_OCTETS;
}

uint64_t
search_words_at(const struct search_segment *s)
{
	return search_blocks_at(s) + search_n_blocks(s) * CRC_OCTETS;
}

uint64_t
search_postings_at(const struct search_segment *s)
{
	return search_words_at(s) + s->words_octets;
}

uint64_t
search_end(const struct search_segment *s)
{
	return search_postings_at(s) + s->postings_octets;
}

/* ---- docs and words ---- */

void
search_put_doc(struct buf *out, struct search_doc doc)
{
	wire_put_u32(out, doc.uid);
	wire_put_u32(out, doc.is_unread ? DOC_IS_UNREAD : 0);
}

struct search_doc
search_doc(struct str docs, size_t i)
{
	struct wire w = wire_of(
		str_sub(docs, i * SEARCH_DOC_OCTETS, SEARCH_DOC_OCTETS));
	struct search_doc doc = { .uid = wire_u32(&w) };

	doc.is_unread = wire_u32(&w) != 0;
	return doc;
}

uint32_t
search_reference_of_slot(uint32_t slot)
{
	return slot << 1 | 1;
}

uint32_t
search_reference_of_posting(uint32_t at)
{
	return at << 1;
}

void
search_put_word(struct buf *out, struct str word, uint32_t reference)
{
	if (out->n == 0)
		buf_putc(out, '\0');
	buf_put(out, word);
	buf_putc(out, '\0');
	do {
		buf_putc(out,
			 (char)(REFERENCE_BASE + (reference & REFERENCE_MASK)));
		reference >>= REFERENCE_BITS;
	} while (reference > 0);
	buf_putc(out, '\0');
}

/* ---- postings ---- */

static void
put_varint(struct buf *out, uint32_t v)
{
	for (; v >= VARINT_MORE; v >>= VARINT_BITS)
		buf_putc(out, (char)(v | VARINT_MORE));
	buf_putc(out, (char)v);
}

/* False: none is here. */
static bool
take_varint(struct str *s, uint32_t *out)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s->n && i < VARINT_MAX_OCTETS; i++) {
		unsigned char octet = (unsigned char)s->p[i];

		v |= (uint64_t)(octet & (VARINT_MORE - 1)) << (VARINT_BITS * i);
		if (octet & VARINT_MORE)
			continue;
		*s = str_from(*s, i + 1);
		*out = (uint32_t)v;
		return v <= UINT32_MAX;
	}
	return false;
}

static void
put_bits(struct buf *out, const uint16_t *slots, size_t n)
{
	char bits[SEARCH_SLOTS / 8] = { 0 };

	for (size_t i = 0; i < n; i++) {
		int bit = slots[i] - slots[0];

		bits[bit / 8] = (char)(bits[bit / 8] | 1 << (bit % 8));
	}
	put_varint(out, slots[0]);
	buf_put(out, str_of(bits, (slots[n - 1] - slots[0]) / 8u + 1));
}

void
search_put_posting(struct buf *out, const uint16_t *slots, size_t n)
{
	struct buf body = BUF_INIT(SEARCH_SLOTS * 2);
	uint32_t before = 0;
	bool is_bits;

	for (size_t i = 0; i < n; i++) {
		put_varint(&body, slots[i] - before);
		before = slots[i];
	}
	is_bits = body.n > (slots[n - 1] - slots[0]) / 8u + 3;
	if (is_bits) {
		buf_clear(&body);
		put_bits(&body, slots, n);
	}
	put_varint(out, (uint32_t)body.n << 1 | is_bits);
	buf_put(out, buf_str(&body));
	buf_release(&body);
}

bool
search_has_slot(const struct search_slots *s, uint32_t slot)
{
	return s->bits[slot / 64] >> (slot % 64) & 1;
}

static bool
set_slot(struct search_slots *s, uint64_t slot)
{
	if (slot >= SEARCH_SLOTS)
		return false;
	s->bits[slot / 64] |= UINT64_C(1) << (slot % 64);
	return true;
}

static enum err
set_distances(struct str body, struct search_slots *out)
{
	uint64_t slot = 0;

	while (body.n > 0) {
		uint32_t distance;

		if (!take_varint(&body, &distance))
			return ERR_FORMAT;
		slot += distance;
		if (!set_slot(out, slot))
			return ERR_FORMAT;
	}
	return OK;
}

static enum err
set_bits(struct str body, struct search_slots *out)
{
	uint32_t first;

	if (!take_varint(&body, &first) || body.n > SEARCH_SLOTS / 8)
		return ERR_FORMAT;
	for (size_t i = 0; i < body.n; i++) {
		unsigned octet = (unsigned char)body.p[i];

		for (uint64_t slot = first + 8 * i; octet != 0;
		     octet >>= 1, slot++)
			if ((octet & 1) && !set_slot(out, slot))
				return ERR_FORMAT;
	}
	return OK;
}

/* need() first for the posting's size, then for all of it. */
static enum err
add_posting(const struct search_source *source, uint32_t at,
	    struct search_slots *out)
{
	struct str rest = str_from(source->postings, at), body;
	uint32_t size;
	enum err e;

	if (rest.n == 0)
		return ERR_FORMAT;
	e = source->need(source->arg, at,
			 (uint32_t)str_first(rest, VARINT_MAX_OCTETS).n);
	if (e != OK)
		return e;
	body = rest;
	if (!take_varint(&body, &size) || size >> 1 > body.n)
		return ERR_FORMAT;
	body = str_first(body, size >> 1);
	e = source->need(source->arg, at, (uint32_t)(body.p + body.n - rest.p));
	if (e != OK)
		return e;
	return size & 1 ? set_bits(body, out) : set_distances(body, out);
}

/* ---- finding ---- */

/* The reference that begins there. */
static enum err
read_reference(struct str s, uint32_t *out)
{
	uint32_t v = 0;
	unsigned bits = 0;

	for (size_t i = 0; i < s.n && s.p[i] != '\0'; i++) {
		unsigned digit = (unsigned char)s.p[i] - REFERENCE_BASE;

		if (digit > REFERENCE_MASK || bits >= REFERENCE_MAX_BITS)
			return ERR_FORMAT;
		v |= (uint32_t)digit << bits;
		bits += REFERENCE_BITS;
	}
	*out = v;
	return bits > 0 ? OK : ERR_FORMAT;
}

static struct str
pattern_of(const struct piece *p, char out[PATTERN_MAX_OCTETS])
{
	size_t n = 0;

	if (p->has_start)
		out[n++] = '\0';
	memcpy(out + n, p->text.p, p->text.n);
	n += p->text.n;
	if (p->has_end)
		out[n++] = '\0';
	return str_of(out, n);
}

/* Each word that fits is met once: the search goes on behind its reference. */
static enum err
find_piece(const struct search_source *source, const struct piece *piece,
	   struct search_slots *out)
{
	char octets[PATTERN_MAX_OCTETS];
	struct str pattern = pattern_of(piece, octets), rest = source->words;
	ptrdiff_t at;

	while ((at = str_find(rest, pattern)) >= 0) {
		uint32_t reference;
		enum err e;

		rest = str_from(rest, (size_t)at + piece->has_start);
		at = str_chr(rest, '\0');
		if (at < 0)
			return ERR_FORMAT;
		rest = str_from(rest, (size_t)at + 1);
		e = read_reference(rest, &reference);
		if (e == OK && (reference & 1))
			e = set_slot(out, reference >> 1) ? OK : ERR_FORMAT;
		else if (e == OK)
			e = add_posting(source, reference >> 1, out);
		if (e != OK)
			return e;
		at = str_chr(rest, '\0');
		if (at < 0)
			return ERR_FORMAT;
		rest = str_from(rest, (size_t)at);
	}
	return OK;
}

/* False: none is left. */
static bool
keep_common(struct search_slots *s, const struct search_slots *other)
{
	uint64_t any = 0;

	for (size_t i = 0; i < SEARCH_SLOTS / 64; i++)
		any |= s->bits[i] &= other->bits[i];
	return any != 0;
}

enum err
search_find(const struct search_source *source, const struct pieces *pieces,
	    struct search_slots *out)
{
	memset(out, 0xff, sizeof(*out));
	for (size_t i = 0; i < pieces->n; i++) {
		struct search_slots slots = { { 0 } };
		enum err e = find_piece(source, &pieces->list[i], &slots);

		if (e != OK)
			return e;
		if (!keep_common(out, &slots))
			break;
	}
	return OK;
}
