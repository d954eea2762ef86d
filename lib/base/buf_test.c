/* SPDX-License-Identifier: MIT
 * lib/base/buf_test.c */
#include "lib/base/buf.c"

#include "tests/unit/unit.h"

static void
max_is_reached_but_never_passed(void **state UNUSED)
{
	struct buf b = BUF_INIT(5);

	assert_int_equal(buf_add(&b, S("abc")), OK);
	assert_int_equal(buf_add(&b, S("def")), ERR_LIMIT);
	assert_str(buf_str(&b), "abc");
	assert_int_equal(buf_add(&b, S("de")), OK);
	assert_int_equal(buf_addc(&b, 'f'), ERR_LIMIT);
	assert_str(buf_str(&b), "abcde");
	assert_true(b.cap <= b.max);
	buf_release(&b);
}

static void
a_length_near_the_largest_does_not_wrap(void **state UNUSED)
{
	struct buf b = BUF_INIT(SIZE_MAX);

	buf_put(&b, S("x"));
	assert_int_equal(buf_reserve(&b, SIZE_MAX), ERR_LIMIT);
	buf_release(&b);
}

static void
formatting_that_does_not_fit_changes_nothing(void **state UNUSED)
{
	struct buf b = BUF_INIT(8);

	assert_int_equal(buf_addf(&b, "%d", 1234), OK);
	assert_int_equal(buf_addf(&b, "%s", "56789"), ERR_LIMIT);
	assert_str(buf_str(&b), "1234");
	buf_release(&b);
}

static void
shift_keeps_the_rest(void **state UNUSED)
{
	struct buf b = BUF_INIT(64);

	buf_put(&b, S("line one\r\nline"));
	buf_shift(&b, 10);
	assert_str(buf_str(&b), "line");
	buf_release(&b);
}

static void
foreign_bytes_cannot_forge_a_log_line(void **state UNUSED)
{
	struct buf b = BUF_INIT(256);

	buf_put_escaped(&b, S("a\r\nlevel=error \x1b[31m\"\\\xff"), 64);
	assert_str(buf_str(&b), "a\\x0d\\x0alevel=error\\x20\\x1b[31m\\x22\\x5c"
				"\\xff");
	buf_clear(&b);
	buf_put_escaped(&b, S("abcdef"), 3);
	assert_str(buf_str(&b), "abc...");
	buf_clear(&b);
	buf_put_readable(&b, S("550 <a> \x1b[31m\"\\\xff"), 64);
	assert_str(buf_str(&b), "550 <a> \\x1b[31m\"\\x5c\\xff");
	buf_release(&b);
}

static void
numbers_are_put_in_digits(void **state UNUSED)
{
	struct buf b = BUF_INIT(26);

	assert_int_equal(buf_add_number(&b, 0), OK);
	assert_int_equal(buf_add_number(&b, 90120), OK);
	assert_int_equal(buf_add_number(&b, UINT64_MAX), OK);
	assert_str(buf_str(&b), "09012018446744073709551615");
	assert_int_equal(buf_add_number(&b, 1), ERR_LIMIT);
	buf_release(&b);
}

static void
a_full_buffer_holds_the_beginning(void **state UNUSED)
{
	struct buf b = BUF_INIT(5);

	assert_int_equal(buf_fill(&b, S("abc")), OK);
	assert_int_equal(buf_fill(&b, S("de")), OK);
	assert_int_equal(buf_fill(&b, S("")), OK);
	assert_int_equal(buf_fill(&b, S("f")), ERR_LIMIT);
	assert_str(buf_str(&b), "abcde");
	buf_clear(&b);
	assert_int_equal(buf_fill(&b, S("abcdefg")), ERR_LIMIT);
	assert_str(buf_str(&b), "abcde");
	buf_release(&b);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(max_is_reached_but_never_passed),
		cmocka_unit_test(a_length_near_the_largest_does_not_wrap),
		cmocka_unit_test(formatting_that_does_not_fit_changes_nothing),
		cmocka_unit_test(shift_keeps_the_rest),
		cmocka_unit_test(numbers_are_put_in_digits),
		cmocka_unit_test(foreign_bytes_cannot_forge_a_log_line),
		cmocka_unit_test(a_full_buffer_holds_the_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
