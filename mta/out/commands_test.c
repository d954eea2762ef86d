/* SPDX-License-Identifier: MIT
 * mta/out/commands_test.c - lines as the RFCs write them; hostile jobs. */
#include "mta/out/commands.c"

#include "tests/unit/unit.h"

static const struct offers nothing = { 0 };
static const struct offers all = {
	.is_extended = true,
	.has_pipelining = true,
	.has_8bit = true,
	.has_utf8 = true,
	.has_dsn = true,
	.has_own = true,
	.has_size = true,
};

static void
test_offers(void **state UNUSED)
{
	struct str text = S("250-mx.example PIPELINING\r\n250-size 35882577\r\n"
			    "250-AUTH LOGIN plain CRAM-MD5\r\n250-8BITMIME\r\n"
			    "250-chunking\r\n"
			    "250-LIMITS MAILMAX=20 RCPTMAX=2 RCPTMAX=x "
			    "RCPTDOMAINMAX=1\r\n"
			    "250 STARTTLSX\r\n");
	struct smtp_reply reply;
	struct offers o;
	size_t n;

	smtp_reply_init(&reply);
	assert_int_equal(smtp_reply_feed(&reply, text, &n), SMTP_REPLY_DONE);
	offers_read(&reply, &o);
	assert_true(o.is_extended && o.has_8bit);
	assert_int_equal(o.logins, 1u << LOGIN_PLAIN | 1u << LOGIN_LOGIN |
					   1u << LOGIN_CRAM);
	assert_true(o.has_chunking);
	assert_false(o.has_pipelining); // the greeting's words are not offers
	assert_false(o.has_starttls);
	assert_true(o.has_size);
	assert_int_equal(o.rcpt_max, 2);
	assert_int_equal(o.mail_max, 20);
	assert_int_equal(o.size_max_octets, 35882577);
	smtp_reply_release(&reply);
}

static void
test_mail(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct out_job job;
		const struct offers *offers;
		struct str want; // empty: refused
	} cases[] = {
		{ "plain",
		  { .sender = STR_INIT("a@b.test") },
		  &nothing,
		  STR_INIT("MAIL FROM:<a@b.test>\r\n") },
		{ "null path",
		  { .sender = STR_INIT("") },
		  &nothing,
		  STR_INIT("MAIL FROM:<>\r\n") },
		{ "nothing that was not offered",
		  { .sender = STR_INIT("a@b.test"),
		    .is_8bit = true,
		    .id = STR_INIT("4f2"),
		    .is_repeat = true,
		    .envid = STR_INIT("x"),
		    .ret = RET_FULL },
		  &nothing,
		  STR_INIT("MAIL FROM:<a@b.test>\r\n") },
		{ "all that was offered",
		  { .sender = STR_INIT("a@b.test"),
		    .is_8bit = true,
		    .id = STR_INIT("4f2"),
		    .is_repeat = true,
		    .envid = STR_INIT("QQ 1"),
		    .ret = RET_HDRS,
		    .secret = 255,
		    .size_octets = 77 },
		  &all,
		  STR_INIT("MAIL FROM:<a@b.test> SIZE=77 BODY=8BITMIME "
			   "RET=HDRS ENVID=QQ+201 XID=4f2.00000000000000ff "
			   "XTRY=1\r\n") },
		{ "over LMTP the id is the file's name alone",
		  { .sender = STR_INIT("a@b.test"),
		    .protocol = OUT_LOCAL,
		    .id = STR_INIT("4f2"),
		    .secret = 255 },
		  &all,
		  STR_INIT("MAIL FROM:<a@b.test> SIZE=0 XID=4f2\r\n") },
		{ "first attempt",
		  { .sender = STR_INIT("a@b.test"), .id = STR_INIT("4f2") },
		  &all,
		  STR_INIT("MAIL FROM:<a@b.test> SIZE=0 "
			   "XID=4f2.0000000000000000\r\n") },
		{ "an id that would be a parameter",
		  { .sender = STR_INIT("a@b.test"),
		    .id = STR_INIT("4f2 XTRY=1") },
		  &all,
		  STR_INIT("MAIL FROM:<a@b.test> SIZE=0\r\n") },
		{ "utf-8",
		  { .sender = STR_INIT("\xc3\xa4@b.test") },
		  &all,
		  STR_INIT("MAIL FROM:<\xc3\xa4@b.test> SIZE=0 SMTPUTF8\r\n") },
		{ "blank in the local part",
		  { .sender = STR_INIT("a b@c.test") },
		  &nothing,
		  STR_INIT("MAIL FROM:<\"a b\"@c.test>\r\n") },
		{ "quoted already",
		  { .sender = STR_INIT("\"a b\"@c.test") },
		  &nothing,
		  STR_INIT("MAIL FROM:<\"a b\"@c.test>\r\n") },
		{ "brackets in the local part stay inside",
		  { .sender = STR_INIT("a> SIZE=1 <b@c.test") },
		  &nothing,
		  STR_INIT("MAIL FROM:<\"a> SIZE=1 <b\"@c.test>\r\n") },
		{ "CRLF",
		  { .sender = STR_INIT("a\r\nDATA@c.test") },
		  &nothing,
		  STR_INIT("") },
		{ "NUL",
		  { .sender = STR_INIT("a\0@c.test") },
		  &nothing,
		  STR_INIT("") },
		{ "blank in the domain",
		  { .sender = STR_INIT("a@c.test> X<") },
		  &nothing,
		  STR_INIT("") },
		{ "no local part",
		  { .sender = STR_INIT("@c.test") },
		  &nothing,
		  STR_INIT("") },
		{ "line break in the envelope id",
		  { .sender = STR_INIT("a@b.test"),
		    .envid = STR_INIT("x\r\nQUIT") },
		  &all,
		  STR_INIT("MAIL FROM:<a@b.test> SIZE=0\r\n") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf b = BUF_INIT(COMMAND_MAX_OCTETS);

		print_message("%s\n", cases[i].name);
		assert_int_equal(
			command_mail(&b, &cases[i].job, cases[i].offers),
			cases[i].want.n > 0);
		assert_str_eq(buf_str(&b), cases[i].want);
		buf_release(&b);
	}
}

