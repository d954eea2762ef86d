/* SPDX-License-Identifier: MIT
 * lib/mail/crlf_test.c */
#include "lib/mail/crlf.c"

#include "tests/unit/unit.h"

static const struct {
	const char *name;
	struct str in, want;
} cases[] = {
	{ "empty", STR_INIT(""), STR_INIT("") },
	{ "crlf stays", STR_INIT("a\r\nb\r\n"), STR_INIT("a\r\nb\r\n") },
	{ "lf becomes crlf", STR_INIT("a\nb\n"), STR_INIT("a\r\nb\r\n") },
	{ "mixed", STR_INIT("a\r\nb\nc"), STR_INIT("a\r\nb\r\nc") },
	{ "first byte is lf", STR_INIT("\n\n"), STR_INIT("\r\n\r\n") },
	{ "bare cr stays", STR_INIT("a\rb\r\r\n"), STR_INIT("a\rb\r\r\n") },
	{ "nul is data", STR_INIT("\0\n\0"), STR_INIT("\0\r\n\0") },
};

static void
every_lf_counts_and_reads_as_crlf(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf b = BUF_INIT(100);

		assert_int_equal(crlf_size(cases[i].in), cases[i].want.n);
		assert_int_equal(crlf_add(&b, cases[i].in), OK);
		assert_str_eq(buf_str(&b), cases[i].want);
		buf_release(&b);
	}
}

static void
every_slice_is_a_slice_of_the_crlf_form(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct str want = cases[i].want;

		for (size_t at = 0; at <= want.n + 1; at++) {
			for (size_t n = 0; n <= want.n + 1; n++) {
				struct buf b = BUF_INIT(100);

				assert_int_equal(
					crlf_add_slice(&b, cases[i].in, at, n),
					OK);
				assert_str_eq(buf_str(&b),
					      str_sub(want, at, n));
				buf_release(&b);
			}
		}
	}
}

static void
partial_with_the_largest_numbers_is_empty(void **state UNUSED)
{
	struct buf b = BUF_INIT(100);

	assert_int_equal(crlf_add_slice(&b, S("a\nb"), UINT32_MAX, UINT32_MAX),
			 OK);
	assert_int_equal(crlf_add_slice(&b, S("a\nb"), SIZE_MAX, SIZE_MAX), OK);
	assert_int_equal(b.n, 0);
	assert_int_equal(crlf_add_slice(&b, S("a\nb"), 1, SIZE_MAX), OK);
	assert_str(buf_str(&b), "\r\nb");
	buf_release(&b);
}

static void
a_full_buf_is_left_as_it_was(void **state UNUSED)
{
	struct buf b = BUF_INIT(3);

	assert_int_equal(crlf_add(&b, S("a\nb")), ERR_LIMIT);
	assert_int_equal(b.n, 0);
	assert_int_equal(crlf_add(&b, S("a\n")), OK);
	buf_release(&b);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_lf_counts_and_reads_as_crlf),
		cmocka_unit_test(every_slice_is_a_slice_of_the_crlf_form),
		cmocka_unit_test(partial_with_the_largest_numbers_is_empty),
		cmocka_unit_test(a_full_buf_is_left_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
