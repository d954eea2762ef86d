/* SPDX-License-Identifier: MIT
 * lib/base/utf8_test.c - RFC 3629 3 and 4: what is well-formed. */
#include "lib/base/utf8.c"

#include "tests/unit/unit.h"

static void
characters_at_the_edges_of_each_length(void **state UNUSED)
{
	static const struct {
		struct str in;
		size_t n;
		uint32_t want;
	} cases[] = {
		{ STR_INIT("A"), 1, 'A' },
		{ STR_INIT("\x7f"), 1, 0x7f },
		{ STR_INIT("\xc2\x80"), 2, 0x80 },
		{ STR_INIT("\xdf\xbf"), 2, 0x7ff },
		{ STR_INIT("\xe0\xa0\x80"), 3, 0x800 },
		{ STR_INIT("\xe2\x82\xac"), 3, 0x20ac },
		{ STR_INIT("\xed\x9f\xbf"), 3, 0xd7ff },
		{ STR_INIT("\xee\x80\x80"), 3, 0xe000 },
		{ STR_INIT("\xef\xbf\xbf"), 3, 0xffff },
		{ STR_INIT("\xf0\x90\x80\x80"), 4, 0x10000 },
		{ STR_INIT("\xf4\x8f\xbf\xbf"), 4, 0x10ffff },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		uint32_t c = 0;

		assert_int_equal(utf8_char(cases[i].in, &c), cases[i].n);
		assert_int_equal(c, cases[i].want);
		for (size_t cut = 0; cut < cases[i].n; cut++)
			assert_int_equal(
				utf8_char(str_first(cases[i].in, cut), &c), 0);
	}
}

static void
malformed_sequences_are_refused(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct str in;
	} cases[] = {
		{ "continuation alone", STR_INIT("\x80") },
		{ "overlong slash", STR_INIT("\xc0\xaf") },
		{ "overlong, two", STR_INIT("\xc1\xbf") },
		{ "overlong, three", STR_INIT("\xe0\x9f\xbf") },
		{ "overlong, four", STR_INIT("\xf0\x8f\xbf\xbf") },
		{ "low surrogate", STR_INIT("\xed\xa0\x80") },
		{ "high surrogate", STR_INIT("\xed\xbf\xbf") },
		{ "above the last", STR_INIT("\xf4\x90\x80\x80") },
		{ "five octets", STR_INIT("\xf8\x88\x80\x80\x80") },
		{ "0xff", STR_INIT("\xff") },
		{ "second not a continuation", STR_INIT("\xc3\x28") },
		{ "third not a continuation", STR_INIT("\xe2\x82\x28") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		uint32_t c;

		if (utf8_char(cases[i].in, &c) != 0)
			fail_msg("%s", cases[i].name);
		assert_false(utf8_is_valid(cases[i].in));
		assert_false(utf8_is_ascii(cases[i].in));
	}
	assert_true(utf8_is_valid(S("a\xc3\xa9\xe2\x82\xac")));
	assert_false(utf8_is_valid(S("a\xc3\xa9\xe2\x82")));
	assert_true(utf8_is_ascii(S("plain")));
}

static void
put_and_read_again(void **state UNUSED)
{
	static const uint32_t edges[] = { 0,	   0x7f,    0x80,   0x7ff,
					  0x800,   0xd7ff,  0xe000, 0xffff,
					  0x10000, 0x10ffff };

	for (size_t i = 0; i < sizeof(edges) / sizeof(*edges); i++) {
		char octets[UTF8_MAX_OCTETS];
		size_t n = utf8_put(edges[i], octets);
		uint32_t c = 1;

		assert_int_equal(utf8_char(str_of(octets, n), &c), n);
		assert_int_equal(c, edges[i]);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(characters_at_the_edges_of_each_length),
		cmocka_unit_test(put_and_read_again),
		cmocka_unit_test(malformed_sequences_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
