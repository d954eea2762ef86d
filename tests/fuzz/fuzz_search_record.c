/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_search_record.c - a mailbox's search index as it may be
 * found, and as it is made of texts.
 *
 * The first octet says which. Oracle: heads that were read, put again, are the
 * octets that came; nothing is needed beyond the postings that there are; of
 * texts, the slots of a needle are all those that a look through them finds,
 * and no other when the answer is called exact. */
#include "lib/base/check.h"
#include "lib/mail/search_text.h"
#include "mda/store/search_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXTS_MAX = 64, FOLDED_MAX_OCTETS = 1 << 20, FILE_MAX_OCTETS = 8 << 20 };

static void
read_heads(struct str file)
{
	struct buf again = BUF_INIT(SEARCH_SEGMENT_HEAD_OCTETS);
	struct search_segment s;
	uint32_t uidvalidity;

	if (search_read_head(file, &uidvalidity) == OK) {
		search_put_head(&again, uidvalidity);
		check(str_eq(buf_str(&again),
			     str_first(file, SEARCH_HEAD_OCTETS)));
		file = str_from(file, SEARCH_HEAD_OCTETS);
	}
	buf_clear(&again);
	if (search_read_segment(file, SEARCH_HEAD_OCTETS, &s) == OK) {
		check(search_end(&s) > search_postings_at(&s) ||
		      s.postings_octets == 0);
		search_put_segment(&again, &s);
		check(str_eq(buf_str(&again),
			     str_first(file, SEARCH_SEGMENT_HEAD_OCTETS)));
	}
	buf_release(&again);
}

static enum err
need(void *arg, uint32_t at, uint32_t n)
{
	const struct str *postings = arg;

	check(at <= postings->n && n <= postings->n - at);
	return OK;
}

static enum err
find(struct str words, struct str postings, const struct pieces *pieces,
     struct search_slots *out)
{
	const struct search_source source = { words, postings, need,
					      &postings };

	return search_find(&source, pieces, out);
}

/* needle, words, postings; the first two end with FF FE. */
static void
find_in_anything(struct str s)
{
	const struct str mark = S("\xff\xfe");
	ptrdiff_t end = str_find(s, mark);
	struct str needle = str_first(s, end < 0 ? s.n : (size_t)end);
	struct str words = str_from(s, needle.n + mark.n);
	struct search_slots slots;
	struct pieces pieces;

	end = str_find(words, mark);
	s = end < 0 ? STR_NONE : str_from(words, (size_t)end + mark.n);
	words = str_first(words, end < 0 ? words.n : (size_t)end);
	pieces_of(needle, &pieces);
	check(pieces.n <= PIECES_MAX);
	for (size_t i = 0; i < pieces.n; i++)
		check(pieces.list[i].text.n > 0 &&
		      pieces.list[i].text.n <= WORD_MAX_OCTETS);
	if (find(words, s, &pieces, &slots) != OK)
		return;
}

/* The first line is the needle, each other one a text. */
static void
find_in_texts(struct str s)
{
	struct buf folded = BUF_INIT(FOLDED_MAX_OCTETS);
	struct buf file = BUF_INIT(FILE_MAX_OCTETS);
	struct search_builder *b = search_builder_new();
	struct str rest, line, needle, texts[TEXTS_MAX];
	struct search_segment segment;
	struct search_slots slots;
	struct pieces pieces;
	size_t n = 0;

	if (search_text_fold(&folded, s) != OK || folded.n == 0)
		goto out;
	rest = buf_str(&folded);
	(void)str_split(&rest, '\n', &needle);
	while (n < TEXTS_MAX && str_split(&rest, '\n', &line)) {
		texts[n] = line;
		if (n % 2 == 1)
			search_builder_add(b, (uint32_t)n, texts[n - 1], line,
					   FOLDED_MAX_OCTETS);
		n++;
	}
	if (n < 2 || needle.n == 0)
		goto out;
	search_builder_put(b, &file, 0);
	check(search_read_segment(buf_str(&file), 0, &segment) == OK &&
	      search_end(&segment) == file.n);
	pieces_of(needle, &pieces);
	check(find(str_sub(buf_str(&file), search_words_at(&segment),
			   segment.words_octets),
		   str_from(buf_str(&file), search_postings_at(&segment)),
		   &pieces, &slots) == OK);
	for (size_t i = 0; i < n / 2 * 2; i++) {
		uint32_t slot =
			(uint32_t)(i / 2) + (i % 2 == 1 ? SEARCH_BODY_SLOT : 0);
		bool is_there = str_find(texts[i], needle) >= 0;

		check(!is_there || search_has_slot(&slots, slot));
		check(is_there || !pieces.is_exact ||
		      !search_has_slot(&slots, slot));
	}
out:
	search_builder_free(&b);
	buf_release(&folded);
	buf_release(&file);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = str_of(data, size);

	if (size == 0)
		return 0;
	if (data[0] == 'h')
		read_heads(str_from(s, 1));
	else if (data[0] == 'w')
		find_in_anything(str_from(s, 1));
	else
		find_in_texts(str_from(s, 1));
	return 0;
}
