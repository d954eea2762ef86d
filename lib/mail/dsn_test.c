/* SPDX-License-Identifier: MIT
 * lib/mail/dsn_test.c - reports by RFC 3464 and RFC 6522, and hostile text. */
#include "lib/mail/dsn.c"

#include "tests/unit/unit.h"

enum { REPORT_MAX = 100000 };

static const struct dsn_rcpt failed = {
	.final = { STR_INIT("joe"), STR_INIT("example.org") },
	.original_type = STR_INIT("rfc822"),
	.original = STR_INIT("info@example.com"),
	.action = DSN_FAILED,
	.status = STR_INIT("5.1.1"),
	.remote_mta = STR_INIT("mx.example.org"),
	.diagnostic = STR_INIT("550 5.1.1 No such user"),
	.last_attempt_at_s = 880127706,
};

static struct dsn
report_of(const struct dsn_rcpt *rcpts, size_t n)
{
	return (struct dsn) {
		.host = S("mail.example.net"),
		.to = { S("ann"), S("example.net") },
		.token = S("k3x9"),
		.envid = S("QQ314159"),
		.arrived_at_s = 880127600,
		.now_s = 880127706,
		.utc_offset_minutes = -360,
		.rcpts = rcpts,
		.n_rcpts = n,
		.original = S("From: ann@example.net\r\nSubject: hi\r\n\r\n"),
	};
}

static void
a_failure_is_reported_in_three_parts(void **state UNUSED)
{
	static const char want[] =
		"From: Mail Delivery System "
		"<MAILER-DAEMON@mail.example.net>\r\n"
		"To: <ann@example.net>\r\n"
		"Subject: Undelivered mail returned to sender\r\n"
		"Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n"
		"Message-ID: <k3x9@mail.example.net>\r\n"
		"Auto-Submitted: auto-replied\r\n"
		"MIME-Version: 1.0\r\n"
		"Content-Type: multipart/report; report-type=delivery-status;"
		"\r\n\tboundary=\"=_k3x9\"\r\n"
		"\r\n"
		"This is a delivery report in MIME format.\r\n"
		"\r\n--=_k3x9\r\n"
		"Content-Type: text/plain; charset=us-ascii\r\n"
		"Content-Description: Notification\r\n"
		"\r\n"
		"This is the mail system at host mail.example.net.\r\n"
		"\r\n"
		"Your message could not be delivered to one or more "
		"recipients.\r\n"
		"It will not be tried again for those named as failed "
		"below.\r\n"
		"\r\n"
		"<joe@example.org> could not be delivered.\r\n"
		"    mx.example.org said: 550 5.1.1 No such user\r\n"
		"\r\n--=_k3x9\r\n"
		"Content-Type: message/delivery-status\r\n"
		"Content-Description: Delivery report\r\n"
		"\r\n"
		"Reporting-MTA: dns; mail.example.net\r\n"
		"Original-Envelope-Id: QQ314159\r\n"
		"Arrival-Date: Fri, 21 Nov 1997 09:53:20 -0600\r\n"
		"\r\n"
		"Original-Recipient: rfc822; info@example.com\r\n"
		"Final-Recipient: rfc822; joe@example.org\r\n"
		"Action: failed\r\n"
		"Status: 5.1.1\r\n"
		"Remote-MTA: dns; mx.example.org\r\n"
		"Diagnostic-Code: smtp; 550 5.1.1 No such user\r\n"
		"Last-Attempt-Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n"
		"\r\n--=_k3x9\r\n"
		"Content-Type: text/rfc822-headers\r\n"
		"Content-Description: Undelivered message\r\n"
		"\r\n"
		"From: ann@example.net\r\nSubject: hi\r\n\r\n"
		"\r\n--=_k3x9--\r\n";
	struct dsn d = report_of(&failed, 1);
	struct buf b = BUF_INIT(REPORT_MAX);

	assert_int_equal(dsn_format(&b, &d), OK);
	assert_str_eq(buf_str(&b), str_c(want));
	for (size_t max = 0; max + 1 < sizeof(want); max += 7) {
		struct buf small = BUF_INIT(max);

		assert_int_equal(dsn_format(&small, &d), ERR_LIMIT);
		buf_release(&small);
	}
	buf_release(&b);
}

