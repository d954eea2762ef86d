/* SPDX-License-Identifier: MIT
 * lib/base/str_test.c */
#include "lib/base/str.c"

#include "tests/unit/unit.h"

static void
numbers_are_read_whole_or_not_at_all(void **state UNUSED)
{
	static const struct {
		struct str in;
		bool ok;
		uint64_t want;
	} cases[] = {
		{ STR_INIT("0"), true, 0 },
		{ STR_INIT("18446744073709551615"), true, UINT64_MAX },
		{ STR_INIT("18446744073709551616"), false, 0 },
		{ STR_INIT("99999999999999999999"), false, 0 },
		{ STR_INIT(""), false, 0 },
		{ STR_INIT("+5"), false, 0 },
		{ STR_INIT("-1"), false, 0 },
		{ STR_INIT("5 "), false, 0 },
		{ STR_INIT("00012"), true, 12 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t got = 7;
		bool ok = str_to_u64(cases[i].in, UINT64_MAX, &got);

		assert_int_equal(ok, cases[i].ok);
		assert_int_equal(got, ok ? cases[i].want : 7);
	}
	uint64_t got = 7;
	assert_false(str_to_u64(S("256"), 255, &got));
	assert_true(str_to_u64(S("255"), 255, &got));
}

static void
splitting_gives_each_piece_once(void **state UNUSED)
{
	struct str rest = S("a,,b"), piece;

	assert_true(str_split(&rest, ',', &piece));
	assert_str(piece, "a");
	assert_true(str_split(&rest, ',', &piece));
	assert_str(piece, "");
	assert_true(str_split(&rest, ',', &piece));
	assert_str(piece, "b");
	assert_false(str_split(&rest, ',', &piece));
}

static void
lines_end_with_lf_or_crlf_and_the_last_may_lack_its_end(void **state UNUSED)
{
	struct str rest = S("one\r\ntwo\n\nthree"), line;

	assert_true(str_line(&rest, &line));
	assert_str(line, "one");
	assert_true(str_line(&rest, &line));
	assert_str(line, "two");
	assert_true(str_line(&rest, &line));
	assert_str(line, "");
	assert_true(str_line(&rest, &line));
	assert_str(line, "three");
	assert_false(str_line(&rest, &line));
}

static void
case_is_folded_for_ascii_only(void **state UNUSED)
{
	assert_true(str_ieq(S("EhLo"), S("eHlO")));
	assert_false(str_ieq(S("\xc3\x89"), S("\xc3\xa9")));
	assert_false(str_ieq(S("[\\]"), S("{|}")));
	assert_true(str_icmp(S("abc"), S("ABD")) < 0);
	assert_true(str_iends(S("a@EXAMPLE.org"), S("example.ORG")));
}

static void
finding(void **state UNUSED)
{
	assert_int_equal(str_find(S("a\0b\0c"), S("\0c")), 3);
	assert_int_equal(str_find(S("abc"), S("")), 0);
	assert_int_equal(str_find(S("ab"), S("abc")), -1);
	assert_int_equal(str_ifind(S("xxNeEdLe"), S("needle")), 2);
	assert_int_equal(str_rchr(S("a.b.c"), '.'), 3);
	assert_int_equal(str_chr(STR_NONE, 'x'), -1);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_read_whole_or_not_at_all),
		cmocka_unit_test(splitting_gives_each_piece_once),
		cmocka_unit_test(
			lines_end_with_lf_or_crlf_and_the_last_may_lack_its_end),
		cmocka_unit_test(case_is_folded_for_ascii_only),
		cmocka_unit_test(finding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
