/* SPDX-License-Identifier: MIT
 * lib/mail/imap_write_test.c */
#include "lib/mail/imap_write.c"

#include "tests/unit/unit.h"

static char long_text[IMAP_QUOTED_MAX + 1];

static void
each_string_takes_the_first_form_that_carries_it(void **state UNUSED)
{
	static const struct {
		struct str in, as_string, as_utf8, as_astring;
	} cases[] = {
		{ STR_INIT("abc"), STR_INIT("\"abc\""), STR_INIT("\"abc\""),
		  STR_INIT("abc") },
		{ STR_INIT(""), STR_INIT("\"\""), STR_INIT("\"\""),
		  STR_INIT("\"\"") },
		{ STR_INIT("NIL"), STR_INIT("\"NIL\""), STR_INIT("\"NIL\""),
		  STR_INIT("\"NIL\"") },
		{ STR_INIT("a\"b\\c"), STR_INIT("\"a\\\"b\\\\c\""),
		  STR_INIT("\"a\\\"b\\\\c\""), STR_INIT("\"a\\\"b\\\\c\"") },
		{ STR_INIT("a b"), STR_INIT("\"a b\""), STR_INIT("\"a b\""),
		  STR_INIT("\"a b\"") },
		{ STR_INIT("a\r\nb"), STR_INIT("{4}\r\na\r\nb"),
		  STR_INIT("{4}\r\na\r\nb"), STR_INIT("{4}\r\na\r\nb") },
		{ STR_INIT("\xc3\xa9"), STR_INIT("{2}\r\n\xc3\xa9"),
		  STR_INIT("\"\xc3\xa9\""), STR_INIT("{2}\r\n\xc3\xa9") },
		{ STR_INIT("\xe9"), STR_INIT("{1}\r\n\xe9"),
		  STR_INIT("{1}\r\n\xe9"), STR_INIT("{1}\r\n\xe9") },
		{ STR_INIT("\0a\0\0b\0"), STR_INIT("{2}\r\nab"),
		  STR_INIT("{2}\r\nab"), STR_INIT("{2}\r\nab") },
		{ STR_INIT("\0"), STR_INIT("{0}\r\n"), STR_INIT("{0}\r\n"),
		  STR_INIT("{0}\r\n") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf b = BUF_INIT(1000);

		assert_int_equal(imap_write_string(&b, cases[i].in), OK);
		assert_str_eq(buf_str(&b), cases[i].as_string);
		buf_clear(&b);
		assert_int_equal(imap_write_string_utf8(&b, cases[i].in, true),
				 OK);
		assert_str_eq(buf_str(&b), cases[i].as_utf8);
		buf_clear(&b);
		assert_int_equal(imap_write_astring(&b, cases[i].in), OK);
		assert_str_eq(buf_str(&b), cases[i].as_astring);
		buf_release(&b);
	}
}

static void
what_was_written_is_read_back(void **state UNUSED)
{
	for (unsigned c = 1; c < 256; c++) {
		struct arena arena = ARENA_INIT(10000);
		struct buf b = BUF_INIT(100);
		struct imap_reader r;
		struct str got;
		char in[3] = { 'x', (char)c, 'y' };

		assert_int_equal(imap_write_astring(&b, str_of(in, 3)), OK);
		imap_reader_init(&r, buf_str(&b), &arena);
		assert_true(imap_reader_astring(&r, &got));
		assert_true(imap_reader_end(&r));
		assert_str_eq(got, str_of(in, 3));
		buf_release(&b);
		arena_release(&arena);
	}
}

static void
a_full_buf_is_left_as_it_was(void **state UNUSED)
{
	static const struct str in[] = { STR_INIT("a\"b\"c"),
					 STR_INIT("a\r\0\nb") };

	for (size_t i = 0; i < N_OF(in); i++) {
		for (size_t max = 2; max < 8; max++) {
			struct buf b = BUF_INIT(max);

			buf_put(&b, S("ab"));
			assert_int_equal(imap_write_string(&b, in[i]),
					 ERR_LIMIT);
			assert_str(buf_str(&b), "ab");
			buf_release(&b);
		}
	}
}

static void
long_strings_nothing_and_text(void **state UNUSED)
{
	struct buf b = BUF_INIT(10000);

	memset(long_text, 'a', sizeof(long_text));
	assert_int_equal(
		imap_write_astring(&b, str_of(long_text, sizeof(long_text))),
		OK);
	assert_true(str_starts(buf_str(&b), S("{1001}\r\naaa")));
	buf_clear(&b);
	assert_int_equal(imap_write_nstring(&b, STR_NONE), OK);
	assert_int_equal(imap_write_nstring(&b, S("")), OK);
	assert_str(buf_str(&b), "NIL\"\"");
	buf_clear(&b);
	assert_int_equal(imap_write_literal_head(&b, UINT64_MAX, true), OK);
	assert_str(buf_str(&b), "~{18446744073709551615}\r\n");
	buf_release(&b);
}

/* RFC 6855 3: once enabled, names are UTF-8 in quotes. */
static void
names_in_utf8(void **state UNUSED)
{
	static const struct {
		struct str in;
		bool is_utf8;
		struct str want;
	} cases[] = {
		{ STR_INIT("Sent"), true, STR_INIT("Sent") },
		{ STR_INIT("Sent mail"), true, STR_INIT("\"Sent mail\"") },
		{ STR_INIT("B\xc3\xa9"), true, STR_INIT("\"B\xc3\xa9\"") },
		{ STR_INIT("B\xc3\xa9"), false, STR_INIT("{3}\r\nB\xc3\xa9") },
		{ STR_INIT("B\xe9"), true, STR_INIT("{2}\r\nB\xe9") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf b = BUF_INIT(1000);

		assert_int_equal(imap_write_astring_utf8(&b, cases[i].in,
							 cases[i].is_utf8),
				 OK);
		assert_str_eq(buf_str(&b), cases[i].want);
		buf_release(&b);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_in_utf8),
		cmocka_unit_test(
			each_string_takes_the_first_form_that_carries_it),
		cmocka_unit_test(what_was_written_is_read_back),
		cmocka_unit_test(a_full_buf_is_left_as_it_was),
		cmocka_unit_test(long_strings_nothing_and_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
