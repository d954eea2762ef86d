/* SPDX-License-Identifier: MIT
 * lib/mail/imap_reader_test.c */
#include "lib/mail/imap_reader.c"

#include "tests/unit/unit.h"

typedef bool token_reader(struct imap_reader *, struct str *);

static void
tokens_follow_the_grammar(void **state UNUSED)
{
	static const struct {
		const char *name;
		token_reader *read;
		struct str in;
		bool ok;
		struct str want, rest;
	} cases[] = {
		{ "atom", imap_reader_atom, STR_INIT("abc d"), true,
		  STR_INIT("abc"), STR_INIT(" d") },
		{ "atom stops at ]", imap_reader_atom, STR_INIT("a]"), true,
		  STR_INIT("a"), STR_INIT("]") },
		{ "astring may hold ]", imap_reader_astring, STR_INIT("a]b"),
		  true, STR_INIT("a]b"), STR_INIT("") },
		{ "no 8-bit in atoms", imap_reader_atom, STR_INIT("\xc3\xa9"),
		  false, STR_INIT(""), STR_INIT("") },
		{ "no DEL in atoms", imap_reader_atom, STR_INIT("\x7f"), false,
		  STR_INIT(""), STR_INIT("") },
		{ "empty atom", imap_reader_atom, STR_INIT(""), false,
		  STR_INIT(""), STR_INIT("") },
		{ "quoted", imap_reader_string, STR_INIT("\"a b\" x"), true,
		  STR_INIT("a b"), STR_INIT(" x") },
		{ "empty quoted", imap_reader_astring, STR_INIT("\"\""), true,
		  STR_INIT(""), STR_INIT("") },
		{ "escapes", imap_reader_string, STR_INIT("\"a\\\"\\\\b\""),
		  true, STR_INIT("a\"\\b"), STR_INIT("") },
		{ "escape of something else", imap_reader_string,
		  STR_INIT("\"a\\n\""), false, STR_INIT(""), STR_INIT("") },
		{ "escape at the end", imap_reader_string, STR_INIT("\"a\\"),
		  false, STR_INIT(""), STR_INIT("") },
		{ "open quote", imap_reader_string, STR_INIT("\"a"), false,
		  STR_INIT(""), STR_INIT("") },
		{ "CR in quotes", imap_reader_string, STR_INIT("\"a\r\""),
		  false, STR_INIT(""), STR_INIT("") },
		{ "NUL in quotes", imap_reader_string, STR_INIT("\"a\0b\""),
		  false, STR_INIT(""), STR_INIT("") },
		{ "UTF-8 in quotes (RFC 9051)", imap_reader_string,
		  STR_INIT("\"\xc3\xa9\""), true, STR_INIT("\xc3\xa9"),
		  STR_INIT("") },
		{ "Latin-1 in quotes", imap_reader_string, STR_INIT("\"\xe9\""),
		  false, STR_INIT(""), STR_INIT("") },
		{ "literal", imap_reader_string, STR_INIT("{3}\r\na\r\nb"),
		  true, STR_INIT("a\r\n"), STR_INIT("b") },
		{ "literal+", imap_reader_astring, STR_INIT("{2+}\r\nab c"),
		  true, STR_INIT("ab"), STR_INIT(" c") },
		{ "literal of 0", imap_reader_string, STR_INIT("{0}\r\n"), true,
		  STR_INIT(""), STR_INIT("") },
		{ "literal too short", imap_reader_string,
		  STR_INIT("{3}\r\nab"), false, STR_INIT(""), STR_INIT("") },
		{ "literal of 2^64-1", imap_reader_string,
		  STR_INIT("{18446744073709551615}\r\nab"), false, STR_INIT(""),
		  STR_INIT("") },
		{ "literal of 2^64", imap_reader_string,
		  STR_INIT("{18446744073709551616}\r\nab"), false, STR_INIT(""),
		  STR_INIT("") },
		{ "negative literal", imap_reader_string,
		  STR_INIT("{-1}\r\nab"), false, STR_INIT(""), STR_INIT("") },
		{ "literal without size", imap_reader_string,
		  STR_INIT("{}\r\n"), false, STR_INIT(""), STR_INIT("") },
		{ "NUL in literal", imap_reader_string, STR_INIT("{3}\r\na\0b"),
		  false, STR_INIT(""), STR_INIT("") },
		{ "NUL in literal8", imap_reader_string,
		  STR_INIT("~{3}\r\na\0b"), true, STR_INIT("a\0b"),
		  STR_INIT("") },
		{ "~ in an astring", imap_reader_astring, STR_INIT("~user"),
		  true, STR_INIT("~user"), STR_INIT("") },
		{ "nil", imap_reader_nstring, STR_INIT("nil"), true,
		  STR_INIT(""), STR_INIT("") },
		{ "nilly", imap_reader_nstring, STR_INIT("nilly"), false,
		  STR_INIT(""), STR_INIT("") },
		{ "pattern", imap_reader_list_mailbox, STR_INIT("a/%*] x"),
		  true, STR_INIT("a/%*]"), STR_INIT(" x") },
		{ "system flag", imap_reader_flag, STR_INIT("\\Seen)"), true,
		  STR_INIT("\\Seen"), STR_INIT(")") },
		{ "keyword", imap_reader_flag, STR_INIT("$label1 "), true,
		  STR_INIT("$label1"), STR_INIT(" ") },
		{ "star", imap_reader_flag, STR_INIT("\\*"), true,
		  STR_INIT("\\*"), STR_INIT("") },
		{ "lone backslash", imap_reader_flag, STR_INIT("\\"), false,
		  STR_INIT(""), STR_INIT("") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena arena = ARENA_INIT(65536);
		struct imap_reader r;
		struct str got = S("untouched");

		imap_reader_init(&r, cases[i].in, &arena);
		if (cases[i].read(&r, &got) != cases[i].ok)
			fail_msg("%s", cases[i].name);
		assert_str_eq(got, cases[i].want);
		assert_int_equal(r.fault == IMAP_FINE, cases[i].ok);
		if (cases[i].ok)
			assert_str_eq(str_from(r.in, r.at), cases[i].rest);
		else
			assert_non_null(r.fault_text);
		arena_release(&arena);
	}
}

/* Bytes beyond the given length do not exist; the sanitizer watches. */
static void
each_prefix_is_read_inside_its_bounds(void **state UNUSED)
{
	static const struct str in = STR_INIT(
		"~{12+}\r\nabcdefghijkl \"a\\\"b\" (NIL 12 {3}\r\nxyz \\Seen)");

	for (size_t n = 0; n <= in.n; n++) {
		struct arena arena = ARENA_INIT(65536);
		struct imap_reader r;
		char *copy = malloc(n + !n);
		struct str s;
		uint32_t number;

		memcpy(copy, in.p, n);
		imap_reader_init(&r, str_of(copy, n), &arena);
		imap_reader_astring(&r, &s);
		imap_reader_space(&r);
		imap_reader_string(&r, &s);
		imap_reader_space(&r);
		imap_reader_open(&r);
		imap_reader_nstring(&r, &s);
		imap_reader_space(&r);
		imap_reader_number(&r, &number);
		imap_reader_space(&r);
		imap_reader_nstring(&r, &s);
		imap_reader_space(&r);
		imap_reader_flag(&r, &s);
		imap_reader_byte(&r, ')');
		assert_int_equal(imap_reader_end(&r), n == in.n);
		free(copy);
		arena_release(&arena);
	}
}

static void
numbers_have_their_bounds(void **state UNUSED)
{
	static const struct {
		struct str in;
		bool ok32, ok_nz, ok64;
	} cases[] = {
		{ STR_INIT("0"), true, false, true },
		{ STR_INIT("4294967295"), true, true, true },
		{ STR_INIT("4294967296"), false, false, true },
		{ STR_INIT("9223372036854775807"), false, false, true },
		{ STR_INIT("9223372036854775808"), false, false, false },
		{ STR_INIT("18446744073709551616"), false, false, false },
		{ STR_INIT("-1"), false, false, false },
		{ STR_INIT(""), false, false, false },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct imap_reader r;
		uint32_t n;
		uint64_t n64;

		imap_reader_init(&r, cases[i].in, NULL);
		assert_int_equal(imap_reader_number(&r, &n), cases[i].ok32);
		imap_reader_init(&r, cases[i].in, NULL);
		assert_int_equal(imap_reader_nz_number(&r, &n), cases[i].ok_nz);
		imap_reader_init(&r, cases[i].in, NULL);
		assert_int_equal(imap_reader_number64(&r, &n64), cases[i].ok64);
	}
}

static void
lists_nest_to_the_cap_and_no_deeper(void **state UNUSED)
{
	char deep[IMAP_DEPTH_MAX + 1];
	struct imap_reader r;

	memset(deep, '(', sizeof(deep));
	imap_reader_init(&r, str_of(deep, sizeof(deep)), NULL);
	for (int i = 0; i < IMAP_DEPTH_MAX; i++)
		assert_true(imap_reader_open(&r));
	assert_false(imap_reader_open(&r));
	assert_int_equal(r.fault, IMAP_FAULT_LIMIT);
}

static void
lists_side_by_side_are_not_deep(void **state UNUSED)
{
	char flat[4 * IMAP_DEPTH_MAX];
	struct imap_reader r;

	for (size_t i = 0; i < sizeof(flat); i++)
		flat[i] = "()"[i % 2];
	imap_reader_init(&r, str_of(flat, sizeof(flat)), NULL);
	for (size_t i = 0; i < sizeof(flat) / 2; i++) {
		assert_true(imap_reader_open(&r));
		assert_false(imap_reader_next(&r, 0));
	}
	assert_true(imap_reader_end(&r));
}

static void
lists_are_walked_with_single_spaces(void **state UNUSED)
{
	static const struct {
		struct str in;
		bool ok;
		size_t want;
	} cases[] = {
		{ STR_INIT("()"), true, 0 },
		{ STR_INIT("(a)"), true, 1 },
		{ STR_INIT("(a b c)"), true, 3 },
		{ STR_INIT("(a  b)"), false, 0 },
		{ STR_INIT("( a)"), false, 0 },
		{ STR_INIT("(a )"), false, 0 },
		{ STR_INIT("(a"), false, 0 },
		{ STR_INIT("("), false, 0 },
		{ STR_INIT(""), false, 0 },
		{ STR_INIT("(a))"), false, 0 },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct imap_reader r;
		struct str s;
		size_t n = 0;

		imap_reader_init(&r, cases[i].in, NULL);
		imap_reader_open(&r);
		for (; imap_reader_next(&r, n); n++)
			imap_reader_atom(&r, &s);
		if (imap_reader_end(&r) != cases[i].ok)
			fail_msg("%.*s", STR(cases[i].in));
		if (cases[i].ok)
			assert_int_equal(n, cases[i].want);
	}
}

static void
the_first_fault_sticks(void **state UNUSED)
{
	struct imap_reader r;
	struct str s;

	imap_reader_init(&r, S("a b"), NULL);
	imap_reader_fail(&r, IMAP_FAULT_LIMIT, "first");
	imap_reader_fail(&r, IMAP_FAULT_SYNTAX, "second");
	assert_false(imap_reader_atom(&r, &s));
	assert_int_equal(imap_reader_peek(&r), -1);
	assert_false(imap_reader_is_done(&r));
	assert_int_equal(r.fault, IMAP_FAULT_LIMIT);
	assert_string_equal(r.fault_text, "first");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens_follow_the_grammar),
		cmocka_unit_test(each_prefix_is_read_inside_its_bounds),
		cmocka_unit_test(numbers_have_their_bounds),
		cmocka_unit_test(lists_nest_to_the_cap_and_no_deeper),
		cmocka_unit_test(lists_side_by_side_are_not_deep),
		cmocka_unit_test(lists_are_walked_with_single_spaces),
		cmocka_unit_test(the_first_fault_sticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
