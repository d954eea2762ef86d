/* SPDX-License-Identifier: MIT
 * mda/store/words_test.c - what is a word, and what a needle says of words. */
#include "mda/store/words.c"

#include "lib/base/buf.h"
#include "tests/unit/unit.h"

#define TEN "0123456789"
#define RUN_32 TEN TEN TEN "01"
#define RUN_64 RUN_32 RUN_32

static struct str
joined(struct str text, struct buf *out)
{
	struct words w;
	struct str word;

	buf_clear(out);
	words_init(&w, text);
	while (words_next(&w, &word))
		buf_putf(out, "%.*s|", STR(word));
	return buf_str(out);
}

static void
words_of_texts(void **state UNUSED)
{
	static const struct {
		struct str text;
		const char *want;
	} cases[] = {
		{ STR_INIT(""), "" },
		{ STR_INIT(" .,-\r\n\0\x7f"), "" },
		{ STR_INIT("AB"), "AB|" },
		{ STR_INIT(" AB-C1_D."), "AB|C1|D|" },
		{ STR_INIT("GRU\xcc\x88SSE"), "GRU\xcc\x88SSE|" },
		{ STR_INIT("\xce\x95\xce\x94 X"), "\xce\x95\xce\x94|X|" },
		/* Scripts without blanks, quotes, the replacement character. */
		{ STR_INIT("\xe6\x97\xa5\xe6\x9c\xac"),
		  "\xe6\x97\xa5|\xe6\x9c\xac|" },
		{ STR_INIT("A\xe2\x80\x9c"
			   "B\xe2\x80\x9d"),
		  "A|\xe2\x80\x9c|B|\xe2\x80\x9d|" },
		{ STR_INIT("A\xc2\xbf"
			   "B"),
		  "A|\xc2\xbf|B|" },
		{ STR_INIT("\xef\xbf\xbd\xef\xbf\xbd"),
		  "\xef\xbf\xbd|\xef\xbf\xbd|" },
		{ STR_INIT("\xf0\x9f\x98\x80Z"), "\xf0\x9f\x98\x80|Z|" },
		{ STR_INIT(RUN_64), RUN_64 "|" },
		/* Each word begins 32 octets behind the one before. */
		{ STR_INIT(RUN_64 "A"), RUN_64 "|" RUN_32 "A|" },
		{ STR_INIT(RUN_64 RUN_32 " B"), RUN_64 "|" RUN_64 "|B|" },
	};
	struct buf out = BUF_INIT(10000);

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_str_eq(joined(cases[i].text, &out),
			      str_c(cases[i].want));
	buf_release(&out);
}

static void
pieces_of_needles(void **state UNUSED)
{
	static const struct {
		struct str needle;
		const char *want; // ^ begins a word, $ ends it
		bool is_exact;
	} cases[] = {
		{ STR_INIT("AB"), "AB ", true },
		{ STR_INIT(" AB"), "^AB ", false },
		{ STR_INIT("AB."), "AB$ ", false },
		{ STR_INIT("-AB-"), "^AB$ ", false },
		{ STR_INIT("AB-CD-EF"), "AB$ ^CD$ ^EF ", false },
		{ STR_INIT("--"), "", false },
		{ STR_INIT("\xe6\x97\xa5"), "^\xe6\x97\xa5$ ", true },
		{ STR_INIT("\xe6\x97\xa5\xe6\x9c\xac"),
		  "^\xe6\x97\xa5$ ^\xe6\x9c\xac$ ", false },
		{ STR_INIT("A\xe2\x80\x9c"), "A$ ^\xe2\x80\x9c$ ", false },
		{ STR_INIT(RUN_32), RUN_32 " ", true },
		/* What is sure to be whole in one word of a long run. */
		{ STR_INIT(RUN_32 "A"), RUN_32 " ", false },
		{ STR_INIT("A" RUN_32 "."), RUN_32 "$ ", false },
		{ STR_INIT("." RUN_32 "A"), "^" RUN_32 " ", false },
		{ STR_INIT("." RUN_64 "."), "^" RUN_64 "$ ", false },
		{ STR_INIT("." RUN_64 "A."), "^" RUN_32 " ", false },
	};
	struct buf out = BUF_INIT(10000);

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pieces p;

		pieces_of(cases[i].needle, &p);
		buf_clear(&out);
		for (size_t k = 0; k < p.n; k++)
			buf_putf(&out, "%s%.*s%s ",
				 p.list[k].has_start ? "^" : "",
				 STR(p.list[k].text),
				 p.list[k].has_end ? "$" : "");
		assert_str_eq(buf_str(&out), str_c(cases[i].want));
		assert_int_equal(p.is_exact, cases[i].is_exact);
	}
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_texts),
		cmocka_unit_test(pieces_of_needles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