static void
test_rcpt(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct out_rcpt rcpt;
		const struct offers *offers;
		struct str want;
	} cases[] = {
		{ "plain",
		  { .address = STR_INIT("a+x@b.test") },
		  &nothing,
		  STR_INIT("RCPT TO:<a+x@b.test>\r\n") },
		{ "index",
		  { .address = STR_INIT("a@b.test"), .index = 7 },
		  &all,
		  STR_INIT("RCPT TO:<a@b.test> XID=7\r\n") },
		{ "RFC 3461",
		  { .address = STR_INIT("a@b.test"),
		    .notify = NOTIFY_SUCCESS | NOTIFY_DELAY,
		    .orcpt = STR_INIT("joe+x@b.test") },
		  &all,
		  STR_INIT("RCPT TO:<a@b.test> NOTIFY=SUCCESS,DELAY "
			   "ORCPT=rfc822;joe+2Bx@b.test XID=0\r\n") },
		{ "never, with a type",
		  { .address = STR_INIT("a@b.test"),
		    .notify = NOTIFY_NEVER,
		    .orcpt = STR_INIT("x400;/S=j/") },
		  &all,
		  STR_INIT("RCPT TO:<a@b.test> NOTIFY=NEVER "
			   "ORCPT=x400;/S+3Dj/ XID=0\r\n") },
		{ "who was written to",
		  { .address = STR_INIT("a@b.test"),
		    .original = STR_INIT("all+x@b.test"),
		    .index = 7 },
		  &all,
		  STR_INIT("RCPT TO:<a@b.test> XID=7 "
			   "XORIG=all+2Bx@b.test\r\n") },
		{ "pipe",
		  { .address = STR_INIT("|id@b.test") },
		  &nothing,
		  STR_INIT("RCPT TO:<|id@b.test>\r\n") },
		{ "LF",
		  { .address = STR_INIT("a@b.test\n") },
		  &nothing,
		  STR_INIT("") },
		{ "empty",
		  { .address = STR_INIT("") },
		  &nothing,
		  STR_INIT("") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf b = BUF_INIT(COMMAND_MAX_OCTETS);

		print_message("%s\n", cases[i].name);
		assert_int_equal(
			command_rcpt(&b, &cases[i].rcpt, cases[i].offers),
			cases[i].want.n > 0);
		assert_str_eq(buf_str(&b), cases[i].want);
		buf_release(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_offers),
		cmocka_unit_test(test_mail),
		cmocka_unit_test(test_rcpt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
