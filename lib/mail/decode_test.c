/* SPDX-License-Identifier: MIT
 * lib/mail/decode_test.c */
#include "lib/mail/decode.c"

#include "lib/base/check.h"
#include "tests/unit/unit.h"

static const struct {
	const char *name;
	enum mime_encoding encoding;
	struct str in, want;
} bodies[] = {
	{ "soft line breaks (RFC 2045 6.7)", MIME_QUOTED_PRINTABLE,
	  STR_INIT("Now's the time =\r\nfor all folk to come=\r\n"
		   " to the aid of their country."),
	  STR_INIT("Now's the time for all folk to come to the aid of their "
		   "country.") },
	{ "lf line ends", MIME_QUOTED_PRINTABLE, STR_INIT("a=\nb\nc"),
	  STR_INIT("ab\nc") },
	{ "blanks at the end of a line were added on the way",
	  MIME_QUOTED_PRINTABLE, STR_INIT("a \t\r\nb= \r\nc  "),
	  STR_INIT("a\r\nbc") },
	{ "lower case digits", MIME_QUOTED_PRINTABLE, STR_INIT("=c3=bC=00"),
	  STR_INIT("\xc3\xbc\0") },
	{ "broken sequences stay (RFC 2045 6.7, note)", MIME_QUOTED_PRINTABLE,
	  STR_INIT("=G1 =4 ==41=4"), STR_INIT("=G1 =4 =A=4") },
	{ "end inside a soft break", MIME_QUOTED_PRINTABLE, STR_INIT("a="),
	  STR_INIT("a") },
	{ "bare cr is data", MIME_QUOTED_PRINTABLE, STR_INIT("a\rb\r"),
	  STR_INIT("a\rb\r") },
	{ "rfc 4648 10", MIME_BASE64, STR_INIT("Zm9vYmE="), STR_INIT("fooba") },
	{ "lines and junk", MIME_BASE64, STR_INIT("Zm9v\r\nYm!F \0y\r\n"),
	  STR_INIT("foobar") },
	{ "two bodies in a row", MIME_BASE64, STR_INIT("Zg==\r\nZm8=\r\nZm9v"),
	  STR_INIT("ffofoo") },
	{ "padding is missing", MIME_BASE64, STR_INIT("Zm9vYg"),
	  STR_INIT("foob") },
	{ "one digit too many", MIME_BASE64, STR_INIT("Zm9vY"),
	  STR_INIT("foo") },
	{ "8bit", MIME_IDENTITY, STR_INIT("=41\r\n\xff\0"),
	  STR_INIT("=41\r\n\xff\0") },
};

static void
bodies_are_decoded_with_tolerance(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(bodies); i++) {
		struct buf b = BUF_INIT(200);

		assert_int_equal(decode_all(&b, bodies[i].in,
					    bodies[i].encoding, false,
					    STR_NONE),
				 OK);
		assert_str_eq(buf_str(&b), bodies[i].want);
		buf_release(&b);
	}
}

static void
bodies_come_out_the_same_byte_by_byte(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(bodies); i++) {
		struct buf b = BUF_INIT(200);
		struct decode d;

		decode_init(&d, bodies[i].encoding, false, STR_NONE);
		for (size_t j = 0; j < bodies[i].in.n; j++)
			assert_int_equal(
				decode_feed(&d, &b,
					    str_sub(bodies[i].in, j, 1)),
				OK);
		assert_int_equal(decode_finish(&d, &b), OK);
		assert_str_eq(buf_str(&b), bodies[i].want);
		decode_release(&d);
		buf_release(&b);
	}
}

