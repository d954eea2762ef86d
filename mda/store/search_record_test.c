/* SPDX-License-Identifier: MIT
 * mda/store/search_record_test.c - the octets of a search index, good ones and
 * others. */
#include "mda/store/search_record.c"

#include "tests/unit/unit.h"

enum { FILE_MAX_OCTETS = 100000, PLACE = 1000 };

static void
heads(void **state UNUSED)
{
	struct buf b = BUF_INIT(FILE_MAX_OCTETS);
	uint32_t uidvalidity;

	search_put_head(&b, 77);
	assert_int_equal(b.n, SEARCH_HEAD_OCTETS);
	assert_int_equal(search_read_head(buf_str(&b), &uidvalidity), OK);
	assert_int_equal(uidvalidity, 77);
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(search_read_head(str_first(buf_str(&b), n),
						  &uidvalidity),
				 ERR_FORMAT);
	for (size_t i = 0; i < b.n; i++) {
		b.p[i] ^= 0x10;
		assert_int_equal(search_read_head(buf_str(&b), &uidvalidity),
				 ERR_FORMAT);
		b.p[i] ^= 0x10;
	}
	buf_release(&b);
}

static void
heads_of_segments(void **state UNUSED)
{
	const struct search_segment s = {
		.at = PLACE,
		.n_docs = 3,
		.words_octets = 100,
		.postings_octets = SEARCH_BLOCK_OCTETS + 1,
		.docs_crc = 1,
		.blocks_crc = 2,
		.words_crc = 3,
	};
	static const struct {
		const char *name;
		struct search_segment s;
	} wrong[] = {
		{ "no doc", { .at = PLACE } },
		{ "too many docs",
		  { .at = PLACE, .n_docs = SEARCH_DOCS_MAX + 1 } },
		{ "too many words",
		  { .at = PLACE,
		    .n_docs = 1,
		    .words_octets = SEARCH_WORDS_MAX_OCTETS + 1 } },
		{ "too many postings",
		  { .at = PLACE,
		    .n_docs = 1,
		    .postings_octets = SEARCH_POSTINGS_MAX_OCTETS + 1 } },
	};
	struct buf b = BUF_INIT(FILE_MAX_OCTETS);
	struct search_segment got;

	search_put_segment(&b, &s);
	assert_int_equal(b.n, SEARCH_SEGMENT_HEAD_OCTETS);
	assert_int_equal(search_read_segment(buf_str(&b), PLACE, &got), OK);
	assert_memory_equal(&got, &s, sizeof(s));
	assert_int_equal(search_n_blocks(&got), 2);
	assert_int_equal(search_end(&got), PLACE + SEARCH_SEGMENT_HEAD_OCTETS +
						   3 * SEARCH_DOC_OCTETS +
						   2 * 4 + 100 +
						   SEARCH_BLOCK_OCTETS + 1);
	/* It is bound to its place. */
	assert_int_equal(search_read_segment(buf_str(&b), PLACE + 1, &got),
			 ERR_FORMAT);
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(search_read_segment(str_first(buf_str(&b), n),
						     PLACE, &got),
				 ERR_EOF);
	for (size_t i = 0; i < b.n; i++) {
		b.p[i] ^= 1;
		assert_int_equal(search_read_segment(buf_str(&b), PLACE, &got),
				 ERR_FORMAT);
		b.p[i] ^= 1;
	}
	for (size_t i = 0; i < N_OF(wrong); i++) {
		buf_clear(&b);
		search_put_segment(&b, &wrong[i].s);
		assert_int_equal(search_read_segment(buf_str(&b), PLACE, &got),
				 ERR_FORMAT);
	}
	buf_release(&b);
}

static enum err
need(void *arg, uint32_t at, uint32_t n)
{
	const struct str *postings = arg;

	assert_true(at <= postings->n && n <= postings->n - at);
	return OK;
}

static enum err
find(struct str words, struct str postings, const char *needle,
     struct search_slots *out)
{
	const struct search_source source = { words, postings, need,
					      &postings };
	struct pieces pieces;

	pieces_of(str_c(needle), &pieces);
	return search_find(&source, &pieces, out);
}

static size_t
count(const struct search_slots *s)
{
	size_t n = 0;

	for (uint32_t i = 0; i < SEARCH_SLOTS; i++)
		n += search_has_slot(s, i);
	return n;
}

