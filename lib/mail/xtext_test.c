/* SPDX-License-Identifier: MIT
 * lib/mail/xtext_test.c - RFC 3461 4, and spec of injection by parameters. */
#include "lib/mail/xtext.c"

#include "tests/unit/unit.h"

static void
values_there_and_back(void **state UNUSED)
{
	static const struct {
		struct str plain, coded;
	} cases[] = {
		{ STR_INIT(""), STR_INIT("") },
		{ STR_INIT("Bob@Example.COM"), STR_INIT("Bob@Example.COM") },
		{ STR_INIT("a+b=c"), STR_INIT("a+2Bb+3Dc") },
		{ STR_INIT("a b"), STR_INIT("a+20b") },
		{ STR_INIT("\x01\x7f\xff"), STR_INIT("+01+7F+FF") },
		{ STR_INIT("<>"), STR_INIT("<>") },
	};
	struct arena a = ARENA_INIT(10000);

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf b = BUF_INIT(100);
		struct str out;

		assert_int_equal(xtext_encode(&b, cases[i].plain), OK);
		assert_str_eq(buf_str(&b), cases[i].coded);
		assert_int_equal(xtext_decode(cases[i].coded, &a, &out), OK);
		assert_str_eq(out, cases[i].plain);
		buf_release(&b);
	}
	arena_release(&a);
}

static void
line_ends_and_nul_never_come_out(void **state UNUSED)
{
	static const struct str bad[] = {
		STR_INIT("a+0D+0Ab"), STR_INIT("a+0d"),	  STR_INIT("+0A"),
		STR_INIT("+00"),      STR_INIT("a\rb"),	  STR_INIT("a\n"),
		STR_INIT("a\0b"),     STR_INIT("a+41\n"),
	};
	struct arena a = ARENA_INIT(10000);
	struct buf b = BUF_INIT(100);
	struct str out;

	for (size_t i = 0; i < N_OF(bad); i++)
		assert_int_equal(xtext_decode(bad[i], &a, &out), ERR_FORMAT);
	buf_put(&b, S("kept"));
	assert_int_equal(xtext_encode(&b, S("a\rb")), ERR_FORMAT);
	assert_int_equal(xtext_encode(&b, S("a\nb")), ERR_FORMAT);
	assert_int_equal(xtext_encode(&b, S("a\0b")), ERR_FORMAT);
	assert_str(buf_str(&b), "kept");
	buf_release(&b);
	arena_release(&a);
}

static void
malformed_text_is_refused(void **state UNUSED)
{
	static const struct str bad[] = {
		STR_INIT("+"),	  STR_INIT("a+4"),  STR_INIT("+4g"),
		STR_INIT("+g4"),  STR_INIT("a=b"),  STR_INIT("a b"),
		STR_INIT("+41 "), STR_INIT("\x80"), STR_INIT("+41="),
		STR_INIT("++41"), STR_INIT("\x7f"),
	};
	struct arena a = ARENA_INIT(10000);
	struct str out;

	for (size_t i = 0; i < N_OF(bad); i++)
		assert_int_equal(xtext_decode(bad[i], &a, &out), ERR_FORMAT);
	assert_int_equal(xtext_decode(S("+4b"), &a, &out), OK);
	assert_str(out, "K");
	arena_release(&a);
}

static void
limits(void **state UNUSED)
{
	struct arena none = ARENA_INIT(0);
	struct buf b = BUF_INIT(4);
	struct str out;

	assert_int_equal(xtext_decode(S("abc"), &none, &out), OK);
	assert_int_equal(xtext_decode(S("+41"), &none, &out), ERR_LIMIT);
	assert_int_equal(xtext_encode(&b, S("abcde")), ERR_LIMIT);
	assert_int_equal(b.n, 0);
	buf_release(&b);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_there_and_back),
		cmocka_unit_test(line_ends_and_nul_never_come_out),
		cmocka_unit_test(malformed_text_is_refused),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
