/* SPDX-License-Identifier: MIT
 * lib/mail/cflines_test.c */
#include "lib/mail/cflines.c"

#include "tests/unit/unit.h"

struct want {
	struct str text;
	uint32_t line;
};

/* What readllines of Postfix makes of the same bytes (postconf, postmap). */
static const struct {
	const char *name;
	struct str in;
	struct want want[4];
} cases[] = {
	{ "two lines",
	  STR_INIT("a b\nc d\n"),
	  { { STR_INIT("a b"), 1 }, { STR_INIT("c d"), 2 } } },
	{ "a last line without its end",
	  STR_INIT("a\nb"),
	  { { STR_INIT("a"), 1 }, { STR_INIT("b"), 2 } } },
	{ "CRLF",
	  STR_INIT("a\r\nb\r\n"),
	  { { STR_INIT("a"), 1 }, { STR_INIT("b"), 2 } } },
	{ "a continuation",
	  STR_INIT("a =\n b\n\tc\nd"),
	  { { STR_INIT("a = b\tc"), 1 }, { STR_INIT("d"), 4 } } },
	{ "comments and empty lines within one",
	  STR_INIT("a\n\n# no\n  # nor this\n b\nc"),
	  { { STR_INIT("a b"), 1 }, { STR_INIT("c"), 6 } } },
	{ "a comment ends with its line",
	  STR_INIT("# x\n y\nz"),
	  { { STR_INIT(" y"), 2 }, { STR_INIT("z"), 3 } } },
	{ "a '#' later in the line is text",
	  STR_INIT("a #b\n"),
	  { { STR_INIT("a #b"), 1 } } },
	{ "a byte order mark",
	  STR_INIT("\xef\xbb\xbf"
		   "a"),
	  { { STR_INIT("a"), 1 } } },
	{ "only blanks and comments",
	  STR_INIT("\n  \n#\n\r\n"),
	  { { STR_INIT(""), 0 } } },
	{ "nothing", STR_INIT(""), { { STR_INIT(""), 0 } } },
};

static void
logical_lines_are_those_of_postfix(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena a = ARENA_INIT(65536);
		struct cflines c;
		struct cfline got;
		size_t n = 0;

		cflines_init(&c, cases[i].in, &a);
		while (cflines_next(&c, &got) == OK) {
			assert_true(n < 4);
			assert_str_eq(got.text, cases[i].want[n].text);
			assert_int_equal(got.line, cases[i].want[n].line);
			n++;
		}
		assert_true(n == 4 || cases[i].want[n].text.n == 0);
		arena_release(&a);
	}
}

static void
every_prefix_ends_and_never_gives_more_bytes_than_it_has(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++)
		for (size_t n = 0; n <= cases[i].in.n; n++) {
			struct arena a = ARENA_INIT(65536);
			struct cflines c;
			struct cfline got;
			size_t total = 0;

			cflines_init(&c, str_first(cases[i].in, n), &a);
			while (cflines_next(&c, &got) == OK)
				total += got.text.n;
			assert_true(total <= n);
			arena_release(&a);
		}
}

static void
a_line_that_continues_nothing_is_told(void **state UNUSED)
{
	struct arena a = ARENA_INIT(65536);
	struct cflines c;
	struct cfline got;

	cflines_init(&c, S("# head\n  lead v\nkey v"), &a);
	assert_int_equal(cflines_next(&c, &got), OK);
	assert_true(got.is_orphan);
	assert_int_equal(cflines_next(&c, &got), OK);
	assert_false(got.is_orphan);
	assert_int_equal(cflines_next(&c, &got), ERR_EOF);
	arena_release(&a);
}

static void
plain_lines_know_no_continuation(void **state UNUSED)
{
	struct cflines c;
	struct cfline got;

	cflines_init(&c, S("a\n b\n#c\nd"), NULL);
	assert_true(cflines_next_plain(&c, &got));
	assert_str(got.text, "a");
	assert_true(cflines_next_plain(&c, &got));
	assert_str(got.text, " b");
	assert_true(cflines_next_plain(&c, &got));
	assert_str(got.text, "d");
	assert_int_equal(got.line, 4);
	assert_false(cflines_next_plain(&c, &got));
}

static void
a_full_arena_is_an_answer(void **state UNUSED)
{
	static char big[65536];
	struct arena a = ARENA_INIT(4096);
	struct cflines c;
	struct cfline got;

	memset(big, 'x', sizeof(big));
	big[10] = '\n';
	big[11] = ' ';
	cflines_init(&c, str_of(big, sizeof(big)), &a);
	assert_int_equal(cflines_next(&c, &got), ERR_LIMIT);
	arena_release(&a);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(logical_lines_are_those_of_postfix),
		cmocka_unit_test(
			every_prefix_ends_and_never_gives_more_bytes_than_it_has),
		cmocka_unit_test(a_line_that_continues_nothing_is_told),
		cmocka_unit_test(plain_lines_know_no_continuation),
		cmocka_unit_test(a_full_arena_is_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
