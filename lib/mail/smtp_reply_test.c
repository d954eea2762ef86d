/* SPDX-License-Identifier: MIT
 * lib/mail/smtp_reply_test.c - replies of good and hostile servers. */
#include "lib/mail/smtp_reply.c"

#include "tests/unit/unit.h"

static const struct {
	const char *name;
	struct str in;
	enum smtp_reply_result want;
	int code;
	struct str enhanced, text;
	size_t n_lines, rest;
} cases[] = {
	{ "one line", STR_INIT("250 OK\r\n"), SMTP_REPLY_DONE, 250,
	  STR_INIT(""), STR_INIT("OK"), 1, 0 },
	{ "enhanced", STR_INIT("550 5.1.1 No such user\r\n"), SMTP_REPLY_DONE,
	  550, STR_INIT("5.1.1"), STR_INIT("5.1.1 No such user"), 1, 0 },
	{ "enhanced alone", STR_INIT("250 2.0.0\r\n"), SMTP_REPLY_DONE, 250,
	  STR_INIT("2.0.0"), STR_INIT("2.0.0"), 1, 0 },
	{ "longest enhanced", STR_INIT("550 5.123.456 x\r\n"), SMTP_REPLY_DONE,
	  550, STR_INIT("5.123.456"), STR_INIT("5.123.456 x"), 1, 0 },
	{ "enhanced of another class", STR_INIT("450 5.1.1 x\r\n"),
	  SMTP_REPLY_DONE, 450, STR_INIT(""), STR_INIT("5.1.1 x"), 1, 0 },
	{ "four digits", STR_INIT("550 5.1234.1 x\r\n"), SMTP_REPLY_DONE, 550,
	  STR_INIT(""), STR_INIT("5.1234.1 x"), 1, 0 },
	{ "like an address", STR_INIT("220 2.0.0.1 x\r\n"), SMTP_REPLY_DONE,
	  220, STR_INIT(""), STR_INIT("2.0.0.1 x"), 1, 0 },
	{ "no text", STR_INIT("250\r\n"), SMTP_REPLY_DONE, 250, STR_INIT(""),
	  STR_INIT(""), 1, 0 },
	{ "blank and no text", STR_INIT("250 \r\n"), SMTP_REPLY_DONE, 250,
	  STR_INIT(""), STR_INIT(""), 1, 0 },
	{ "LF alone", STR_INIT("250 OK\n"), SMTP_REPLY_DONE, 250, STR_INIT(""),
	  STR_INIT("OK"), 1, 0 },
	{ "several lines", STR_INIT("250-a\r\n250-\r\n250 SIZE 1\r\n"),
	  SMTP_REPLY_DONE, 250, STR_INIT(""), STR_INIT("a\n\nSIZE 1"), 3, 0 },
	{ "last line bare", STR_INIT("250-a\r\n250\r\n"), SMTP_REPLY_DONE, 250,
	  STR_INIT(""), STR_INIT("a\n"), 2, 0 },
	{ "pipelined", STR_INIT("250 a\r\n550 b\r\n"), SMTP_REPLY_DONE, 250,
	  STR_INIT(""), STR_INIT("a"), 1, 7 },
	{ "controls are masked", STR_INIT("250 a\rb\0c\x1b[0m\t\r\n"),
	  SMTP_REPLY_DONE, 250, STR_INIT(""), STR_INIT("a?b?c?[0m?"), 1, 0 },
	{ "8-bit stays", STR_INIT("250 \xc3\xb6\r\n"), SMTP_REPLY_DONE, 250,
	  STR_INIT(""), STR_INIT("\xc3\xb6"), 1, 0 },
	/* S27 */
	{ "letter in code",
	  STR_INIT("2x0 OK\r\n"),
	  SMTP_REPLY_BAD,
	  0,
	  { 0 },
	  { 0 },
	  0,
	  0 },
	{ "first digit",
	  STR_INIT("150 OK\r\n"),
	  SMTP_REPLY_BAD,
	  0,
	  { 0 },
	  { 0 },
	  0,
	  0 },
	{ "first digit high",
	  STR_INIT("650 OK\r\n"),
	  SMTP_REPLY_BAD,
	  0,
	  { 0 },
	  { 0 },
	  0,
	  0 },
	{ "second digit",
	  STR_INIT("260 OK\r\n"),
	  SMTP_REPLY_BAD,
	  0,
	  { 0 },
	  { 0 },
	  0,
	  0 },
	{ "two digits",
	  STR_INIT("25 OK\r\n"),
	  SMTP_REPLY_BAD,
	  0,
	  { 0 },
	  { 0 },
	  0,
	  0 },
	{ "four digit code",
	  STR_INIT("2500 OK\r\n"),
	  SMTP_REPLY_BAD,
	  0,
	  { 0 },
	  { 0 },
	  0,
	  0 },
	{ "other separator",
	  STR_INIT("250_OK\r\n"),
	  SMTP_REPLY_BAD,
	  0,
	  { 0 },
	  { 0 },
	  0,
	  0 },
	{ "empty line",
	  STR_INIT("\r\n"),
	  SMTP_REPLY_BAD,
	  0,
	  { 0 },
	  { 0 },
	  0,
	  0 },
	{ "codes differ",
	  STR_INIT("250-a\r\n550 b\r\n"),
	  SMTP_REPLY_BAD,
	  0,
	  { 0 },
	  { 0 },
	  0,
	  0 },
	{ "text without code",
	  STR_INIT("250-a\r\nevil\r\n"),
	  SMTP_REPLY_BAD,
	  0,
	  { 0 },
	  { 0 },
	  0,
	  0 },
	{ "never ends",
	  STR_INIT("250-a\r\n250-b\r\n"),
	  SMTP_REPLY_MORE,
	  0,
	  { 0 },
	  { 0 },
	  0,
	  0 },
};

