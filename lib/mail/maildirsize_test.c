/* SPDX-License-Identifier: MIT
 * lib/mail/maildirsize_test.c */
#include "lib/mail/maildirsize.c"

#include "tests/unit/unit.h"

#define NOTHING                          \
	{                                \
		{ 0, 0 }, 0, 0, 0, false \
	}

static void
files_are_summed(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct str file;
		enum err want;
		struct maildirsize m;
	} cases[] = {
		{ "by Dovecot 2.3.19",
		  STR_INIT(
			  "1048576S\n0 0\n48 1\n48 1\n142 1\n48 1\n46 1\n"
			  "238 3\n-48 -1\n46 1\n-46 -1\n201 1\n204 1\n204 1\n"),
		  OK,
		  { { 1048576, 0 }, 1131, 10, 13, false } },
		{ "both limits",
		  STR_INIT("1000C,1048576S\n10 1\n"),
		  OK,
		  { { 1048576, 1000 }, 10, 1, 1, false } },
		{ "none", STR_INIT("\n"), OK, { { 0, 0 }, 0, 0, 0, false } },
		{ "padded",
		  STR_INIT("5S\n       12           1\n"),
		  OK,
		  { { 5, 0 }, 12, 1, 1, false } },
		{ "another kind",
		  STR_INIT("5S,7X\n"),
		  OK,
		  { { 5, 0 }, 0, 0, 0, false } },
		{ "torn",
		  STR_INIT("5S\n10 1\n-1"),
		  OK,
		  { { 5, 0 }, 10, 1, 1, true } },
		{ "empty", STR_INIT(""), ERR_FORMAT, NOTHING },
		{ "torn limits", STR_INIT("5"), ERR_FORMAT, NOTHING },
		{ "limits without kind", STR_INIT("5\n"), ERR_FORMAT, NOTHING },
		{ "below zero", STR_INIT("5S\n-10 0\n"), ERR_FORMAT, NOTHING },
		{ "messages below zero", STR_INIT("5S\n10 -1\n"), ERR_FORMAT,
		  NOTHING },
		{ "one number", STR_INIT("5S\n10\n"), ERR_FORMAT, NOTHING },
		{ "three", STR_INIT("5S\n10 1 1\n"), ERR_FORMAT, NOTHING },
		{ "zeros", STR_INIT("5S\n\0\0\0\n"), ERR_FORMAT, NOTHING },
		{ "overflow", STR_INIT("5S\n9223372036854775807 1\n1 0\n"),
		  ERR_FORMAT, NOTHING },
		{ "too large", STR_INIT("5S\n9223372036854775808 1\n"),
		  ERR_FORMAT, NOTHING },
		{ "negative limit", STR_INIT("-5S\n"), ERR_FORMAT, NOTHING },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		const struct maildirsize *want = &cases[i].m;
		struct maildirsize m;
		enum err e = maildirsize_parse(cases[i].file, &m);

		if (e != cases[i].want)
			fail_msg("%s: %s", cases[i].name, err_text(e));
		if (e != OK)
			continue;
		assert_int_equal(m.limits.octets, want->limits.octets);
		assert_int_equal(m.limits.messages, want->limits.messages);
		assert_int_equal(m.octets, want->octets);
		assert_int_equal(m.messages, want->messages);
		assert_int_equal(m.n_lines, want->n_lines);
		assert_int_equal(m.is_torn, want->is_torn);
	}
}

static void
a_long_file_asks_for_a_count(void **state UNUSED)
{
	struct buf b = BUF_INIT(6000);
	struct maildirsize m;

	buf_put(&b, S("5S\n"));
	while (b.n + 4 <= MAILDIRSIZE_OCTETS_MAX)
		buf_put(&b, S("1 1\n"));
	assert_int_equal(maildirsize_parse(buf_str(&b), &m), OK);
	assert_int_equal(m.messages, m.n_lines);
	buf_put(&b, S("1 1\n"));
	assert_int_equal(maildirsize_parse(buf_str(&b), &m), ERR_LIMIT);
	buf_release(&b);
}

static void
limits_are_kept(void **state UNUSED)
{
	static const struct {
		struct quota_limits limits;
		int64_t octets, messages;
		uint64_t more_octets, more_messages;
		bool want;
	} cases[] = {
		{ { 100, 0 }, 90, 5, 10, 1, true },
		{ { 100, 0 }, 90, 5, 11, 1, false },
		{ { 100, 0 }, 200, 5, 1, 1, false },
		{ { 100, 0 }, 200, 5, 0, 0, true },
		{ { 0, 5 }, 200, 4, 1, 1, true },
		{ { 0, 5 }, 200, 5, 1, 1, false },
		{ { 0, 0 }, INT64_MAX, INT64_MAX, UINT64_MAX, 1, true },
		{ { 100, 0 }, 90, 5, UINT64_MAX, 1, false },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct maildirsize m = { .octets = cases[i].octets,
					 .messages = cases[i].messages };

		assert_int_equal(quota_fits(&cases[i].limits, &m,
					    cases[i].more_octets,
					    cases[i].more_messages),
				 cases[i].want);
	}
}

/* Maildir++: a refusal needs one line that is younger than 15 minutes. */
static void
a_refusal_needs_a_fresh_count(void **state UNUSED)
{
	struct maildirsize m = { .n_lines = 1 };

	assert_false(maildirsize_is_doubtful(&m, 899));
	assert_true(maildirsize_is_doubtful(&m, 900));
	m.n_lines = 2;
	assert_true(maildirsize_is_doubtful(&m, 0));
	m = (struct maildirsize) { .n_lines = 1, .is_torn = true };
	assert_true(maildirsize_is_doubtful(&m, 0));
}

static void
what_is_written_is_read_back(void **state UNUSED)
{
	static const struct {
		struct quota_limits limits;
		struct str want;
	} cases[] = {
		{ { 5, 6 }, STR_INIT("5S,6C\n7 1\n-3 -1\n") },
		{ { 0, 6 }, STR_INIT("6C\n7 1\n-3 -1\n") },
		{ { 5, 0 }, STR_INIT("5S\n7 1\n-3 -1\n") },
		{ { 0, 0 }, STR_INIT("0S\n7 1\n-3 -1\n") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf b = BUF_INIT(100);
		struct maildirsize m;

		assert_int_equal(maildirsize_put_limits(&b, &cases[i].limits),
				 OK);
		assert_int_equal(maildirsize_put_delta(&b, 7, 1), OK);
		assert_int_equal(maildirsize_put_delta(&b, -3, -1), OK);
		assert_str_eq(buf_str(&b), cases[i].want);
		assert_int_equal(maildirsize_parse(buf_str(&b), &m), OK);
		assert_int_equal(m.limits.octets, cases[i].limits.octets);
		assert_int_equal(m.limits.messages, cases[i].limits.messages);
		buf_release(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_summed),
		cmocka_unit_test(a_long_file_asks_for_a_count),
		cmocka_unit_test(limits_are_kept),
		cmocka_unit_test(a_refusal_needs_a_fresh_count),
		cmocka_unit_test(what_is_written_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