static void
words_are_decoded(void **state UNUSED)
{
	static const struct {
		struct str in, want;
	} cases[] = {
		/* RFC 2047 8. */
		{ STR_INIT("=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>"),
		  STR_INIT("Keith Moore <moore@cs.utk.edu>") },
		{ STR_INIT("=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?="),
		  STR_INIT("Keld J\xc3\xb8rn Simonsen") },
		{ STR_INIT(
			  "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?="
			  "\r\n =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxl"
			  "Lg==?="),
		  STR_INIT("If you can read this you understand the "
			   "example.") },
		{ STR_INIT("(=?ISO-8859-1?Q?a?=)"), STR_INIT("(a)") },
		{ STR_INIT("(=?ISO-8859-1?Q?a?= b)"), STR_INIT("(a b)") },
		{ STR_INIT("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)"),
		  STR_INIT("(ab)") },
		{ STR_INIT("(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)"),
		  STR_INIT("(ab)") },
		{ STR_INIT("(=?ISO-8859-1?Q?a_b?=)"), STR_INIT("(a b)") },
		{ STR_INIT("(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)"),
		  STR_INIT("(a b)") },
		/* RFC 2231 5. */
		{ STR_INIT("=?US-ASCII*EN?Q?Keith_Moore?="),
		  STR_INIT("Keith Moore") },
		/* A character split over two words. */
		{ STR_INIT("=?utf-8?Q?=C3?= =?utf-8?B?qQ==?="),
		  STR_INIT("\xc3\xa9") },
		/* Not words. */
		{ STR_INIT("=?utf-8?Q?a"), STR_INIT("=?utf-8?Q?a") },
		{ STR_INIT("=?utf-8?X?a?="), STR_INIT("=?utf-8?X?a?=") },
		{ STR_INIT("=?=?=?"), STR_INIT("=?=?=?") },
		{ STR_INIT("=?"), STR_INIT("=?") },
		{ STR_INIT(""), STR_INIT("") },
		/* Broken ones that occur. */
		{ STR_INIT("=?utf-8?Q?a b?="), STR_INIT("a b") },
		{ STR_INIT("=?utf-8?Q?what?\?="), STR_INIT("what?") },
		{ STR_INIT("x=?utf-8?Q?a?=y"), STR_INIT("xay") },
		{ STR_INIT("raw \xc3\xbc and \xfc"),
		  STR_INIT("raw \xc3\x83\xc2\xbc and \xc3\xbc") },
		{ STR_INIT("raw \xc3\xbc"), STR_INIT("raw \xc3\xbc") },
		{ STR_INIT("=?no-such?Q?a=FC?="), STR_INIT("a\xef\xbf\xbd") },
		/* No line can be smuggled in. */
		{ STR_INIT("=?utf-8?Q?a=0D=0Ab=00c?= d\r\n\te"),
		  STR_INIT("a  b c d e") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf b = BUF_INIT(200);

		assert_int_equal(decode_words(&b, cases[i].in), OK);
		assert_str_eq(buf_str(&b), cases[i].want);
		buf_release(&b);
	}
}

static void
charsets_become_utf8(void **state UNUSED)
{
	static const struct { // vectors from Python's codecs
		struct str charset, in, want;
	} cases[] = {
		{ STR_INIT("windows-1251"), STR_INIT("\xef\xf0\xe8"),
		  STR_INIT("\xd0\xbf\xd1\x80\xd0\xb8") },
		{ STR_INIT("Shift_JIS"), STR_INIT("\x93\xfa\x96\x7b"),
		  STR_INIT("\xe6\x97\xa5\xe6\x9c\xac") },
		{ STR_INIT("ISO-2022-JP"), STR_INIT("\x1b$BF|K\\\x1b(B"),
		  STR_INIT("\xe6\x97\xa5\xe6\x9c\xac") },
		{ STR_INIT("gb2312"), STR_INIT("\xc4\xe3"),
		  STR_INIT("\xe4\xbd\xa0") },
		{ STR_INIT("big5"), STR_INIT("\xa7\x41"),
		  STR_INIT("\xe4\xbd\xa0") },
		{ STR_INIT("euc-kr"), STR_INIT("\xc7\xd1"),
		  STR_INIT("\xed\x95\x9c") },
		{ STR_INIT("iso-8859-15"), STR_INIT("\xa4"),
		  STR_INIT("\xe2\x82\xac") },
		{ STR_INIT("utf-8"),
		  STR_INIT("a\xff"
			   "b\xc3"),
		  STR_INIT("a\xef\xbf\xbd"
			   "b\xef\xbf\xbd") },
		{ STR_INIT("utf-8"), STR_INIT("\xed\xa0\x80"), // surrogate
		  STR_INIT("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd") },
		{ STR_INIT("UTF-8//TRANSLIT"), STR_INIT("\xc3\xbc"),
		  STR_INIT("\xef\xbf\xbd\xef\xbf\xbd") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		for (size_t step = 1; step < 10; step++) {
			struct str in = cases[i].in;
			struct buf b = BUF_INIT(200);
			struct decode d;

			decode_init(&d, MIME_IDENTITY, true, cases[i].charset);
			for (; in.n > 0; in = str_from(in, step))
				assert_int_equal(
					decode_feed(&d, &b,
						    str_first(in, step)),
					OK);
			assert_int_equal(decode_finish(&d, &b), OK);
			assert_str_eq(buf_str(&b), cases[i].want);
			decode_release(&d);
			buf_release(&b);
		}
	}
}

static void
a_full_buf_holds_the_beginning(void **state UNUSED)
{
	struct buf b = BUF_INIT(4);

	assert_int_equal(decode_words(&b, S("=?utf-8?q?abcdef?=")), ERR_LIMIT);
	assert_str(buf_str(&b), "abcd");
	buf_clear(&b);
	assert_int_equal(decode_base64(&b, S("Zm9vYmFy")), ERR_LIMIT);
	assert_str(buf_str(&b), "foob");
	buf_release(&b);
}

/* Attack D02: what costs quadratic time takes minutes here, not 0.1 s. */
static void
hostile_words_take_linear_time(void **state UNUSED)
{
	static const struct str units[] = {
		STR_INIT("=?"),
		STR_INIT("=?a?q?"),
		STR_INIT("=?a?q?a"),
		STR_INIT("=?gbk?q?=c4?= \xff"),
		STR_INIT("\xff=?"),
		STR_INIT("=?gbk?q?a?==?big5?q?a?="),
		STR_INIT("=?=?=?a?q?"),
		STR_INIT("=?us-ascii?q?=ff?= =?utf-8?q?a?= "),
	};

	for (size_t i = 0; i < N_OF(units); i++) {
		struct buf in = BUF_INIT(1 << 20), out = BUF_INIT(8 << 20);

		while (in.n < 1 << 17)
			buf_put(&in, units[i]);
		assert_int_equal(decode_words(&out, buf_str(&in)), OK);
		buf_release(&in);
		buf_release(&out);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_are_decoded_with_tolerance),
		cmocka_unit_test(bodies_come_out_the_same_byte_by_byte),
		cmocka_unit_test(words_are_decoded),
		cmocka_unit_test(charsets_become_utf8),
		cmocka_unit_test(a_full_buf_holds_the_beginning),
		cmocka_unit_test(hostile_words_take_linear_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