static enum smtp_reply_result
feed(struct smtp_reply *r, struct str in, size_t step, size_t *consumed)
{
	enum smtp_reply_result result = SMTP_REPLY_MORE;

	*consumed = 0;
	while (*consumed < in.n && result == SMTP_REPLY_MORE) {
		size_t n = 0;

		result = smtp_reply_feed(r, str_sub(in, *consumed, step), &n);
		*consumed += n;
	}
	return result;
}

static void
replies_in_pieces_of_any_size(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		for (size_t step = 1; step <= cases[i].in.n; step++) {
			struct smtp_reply r;
			size_t consumed;

			smtp_reply_init(&r);
			if (feed(&r, cases[i].in, step, &consumed) !=
			    cases[i].want)
				fail_msg("%s by %zu", cases[i].name, step);
			if (cases[i].want == SMTP_REPLY_DONE) {
				assert_int_equal(r.code, cases[i].code);
				assert_str_eq(smtp_reply_enhanced(&r),
					      cases[i].enhanced);
				assert_str_eq(smtp_reply_text(&r),
					      cases[i].text);
				assert_int_equal(r.n_lines, cases[i].n_lines);
				assert_int_equal(cases[i].in.n - consumed,
						 cases[i].rest);
			}
			smtp_reply_release(&r);
		}
	}
}

static void
a_reply_object_serves_again(void **state UNUSED)
{
	struct str in = S("550-5.1.1 a\r\n550 5.1.1 b\r\n250 c\r\n");
	struct smtp_reply r;
	size_t n;

	smtp_reply_init(&r);
	assert_int_equal(smtp_reply_feed(&r, in, &n), SMTP_REPLY_DONE);
	assert_int_equal(r.code, 550);
	smtp_reply_clear(&r);
	assert_int_equal(smtp_reply_feed(&r, str_from(in, n), &n),
			 SMTP_REPLY_DONE);
	assert_int_equal(r.code, 250);
	assert_str(smtp_reply_text(&r), "c");
	assert_str(smtp_reply_enhanced(&r), "");
	smtp_reply_release(&r);
}