static void
postings_of_all_shapes(void **state UNUSED)
{
	static const struct {
		const char *name;
		uint16_t first, step, n;
	} cases[] = {
		{ "one", 7, 1, 1 },	     { "two far ones", 0, 2047, 2 },
		{ "all", 0, 1, 2048 },	     { "each second", 1, 2, 1024 },
		{ "each ninth", 3, 9, 200 }, { "few", 500, 300, 4 },
	};
	struct buf words = BUF_INIT(FILE_MAX_OCTETS);
	struct buf postings = BUF_INIT(FILE_MAX_OCTETS);
	uint16_t slots[SEARCH_SLOTS];

	for (size_t c = 0; c < N_OF(cases); c++) {
		struct search_slots got;

		buf_clear(&words);
		buf_clear(&postings);
		buf_put(&postings, S("what is before"));
		for (uint16_t i = 0; i < cases[c].n; i++)
			slots[i] =
				(uint16_t)(cases[c].first + i * cases[c].step);
		search_put_word(&words, S("AB"),
				search_reference_of_slot(2000));
		search_put_word(
			&words, S("B"),
			search_reference_of_posting((uint32_t)postings.n));
		search_put_posting(&postings, slots, cases[c].n);
		assert_int_equal(
			find(buf_str(&words), buf_str(&postings), ".B.", &got),
			OK);
		assert_int_equal(count(&got), cases[c].n);
		for (uint16_t i = 0; i < cases[c].n; i++)
			assert_true(search_has_slot(&got, slots[i]));
		assert_int_equal(
			find(buf_str(&words), buf_str(&postings), "A", &got),
			OK);
		assert_int_equal(count(&got), 1);
		assert_true(search_has_slot(&got, 2000));
	}
	buf_release(&words);
	buf_release(&postings);
}

static void
needles_and_words(void **state UNUSED)
{
	static const struct {
		const char *needle;
		size_t n;
	} cases[] = {
		{ "HOUSE", 2 },
		{ "OUS", 2 },
		{ ".HOUSE", 2 },
		{ "HOUSE.", 1 },
		{ "E", 2 },
		{ "S", 3 },
		{ "X", 0 },
		{ "HOUSE-S", 0 },
		{ "S-", 0 },
		{ "-S", 1 },
		{ "-", SEARCH_SLOTS },
	};
	struct buf words = BUF_INIT(FILE_MAX_OCTETS);

	search_put_word(&words, S("HOUSE"), search_reference_of_slot(1));
	search_put_word(&words, S("HOUSEBOAT"), search_reference_of_slot(2));
	search_put_word(&words, S("SAND"), search_reference_of_slot(3));
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct search_slots got;

		assert_int_equal(
			find(buf_str(&words), STR_NONE, cases[i].needle, &got),
			OK);
		assert_int_equal(count(&got), cases[i].n);
	}
	buf_release(&words);
}

/* Checksums can be right and the rest a lie. */
static void
lies_are_noticed(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct str words, postings;
	} cases[] = {
		{ "a word without end", STR_INIT("\0A"), STR_INIT("") },
		{ "no reference", STR_INIT("\0A\0"), STR_INIT("") },
		{ "an empty one", STR_INIT("\0A\0\0"), STR_INIT("") },
		{ "it does not end", STR_INIT("\0A\0\2"), STR_INIT("") },
		{ "a digit that is none", STR_INIT("\0A\0A\0"), STR_INIT("") },
		{ "a digit above", STR_INIT("\0A\0\x21\0"), STR_INIT("") },
		{ "too many digits", STR_INIT("\0A\0\2\2\2\2\2\2\2\2\0"),
		  STR_INIT("") },
		{ "a slot beyond", STR_INIT("\0A\0\x20\x20\x20\x20\0"),
		  STR_INIT("") },
		{ "a posting beyond", STR_INIT("\0A\0\3\0"), STR_INIT("x") },
		{ "a posting that ends early", STR_INIT("\0A\0\1\0"),
		  STR_INIT("\x06\1\1") },
		{ "its size, too", STR_INIT("\0A\0\1\0"), STR_INIT("\x80") },
		{ "a distance beyond", STR_INIT("\0A\0\1\0"),
		  STR_INIT("\x0a\xff\xff\xff\xff\x0f") },
		{ "a distance without end", STR_INIT("\0A\0\1\0"),
		  STR_INIT("\x04\x80\x80") },
		{ "bits beyond", STR_INIT("\0A\0\1\0"),
		  STR_INIT("\x07\xff\x0f\x02") },
		{ "bits without a place", STR_INIT("\0A\0\1\0"),
		  STR_INIT("\x01") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct search_slots got;

		if (find(cases[i].words, cases[i].postings, "A", &got) !=
		    ERR_FORMAT)
			fail_msg("%s", cases[i].name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads),
		cmocka_unit_test(heads_of_segments),
		cmocka_unit_test(postings_of_all_shapes),
		cmocka_unit_test(needles_and_words),
		cmocka_unit_test(lies_are_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