static void
a_delay_says_until_when(void **state UNUSED)
{
	struct dsn_rcpt rcpt = failed;
	struct dsn d = report_of(&rcpt, 1);
	struct buf b = BUF_INIT(REPORT_MAX);

	rcpt.action = DSN_DELAYED;
	rcpt.status = S("4.4.1");
	rcpt.retry_until_s = 880559706;
	rcpt.diagnostic = STR_NONE;
	rcpt.reason = S("connection timed out");
	rcpt.original = STR_NONE;
	assert_int_equal(dsn_format(&b, &d), OK);
	assert_true(str_find(buf_str(&b),
			     S("\r\nAction: delayed\r\nStatus: 4.4.1\r\n")) >
		    0);
	assert_true(str_find(buf_str(&b),
			     S("\r\nWill-Retry-Until: Wed, 26 Nov 1997 "
			       "09:55:06 -0600\r\n")) > 0);
	assert_true(str_find(buf_str(&b), S("connection timed out")) > 0);
	assert_true(str_find(buf_str(&b), S("\r\nSubject: Delayed")) > 0);
	assert_int_equal(str_find(buf_str(&b), S("Diagnostic-Code")), -1);
	assert_int_equal(str_find(buf_str(&b), S("Original-Recipient")), -1);
	buf_release(&b);
}