static void
long_lines_and_many_lines_are_bounded(void **state UNUSED)
{
	static char line[SMTP_REPLY_LINE_MAX + 3];
	struct smtp_reply r;
	size_t n;

	memset(line, 'x', sizeof(line));
	memcpy(line, "250 ", 4);
	for (size_t step = 1; step < sizeof(line); step += 500) {
		smtp_reply_init(&r);
		line[SMTP_REPLY_LINE_MAX] = '\r';
		line[SMTP_REPLY_LINE_MAX + 1] = '\n';
		assert_int_equal(feed(&r, str_of(line, SMTP_REPLY_LINE_MAX + 2),
				      step, &n),
				 SMTP_REPLY_DONE);
		smtp_reply_clear(&r);
		line[SMTP_REPLY_LINE_MAX] = 'x';
		line[SMTP_REPLY_LINE_MAX + 1] = '\r';
		line[SMTP_REPLY_LINE_MAX + 2] = '\n';
		assert_int_equal(feed(&r, str_of(line, sizeof(line)), step, &n),
				 SMTP_REPLY_BAD);
		smtp_reply_clear(&r);
		/* Without waiting for an end that may never come. */
		line[SMTP_REPLY_LINE_MAX + 1] = 'x';
		assert_int_equal(feed(&r, str_of(line, SMTP_REPLY_LINE_MAX + 2),
				      step, &n),
				 SMTP_REPLY_BAD);
		smtp_reply_release(&r);
	}

	smtp_reply_init(&r);
	for (int i = 0; i < SMTP_REPLY_LINES_MAX - 1; i++)
		assert_int_equal(smtp_reply_feed(&r, S("250-x\r\n"), &n),
				 SMTP_REPLY_MORE);
	assert_int_equal(smtp_reply_feed(&r, S("250-x\r\n"), &n),
			 SMTP_REPLY_MORE);
	assert_int_equal(smtp_reply_feed(&r, S("250-x\r\n"), &n),
			 SMTP_REPLY_BAD);
	smtp_reply_release(&r);
}

/* A stranger's server: it took the process down with what was on the
 * stack. */
static void
consumed_is_told_of_bad_replies_too(void **state UNUSED)
{
	static char line[SMTP_REPLY_LINE_MAX + 10];
	struct smtp_reply r;
	size_t n;

	memset(line, '2', sizeof(line));
	for (size_t i = 0; i < N_OF(cases); i++) {
		n = SIZE_MAX;
		smtp_reply_init(&r);
		if (smtp_reply_feed(&r, cases[i].in, &n) != cases[i].want ||
		    n > cases[i].in.n)
			fail_msg("%s: %zu", cases[i].name, n);
		smtp_reply_release(&r);
	}
	n = SIZE_MAX;
	smtp_reply_init(&r);
	assert_int_equal(smtp_reply_feed(&r, str_of(line, sizeof(line)), &n),
			 SMTP_REPLY_BAD);
	assert_true(n <= sizeof(line));
	smtp_reply_release(&r);
}

static void
keywords_of_ehlo(void **state UNUSED)
{
	struct smtp_reply r;
	struct str args;
	size_t n;

	smtp_reply_init(&r);
	assert_int_equal(smtp_reply_feed(&r,
					 S("250-PIPELINING greets you\r\n"
					   "250-size 10240000\r\n"
					   "250-8BITMIME\r\n"
					   "250-AUTH PLAIN  LOGIN \r\n"
					   "250 DSN\r\n"),
					 &n),
			 SMTP_REPLY_DONE);
	assert_true(smtp_reply_keyword(&r, S("SIZE"), &args));
	assert_str(args, "10240000");
	assert_true(smtp_reply_keyword(&r, S("AUTH"), &args));
	assert_str(args, "PLAIN  LOGIN");
	assert_true(smtp_reply_keyword(&r, S("dsn"), &args));
	assert_str(args, "");
	assert_false(smtp_reply_keyword(&r, S("PIPELINING"), &args));
	assert_false(smtp_reply_keyword(&r, S("8BIT"), &args));
	assert_false(smtp_reply_keyword(&r, S("STARTTLS"), &args));
	smtp_reply_release(&r);
}

static void
writing(void **state UNUSED)
{
	static const struct str lines[] = { STR_INIT("a"), STR_INIT("SIZE 1"),
					    STR_INIT("DSN") };
	static char text[1000];
	struct buf b = BUF_INIT(10000);

	assert_int_equal(smtp_reply_format(&b, 250, S("2.0.0"), S("OK")), OK);
	assert_str(buf_str(&b), "250 2.0.0 OK\r\n");
	buf_clear(&b);
	assert_int_equal(smtp_reply_format(&b, 354, STR_NONE, S("Go on")), OK);
	assert_str(buf_str(&b), "354 Go on\r\n");
	buf_clear(&b);
	assert_int_equal(smtp_reply_format(&b, 550, S("5.1.1"),
					   S("<a\r\n250 ok\0\xff@b>")),
			 OK);
	assert_str(buf_str(&b),
		   "550 5.1.1 <a\\x0d\\x0a250 ok\\x00\\xff@b>\r\n");
	buf_clear(&b);
	assert_int_equal(smtp_reply_format_lines(&b, 250, STR_NONE, lines, 3),
			 OK);
	assert_str(buf_str(&b), "250-a\r\n250-SIZE 1\r\n250 DSN\r\n");

	for (int c = 0; c < 256; c += 255) { // each byte as four, or as one
		buf_clear(&b);
		memset(text, c ? 'x' : 0, sizeof(text));
		assert_int_equal(smtp_reply_format(&b, 550, S("5.0.0"),
						   str_of(text, sizeof(text))),
				 OK);
		assert_in_range(b.n, SMTP_REPLY_WRITE_MAX - 6,
				SMTP_REPLY_WRITE_MAX);
		assert_true(str_ends(buf_str(&b), S("\r\n")));
	}
	buf_release(&b);

	buf_init(&b, 8);
	assert_int_equal(smtp_reply_format(&b, 250, S("2.0.0"), S("OK")),
			 ERR_LIMIT);
	buf_release(&b);
}

