/* SPDX-License-Identifier: MIT
 * lib/base/json_test.c */
#include "lib/base/json.c"

#include "tests/unit/unit.h"

static void
strings_are_escaped(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct str in, want;
	} cases[] = {
		{ "empty", STR_INIT(""), STR_INIT("\"\"") },
		{ "plain", STR_INIT("a/b 'c'"), STR_INIT("\"a/b 'c'\"") },
		{ "quote and backslash", STR_INIT("\"\\"),
		  STR_INIT("\"\\\"\\\\\"") },
		{ "short forms", STR_INIT("\b\f\n\r\t"),
		  STR_INIT("\"\\b\\f\\n\\r\\t\"") },
		{ "controls", STR_INIT("\0\x1f\x7f"),
		  STR_INIT("\"\\u0000\\u001F\\u007F\"") },
		{ "UTF-8 of 2, 3 and 4 octets",
		  STR_INIT("\xc3\xbc\xe2\x82\xac\xf0\x9f\x93\xa7"),
		  STR_INIT("\"\xc3\xbc\xe2\x82\xac\xf0\x9f\x93\xa7\"") },
		{ "cut short", STR_INIT("a\xe2\x82"),
		  STR_INIT("\"a\xEF\xBF\xBD\xEF\xBF\xBD\"") },
		{ "a surrogate", STR_INIT("\xed\xa0\x80"),
		  STR_INIT("\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"") },
		{ "Latin-1 before text",
		  STR_INIT("\xfc"
			   "b"),
		  STR_INIT("\"\xEF\xBF\xBD"
			   "b\"") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf out = BUF_INIT(256);

		assert_int_equal(json_add_string(&out, cases[i].in), OK);
		assert_str_eq(buf_str(&out), cases[i].want);
		buf_release(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_are_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