static void
status_agrees_with_action(void **state UNUSED)
{
	static const struct {
		enum dsn_action action;
		struct str status, want;
	} cases[] = {
		{ DSN_FAILED, STR_INIT("5.7.1"), STR_INIT("5.7.1") },
		{ DSN_FAILED, STR_INIT("4.4.7"), STR_INIT("4.4.7") },
		{ DSN_FAILED, STR_INIT("2.0.0"), STR_INIT("5.0.0") },
		{ DSN_FAILED, STR_INIT(""), STR_INIT("5.0.0") },
		{ DSN_FAILED, STR_INIT("5.1"), STR_INIT("5.0.0") },
		{ DSN_FAILED, STR_INIT("5.1.1.1"), STR_INIT("5.0.0") },
		{ DSN_FAILED, STR_INIT("5.1.1\r\nX: y"), STR_INIT("5.0.0") },
		{ DSN_FAILED, STR_INIT("5.1.1000"), STR_INIT("5.0.0") },
		{ DSN_DELAYED, STR_INIT("5.1.1"), STR_INIT("4.0.0") },
		{ DSN_RELAYED, STR_INIT("2.1.5"), STR_INIT("2.1.5") },
		{ DSN_DELIVERED, STR_INIT(""), STR_INIT("2.0.0") },
		{ DSN_EXPANDED, STR_INIT("4.0.0"), STR_INIT("2.0.0") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf b = BUF_INIT(REPORT_MAX), want = BUF_INIT(100);
		struct dsn_rcpt rcpt = failed;
		struct dsn d = report_of(&rcpt, 1);

		rcpt.action = cases[i].action;
		rcpt.status = cases[i].status;
		assert_int_equal(dsn_format(&b, &d), OK);
		buf_putf(&want, "\r\nStatus: %.*s\r\n", STR(cases[i].want));
		assert_true(str_find(buf_str(&b), buf_str(&want)) > 0);
		buf_release(&b);
		buf_release(&want);
	}
}

#define EVIL "\r\n\r\n--=_k3x9\r\nEvil: (x\\\0\xff\n.\r\n"

static void
foreign_text_makes_no_line_of_its_own(void **state UNUSED)
{
	struct dsn_rcpt rcpt = {
		.final = { STR_INIT("a" EVIL), STR_INIT("b" EVIL) },
		.original_type = STR_INIT(EVIL),
		.original = STR_INIT(EVIL),
		.status = STR_INIT(EVIL),
		.remote_mta = STR_INIT(EVIL),
		.diagnostic = STR_INIT(EVIL),
		.reason = STR_INIT(EVIL),
	};
	struct dsn d = report_of(&rcpt, 1);
	struct buf b = BUF_INIT(REPORT_MAX);
	struct str rest, line;
	unsigned n_delimiters = 0;

	d.host = S(EVIL);
	d.envid = S(EVIL);
	d.to = rcpt.final;
	d.original = S("A: b\r\n");
	assert_int_equal(dsn_format(&b, &d), OK);
	rest = buf_str(&b);
	while (str_line(&rest, &line)) {
		assert_false(str_starts(line, S("Evil")));
		assert_false(str_starts(line, S(".")));
		assert_int_equal(str_chr(line, '\r'), -1);
		assert_int_equal(str_chr(line, '\0'), -1);
		n_delimiters += str_starts(line, S("--=_k3x9"));
	}
	assert_int_equal(n_delimiters, 4);
	buf_release(&b);
}

static void
long_text_is_cut(void **state UNUSED)
{
	static char text[100000];
	struct dsn_rcpt rcpt = failed;
	struct dsn d = report_of(&rcpt, 1);
	struct buf b = BUF_INIT(REPORT_MAX);
	struct str rest, line;

	memset(text, 'x', sizeof(text));
	rcpt.diagnostic = rcpt.reason = rcpt.remote_mta = d.envid = d.host =
		str_of(text, sizeof(text));
	assert_int_equal(dsn_format(&b, &d), OK);
	rest = buf_str(&b);
	while (str_line(&rest, &line))
		assert_true(line.n <= 998); // RFC 5322 2.1.1
	buf_release(&b);
}

static void
eight_bits_and_whole_messages(void **state UNUSED)
{
	struct dsn_rcpt rcpt = failed;
	struct dsn d = report_of(&rcpt, 1);
	struct buf b = BUF_INIT(REPORT_MAX);

	rcpt.final = (struct address) { S("j\xc3\xb6"), S("d.example") };
	d.original = S("Subject: \xc3\xb6\r\n\r\n\xff\r\nno end");
	d.is_full = true;
	assert_int_equal(dsn_format(&b, &d), OK);
	assert_true(str_find(buf_str(&b),
			     S("Content-Type: message/rfc822\r\n")) > 0);
	assert_true(str_find(buf_str(&b),
			     S("Content-Transfer-Encoding: 8bit\r\n\r\n"
			       "Subject: \xc3\xb6\r\n\r\n\xff\r\nno end"
			       "\r\n--=_k3x9--\r\n")) > 0);
	/* RFC 6533 3: U+00F6 in message/delivery-status */
	assert_true(str_find(buf_str(&b), S("\r\nFinal-Recipient: utf-8; "
					    "j\\x{F6}@d.example\r\n")) > 0);
	buf_release(&b);
}

static void
a_boundary_inside_the_original_is_told(void **state UNUSED)
{
	struct dsn d = report_of(&failed, 1);
	struct buf b = BUF_INIT(REPORT_MAX);

	d.original = S("a\r\n--=_k3x9\r\n");
	assert_int_equal(dsn_format(&b, &d), ERR_EXISTS);
	assert_int_equal(b.n, 0);
	buf_release(&b);
}

/* RFC 6533 4 and 5: types of the parts, and addresses as they are. */
static void
a_report_for_smtputf8_keeps_addresses(void **state UNUSED)
{
	struct dsn_rcpt rcpt = failed;
	struct dsn d = report_of(&rcpt, 1);
	struct buf out = BUF_INIT(REPORT_MAX);
	struct str text;

	rcpt.final.local = S("jos\xc3\xa9\xc2\x85");
	d.is_utf8 = true;
	assert_int_equal(dsn_format(&out, &d), OK);
	text = buf_str(&out);
	assert_true(str_find(text, S("message/global-delivery-status")) > 0);
	assert_true(str_find(text, S("message/global-headers")) > 0);
	assert_true(str_find(text, S("Final-Recipient: utf-8; jos\xc3\xa9?@"
				     "example.org\r\n")) > 0);
	buf_clear(&out);
	d.is_full = true;
	assert_int_equal(dsn_format(&out, &d), OK);
	assert_true(str_find(buf_str(&out), S("message/global\r\n")) > 0);
	buf_release(&out);
}

static void
a_copy_and_another_language_say_so(void **state UNUSED)
{
	struct dsn d = report_of(&failed, 1);
	struct buf out = BUF_INIT(REPORT_MAX);

	d.language = DSN_SPANISH;
	d.is_copy = true;
	assert_int_equal(dsn_format(&out, &d), OK);
	assert_true(
		str_find(buf_str(&out), S("Subject: Postmaster copy: Correo no "
					  "entregado")) > 0);
	assert_true(str_find(buf_str(&out), S("charset=utf-8\r\n")) > 0);
	/* What programs read stays as it is in any language. */
	assert_true(str_find(buf_str(&out), S("Action: failed\r\n")) > 0);
	buf_release(&out);
}

static struct str
in_own_words(struct dsn *d, const char *charset, const char *from,
	     const char *text, struct buf *out)
{
	d->own = (struct dsn_words) { str_c(charset), str_c(from), S("Sorry"),
				      S("Copy"), str_c(text) };
	buf_clear(out);
	assert_int_equal(dsn_format(out, d), OK);
	return buf_str(out);
}

/* bounce(5) */
static void
an_operator_has_words_of_his_own(void **state UNUSED)
{
	struct dsn d = report_of(&failed, 1);
	struct buf out = BUF_INIT(REPORT_MAX);
	struct str got = in_own_words(&d, "utf-8", "MAILER-DAEMON (It is us)",
				      "Lo \xc3\xb1\n\nline\rtwo\n", &out);

	assert_true(str_starts(got, S("From: MAILER-DAEMON@mail.example.net "
				      "(It is us)\r\nTo: ")));
	assert_true(str_find(got, S("\r\nSubject: Sorry\r\n")) > 0);
	assert_true(
		str_find(got,
			 S("charset=utf-8\r\nContent-Transfer-Encoding: 8bit"
			   "\r\nContent-Description: Notification\r\n\r\n"
			   "Lo \xc3\xb1\r\n\r\nline?two\r\n\r\n<joe@")) > 0);
	got = in_own_words(&d, "", "Post <bounce@other.example>", "a", &out);
	assert_true(str_starts(got, S("From: Post <bounce@other.example>\r")));
	assert_true(str_find(got, S("charset=us-ascii\r\n")) > 0);
	/* What follows a text in another charset is ASCII. */
	d.language = DSN_SPANISH;
	got = in_own_words(&d, "iso-8859-1", "X <MAILER-DAEMON>", "\xf1", &out);
	assert_true(str_find(got, S("charset=iso-8859-1\r\n")) > 0);
	assert_true(str_find(got, S("could not be delivered")) > 0);
	assert_true(
		str_starts(got, S("From: X <MAILER-DAEMON@mail.example.net>")));
	got = in_own_words(&d, "utf-8", "", "\xc3\xb1", &out);
	assert_true(str_find(got, S("no se ha podido entregar")) > 0);
	d.is_copy = true;
	got = in_own_words(&d, "utf-8", "", "secret", &out);
	assert_true(str_find(got, S("\r\nSubject: Copy\r\n")) > 0);
	assert_true(str_find(got, S("secret")) < 0);
	buf_release(&out);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_operator_has_words_of_his_own),
		cmocka_unit_test(a_report_for_smtputf8_keeps_addresses),
		cmocka_unit_test(a_copy_and_another_language_say_so),
		cmocka_unit_test(a_failure_is_reported_in_three_parts),
		cmocka_unit_test(a_delay_says_until_when),
		cmocka_unit_test(status_agrees_with_action),
		cmocka_unit_test(foreign_text_makes_no_line_of_its_own),
		cmocka_unit_test(long_text_is_cut),
		cmocka_unit_test(eight_bits_and_whole_messages),
		cmocka_unit_test(a_boundary_inside_the_original_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