/* postconf(5): smtpd_reject_footer. */
static void
footers(void **state UNUSED)
{
	static const struct smtp_footer_value values[] = {
		{ "client_address", STR_INIT("192.0.2.1") },
		{ "server_name", STR_INIT("mx\r\n") },
	};
	static const struct {
		struct str footer, want;
	} footed[] = {
		{ STR_INIT("\\c. Call us"),
		  STR_INIT("550 5.1.1 no. Call us\r\n") },
		{ STR_INIT("Call us"),
		  STR_INIT("550-5.1.1 no\r\n550 5.1.1 Call us\r\n") },
		{ STR_INIT("\\c a ($client_address)\\nb ${server_name}"),
		  STR_INIT("550-5.1.1 no a (192.0.2.1)\r\n"
			   "550 5.1.1 b mx\\x0d\\x0a\r\n") },
		{ STR_INIT("a\\n\\nb"),
		  STR_INIT("550-5.1.1 no\r\n550-5.1.1 a\r\n550-5.1.1 \r\n"
			   "550 5.1.1 b\r\n") },
		{ STR_INIT("$nobody$ ${client_address"),
		  STR_INIT("550-5.1.1 no\r\n550 5.1.1  192.0.2.1\r\n") },
		{ STR_INIT("\\c"), STR_INIT("550 5.1.1 no\r\n") },
	};

	for (size_t i = 0; i < sizeof(footed) / sizeof(*footed); i++) {
		struct buf b = BUF_INIT(4096);

		assert_int_equal(
			smtp_reply_format_footer(&b, 550, S("5.1.1"), S("no"),
						 footed[i].footer, values, 2),
			OK);
		assert_true(str_eq(buf_str(&b), footed[i].want));
		/* Every prefix is a footer. */
		for (size_t n = 0; n < footed[i].footer.n; n++) {
			buf_clear(&b);
			assert_int_equal(smtp_reply_format_footer(
						 &b, 450, S(""), S("later"),
						 str_first(footed[i].footer, n),
						 values, 2),
					 OK);
			assert_true(str_ends(buf_str(&b), S("\r\n")));
		}
		buf_release(&b);
	}
}

/* A refusal stays what it is, however long its footer. */
static void
long_footers_are_cut(void **state UNUSED)
{
	static char footer[8192];
	static const struct smtp_footer_value values[] = {
		{ "x", STR_INIT("0123456789") },
	};

	for (int is_name = 0; is_name < 2; is_name++)
		for (int is_joined = 0; is_joined < 2; is_joined++) {
			struct buf b = BUF_INIT(4096);
			size_t at = is_joined ? 2 : 0;

			for (size_t i = 0; i < sizeof(footer); i++)
				footer[i] = is_name ? "$x"[i % 2] : 'x';
			memcpy(footer, "\\c", at);
			assert_int_equal(smtp_reply_format_footer(
						 &b, 550, S("5.1.1"), S("no"),
						 str_of(footer, sizeof(footer)),
						 values, 1),
					 OK);
			assert_true(str_starts(buf_str(&b),
					       is_joined ? S("550 5.1.1 no")
							 : S("550-5.1.1 no")));
			assert_true(str_ends(buf_str(&b), S("\r\n")));
			assert_true(b.n <= 2 * SMTP_REPLY_WRITE_MAX);
			buf_release(&b);
		}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_in_pieces_of_any_size),
		cmocka_unit_test(a_reply_object_serves_again),
		cmocka_unit_test(long_lines_and_many_lines_are_bounded),
		cmocka_unit_test(consumed_is_told_of_bad_replies_too),
		cmocka_unit_test(keywords_of_ehlo),
		cmocka_unit_test(writing),
		cmocka_unit_test(footers),
		cmocka_unit_test(long_footers_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
