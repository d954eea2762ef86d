/* SPDX-License-Identifier: MIT
 * mda/store/search_build_test.c - a segment against a look through the texts.
 */
#include "mda/store/search_build.c"

#include "tests/unit/unit.h"

enum { N = 300, FILE_MAX_OCTETS = 64 << 20, TEXT_MAX_OCTETS = 4000 };

/* All of it is there. */
static enum err
need(void *arg, uint32_t at, uint32_t n)
{
	const struct str *postings = arg;

	assert_true(at <= postings->n && n <= postings->n - at);
	return OK;
}

struct segment {
	struct buf file;
	struct search_segment head;
	struct str postings;
	struct search_source source;
};

static void
put(struct search_builder *b, struct segment *s, uint64_t at)
{
	struct str all;

	buf_init(&s->file, FILE_MAX_OCTETS);
	search_builder_put(b, &s->file, at);
	all = buf_str(&s->file);
	assert_int_equal(search_read_segment(all, at, &s->head), OK);
	assert_int_equal(search_end(&s->head) - at, all.n);
	s->postings = str_from(all, search_postings_at(&s->head) - at);
	s->source = (struct search_source) {
		.words = str_sub(all, search_words_at(&s->head) - at,
				 s->head.words_octets),
		.postings = s->postings,
		.need = need,
		.arg = &s->postings,
	};
	assert_int_equal(crc32c(0, s->source.words), s->head.words_crc);
	assert_int_equal(crc32c(0, str_sub(all, search_docs_at(&s->head) - at,
					   s->head.n_docs * SEARCH_DOC_OCTETS)),
			 s->head.docs_crc);
}

static uint32_t seed = 12345;

static uint32_t
dice(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % n;
}

static void
put_random_text(struct buf *out, size_t n)
{
	static const char *const parts[] = {
		"A",
		"B",
		"AB",
		"BA",
		"ABBA",
		" ",
		" ",
		"-",
		".",
		"\r\n",
		"\xc3\x9f",
		"\xe6\x97\xa5",
		"\xe2\x80\x9c",
		"7",
	};

	buf_clear(out);
	for (size_t i = 0; i < n; i++)
		buf_put(out,
			str_c(parts[dice(sizeof(parts) / sizeof(*parts))]));
}

/* No slot that has the needle is left out; none is named if the answer is
 * exact, or has a word with each piece. */
static void
slots_are_those_that_a_look_finds(void **state UNUSED)
{
	static struct buf texts[2][N];
	struct search_builder *b = search_builder_new();
	struct buf needle = BUF_INIT(TEXT_MAX_OCTETS);
	struct segment s;
	size_t n_exact = 0, n_found = 0;

	for (uint32_t i = 0; i < N; i++) {
		for (int k = 0; k < 2; k++) {
			buf_init(&texts[k][i], TEXT_MAX_OCTETS);
			put_random_text(&texts[k][i], dice(k == 0 ? 9 : 60));
		}
		search_builder_add(b, i + 1, buf_str(&texts[0][i]),
				   buf_str(&texts[1][i]), 100000);
	}
	put(b, &s, 4711);
	for (int turn = 0; turn < 3000; turn++) {
		struct search_slots slots;
		struct pieces pieces;

		put_random_text(&needle, 1 + dice(4));
		pieces_of(buf_str(&needle), &pieces);
		assert_int_equal(search_find(&s.source, &pieces, &slots), OK);
		for (uint32_t slot = 0; slot < SEARCH_SLOTS; slot++) {
			uint32_t doc = slot % SEARCH_DOCS_MAX;
			bool is_there =
				doc < N &&
				str_find(buf_str(&texts[slot / SEARCH_DOCS_MAX]
						       [doc]),
					 buf_str(&needle)) >= 0;

			if (is_there)
				assert_true(search_has_slot(&slots, slot));
			else if (pieces.is_exact)
				assert_false(search_has_slot(&slots, slot));
			n_found += is_there;
		}
		n_exact += pieces.is_exact;
	}
	assert_true(n_exact > 300 && n_found > 3000);
	for (uint32_t i = 0; i < N; i++)
		for (int k = 0; k < 2; k++)
			buf_release(&texts[k][i]);
	buf_release(&needle);
	buf_release(&s.file);
	search_builder_free(&b);
}

static void
runs_of_any_length(void **state UNUSED)
{
	struct buf text = BUF_INIT(TEXT_MAX_OCTETS);

	for (size_t n = 1; n < 200; n += 1 + n / 7) {
		struct search_builder *b = search_builder_new();
		struct segment s;

		buf_clear(&text);
		for (size_t i = 0; i < n; i++)
			buf_putf(&text, "%c", 'A' + dice(26));
		search_builder_add(b, 1, STR_NONE, buf_str(&text), 1000000);
		put(b, &s, 0);
		for (int turn = 0; turn < 500; turn++) {
			size_t at = dice((uint32_t)n);
			struct str needle =
				str_sub(buf_str(&text), at, 1 + dice(100));
			struct search_slots slots;
			struct pieces pieces;

			pieces_of(needle, &pieces);
			assert_int_equal(
				search_find(&s.source, &pieces, &slots), OK);
			assert_true(search_has_slot(&slots, SEARCH_BODY_SLOT));
		}
		buf_release(&s.file);
		search_builder_free(&b);
	}
	buf_release(&text);
}

/* A message of words that nobody else has takes a quarter of itself at most,
 * and what it brought is not written. */
static void
what_takes_too_much_is_not_read(void **state UNUSED)
{
	struct search_builder *b = search_builder_new();
	struct buf text = BUF_INIT(1 << 20);
	struct search_slots slots;
	struct pieces pieces;
	struct segment s;

	for (int i = 0; i < 20000; i++)
		buf_putf(&text, "W%u ", dice(UINT32_MAX));
	search_builder_add(b, 1, S("HEADER"), buf_str(&text), text.n);
	search_builder_add(b, 2, STR_NONE, S("GOOD"), 4);
	put(b, &s, 20);
	assert_true(s.file.n < 1000);
	assert_true(search_doc(str_from(buf_str(&s.file),
					SEARCH_SEGMENT_HEAD_OCTETS),
			       0)
			    .is_unread);
	assert_false(search_doc(str_from(buf_str(&s.file),
					 SEARCH_SEGMENT_HEAD_OCTETS),
				1)
			     .is_unread);
	pieces_of(S("OO"), &pieces);
	assert_int_equal(search_find(&s.source, &pieces, &slots), OK);
	assert_true(search_has_slot(&slots, SEARCH_BODY_SLOT + 1));
	assert_false(search_has_slot(&slots, SEARCH_BODY_SLOT));
	buf_release(&s.file);
	buf_release(&text);
	search_builder_free(&b);
}

static void
it_is_full_at_some_time(void **state UNUSED)
{
	struct search_builder *b = search_builder_new();
	struct segment s;

	for (uint32_t i = 0; i < SEARCH_DOCS_MAX; i++) {
		assert_false(search_builder_is_full(b));
		search_builder_add_unread(b, i + 1);
	}
	assert_true(search_builder_is_full(b));
	assert_int_equal(search_builder_n_docs(b), SEARCH_DOCS_MAX);
	put(b, &s, 0);
	assert_int_equal(s.head.n_docs, SEARCH_DOCS_MAX);
	buf_release(&s.file);
	search_builder_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_are_those_that_a_look_finds),
		cmocka_unit_test(runs_of_any_length),
		cmocka_unit_test(what_takes_too_much_is_not_read),
		cmocka_unit_test(it_is_full_at_some_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
