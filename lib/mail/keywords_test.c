/* SPDX-License-Identifier: MIT
 * lib/mail/keywords_test.c */
#include "lib/mail/keywords.c"

#include "tests/unit/unit.h"

static void
a_file_of_dovecot_is_read_and_written(void **state UNUSED)
{
	/* By Dovecot 2.3.19, after letters without names were found. */
	static const struct str file = STR_INIT("0 $Forwarded\n1 foo\n2 bar\n"
						"23 unknown-23\n25 $Label1\n");
	struct buf b = BUF_INIT(1000);
	struct keywords k;

	assert_int_equal(keywords_parse(file, &k), 0);
	assert_str(k.names[0], "$Forwarded");
	assert_int_equal(keywords_find(&k, S("FOO")), 1);
	assert_int_equal(keywords_find(&k, S("$label1")), 25);
	assert_int_equal(keywords_find(&k, S("fo")), -1);
	assert_int_equal(keywords_put(&k, &b), OK);
	assert_str_eq(buf_str(&b), file);
	buf_release(&b);
}

static void
lines_that_make_no_sense_are_left_out(void **state UNUSED)
{
	static const struct {
		struct str file;
		size_t n_bad;
		struct str first;
	} cases[] = {
		{ STR_INIT(""), 0, STR_INIT("") },
		{ STR_INIT("0 a"), 0, STR_INIT("a") },
		{ STR_INIT("0 a\r\n"), 0, STR_INIT("a") },
		{ STR_INIT("26 a\n"), 1, STR_INIT("") },
		{ STR_INIT("-1 a\n0 b\n"), 1, STR_INIT("b") },
		{ STR_INIT("0\n"), 1, STR_INIT("") },
		{ STR_INIT("0 \n"), 1, STR_INIT("") },
		{ STR_INIT("\n\n0 a\n"), 2, STR_INIT("a") },
		{ STR_INIT("0 a\n0 b\n"), 1, STR_INIT("a") },
		{ STR_INIT("0 a\n1 A\n"), 1, STR_INIT("a") },
		{ STR_INIT("0 a b\n"), 1, STR_INIT("") },
		{ STR_INIT("0 \\Seen\n"), 1, STR_INIT("") },
		{ STR_INIT("0 a)\n"), 1, STR_INIT("") },
		{ STR_INIT("0 a\0b\n"), 1, STR_INIT("") },
		{ STR_INIT("0 \xc3\xa4\n"), 1, STR_INIT("") },
		{ STR_INIT("0 12345678901234567890123456789012345678901234567"
			   "8901\n"),
		  1, STR_INIT("") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct keywords k;

		assert_int_equal(keywords_parse(cases[i].file, &k),
				 cases[i].n_bad);
		assert_str_eq(k.names[0], cases[i].first);
	}
}

static void
the_twenty_seventh_is_refused(void **state UNUSED)
{
	static const char names[KEYWORDS_MAX + 1][3] = {
		"k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8",
		"k9", "l0", "l1", "l2", "l3", "l4", "l5", "l6", "l7",
		"l8", "l9", "m0", "m1", "m2", "m3", "m4", "m5", "m6",
	};
	struct keywords k = { 0 };

	assert_int_equal(keywords_add(&k, S("a b")), -1);
	for (int i = 0; i < KEYWORDS_MAX; i++)
		assert_int_equal(keywords_add(&k, str_c(names[i])), i);
	assert_int_equal(keywords_add(&k, str_c(names[26])), -1);
	k.names[7] = STR_NONE;
	assert_int_equal(keywords_add(&k, str_c(names[26])), 7);
}

static void
nameless_letters_get_dovecots_names(void **state UNUSED)
{
	struct keywords k;

	assert_int_equal(keywords_parse(S("0 a\n2 unknown-25\n"), &k), 0);
	assert_int_equal(keywords_adopt(&k, 1u | 1u << 1 | 1u << 25), 1u << 1);
	assert_str(k.names[1], "unknown-1");
	assert_str(k.names[0], "a");
	assert_int_equal(k.names[25].n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_of_dovecot_is_read_and_written),
		cmocka_unit_test(lines_that_make_no_sense_are_left_out),
		cmocka_unit_test(the_twenty_seventh_is_refused),
		cmocka_unit_test(nameless_letters_get_dovecots_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
