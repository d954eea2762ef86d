/* SPDX-License-Identifier: MIT
 * lib/mail/smtp_command_test.c - command lines, good, bad and hostile. */
#include "lib/mail/smtp_command.c"

#include "tests/unit/unit.h"

#define ALL                                                                   \
	(SMTP_WITH_UTF8 | SMTP_WITH_BINARY | SMTP_WITH_DSN | SMTP_WITH_AUTH | \
	 SMTP_WITH_OWN)
#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10

static void
lines(void **state UNUSED)
{
	static const struct {
		struct str in;
		enum smtp_syntax want;
		enum smtp_verb verb;
		struct str arg;
	} cases[] = {
		{ STR_INIT("EHLO host"), SMTP_OK, SMTP_VERB_EHLO,
		  STR_INIT("host") },
		{ STR_INIT("ehlo  host  "), SMTP_OK, SMTP_VERB_EHLO,
		  STR_INIT("host") },
		{ STR_INIT("HELO\thost"), SMTP_OK, SMTP_VERB_HELO,
		  STR_INIT("host") },
		{ STR_INIT("EHLO"), SMTP_NEEDS_ARGUMENT, SMTP_VERB_EHLO,
		  STR_INIT("") },
		{ STR_INIT("DATA"), SMTP_OK, SMTP_VERB_DATA, STR_INIT("") },
		{ STR_INIT("DATA "), SMTP_OK, SMTP_VERB_DATA, STR_INIT("") },
		{ STR_INIT("DATA x"), SMTP_NO_ARGUMENT_TAKEN, SMTP_VERB_DATA,
		  STR_INIT("x") },
		{ STR_INIT("QUIT now"), SMTP_NO_ARGUMENT_TAKEN, SMTP_VERB_QUIT,
		  STR_INIT("now") },
		{ STR_INIT("STARTTLS"), SMTP_OK, SMTP_VERB_STARTTLS,
		  STR_INIT("") },
		{ STR_INIT("NOOP anything"), SMTP_OK, SMTP_VERB_NOOP,
		  STR_INIT("anything") },
		{ STR_INIT("MAIL FROM:<a@b>"), SMTP_OK, SMTP_VERB_MAIL,
		  STR_INIT("FROM:<a@b>") },
		{ STR_INIT(""), SMTP_UNKNOWN_COMMAND, SMTP_VERB_UNKNOWN,
		  STR_INIT("") },
		{ STR_INIT(" QUIT"), SMTP_UNKNOWN_COMMAND, SMTP_VERB_UNKNOWN,
		  STR_INIT("QUIT") },
		{ STR_INIT("QUITX"), SMTP_UNKNOWN_COMMAND, SMTP_VERB_UNKNOWN,
		  STR_INIT("") },
		{ STR_INIT("QUI"), SMTP_UNKNOWN_COMMAND, SMTP_VERB_UNKNOWN,
		  STR_INIT("") },
		/* S13 */
		{ STR_INIT("QUIT\0"), SMTP_BAD_BYTES, SMTP_VERB_UNKNOWN,
		  STR_INIT("") },
		{ STR_INIT("MAIL FROM:<a@b>\0<"), SMTP_BAD_BYTES,
		  SMTP_VERB_UNKNOWN, STR_INIT("FROM:<a@b>\0<") },
		{ STR_INIT("NOOP a\rb"), SMTP_BAD_BYTES, SMTP_VERB_UNKNOWN,
		  STR_INIT("a\rb") },
		{ STR_INIT("NOOP a\nb"), SMTP_BAD_BYTES, SMTP_VERB_UNKNOWN,
		  STR_INIT("a\nb") },
		/* S16 */
		{ STR_INIT("GET / HTTP/1.1"), SMTP_FOREIGN_PROTOCOL,
		  SMTP_VERB_UNKNOWN, STR_INIT("/ HTTP/1.1") },
		{ STR_INIT("POST / HTTP/1.1"), SMTP_FOREIGN_PROTOCOL,
		  SMTP_VERB_UNKNOWN, STR_INIT("/ HTTP/1.1") },
		{ STR_INIT("CONNECT a:25 HTTP/1.1"), SMTP_FOREIGN_PROTOCOL,
		  SMTP_VERB_UNKNOWN, STR_INIT("a:25 HTTP/1.1") },
		{ STR_INIT("\x16\x03\x01\x02"), SMTP_FOREIGN_PROTOCOL,
		  SMTP_VERB_UNKNOWN, STR_INIT("") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct smtp_command c;
		enum smtp_syntax s = smtp_command_parse(cases[i].in, &c);

		if (s != cases[i].want || c.verb != cases[i].verb)
			fail_msg("%s: %d", cases[i].in.p, s);
		assert_str_eq(c.arg, cases[i].arg);
	}
}

static void
every_mistake_has_an_answer(void **state UNUSED)
{
	for (int s = SMTP_OK + 1; s < SMTP_N_SYNTAX; s++) {
		const struct smtp_answer *a = smtp_syntax_answer(s);

		assert_true(a->code >= 400 && a->code < 600);
		assert_int_equal(a->enhanced.p[0] - '0', a->code / 100);
		assert_true(a->text.n > 0);
	}
}

static void
helo_names(void **state UNUSED)
{
	struct str name;

	assert_int_equal(smtp_helo_parse(S("a.b"), &name), SMTP_OK);
	assert_int_equal(smtp_helo_parse(S("[127.0.0.1]"), &name), SMTP_OK);
	assert_int_equal(smtp_helo_parse(S("under_score"), &name), SMTP_OK);
	assert_str(name, "under_score");
	assert_int_equal(smtp_helo_parse(S(""), &name), SMTP_BAD_HELO);
	assert_int_equal(smtp_helo_parse(S("a b"), &name), SMTP_BAD_HELO);
	assert_int_equal(smtp_helo_parse(S("a\r\nb"), &name), SMTP_BAD_HELO);
	assert_int_equal(smtp_helo_parse(S("a\0"), &name), SMTP_BAD_HELO);
	assert_int_equal(smtp_helo_parse(S("\xc3\xb6"), &name), SMTP_BAD_HELO);
	assert_int_equal(
		smtp_helo_parse(S(X100 X100 X10 X10 X10 X10 X10 "xxxxx"),
				&name),
		SMTP_OK);
	assert_int_equal(
		smtp_helo_parse(S(X100 X100 X10 X10 X10 X10 X10 "xxxxxx"),
				&name),
		SMTP_BAD_HELO);
}

static void
mail_arguments(void **state UNUSED)
{
	static const struct {
		struct str in;
		unsigned with;
		enum smtp_syntax want;
	} cases[] = {
		{ STR_INIT("FROM:<a@b>"), 0, SMTP_OK },
		{ STR_INIT("from:<>"), 0, SMTP_OK },
		{ STR_INIT("FROM: <a@b>"), 0, SMTP_OK },
		{ STR_INIT("FROM <a@b>"), 0, SMTP_BAD_MAIL },
		{ STR_INIT("TO:<a@b>"), 0, SMTP_BAD_MAIL },
		{ STR_INIT("FROM:"), 0, SMTP_BAD_SENDER },
		{ STR_INIT("FROM:a@b"), 0, SMTP_BAD_SENDER },
		{ STR_INIT("FROM:<postmaster>"), 0, SMTP_BAD_SENDER },
		{ STR_INIT("FROM:<a@b>SIZE=1"), 0, SMTP_BAD_PARAM },
		{ STR_INIT("FROM:<a@b>x"), 0, SMTP_BAD_PARAM },
		{ STR_INIT("FROM:<" X100 "@b>"), 0, SMTP_SENDER_TOO_LONG },
		{ STR_INIT("FROM:<" X100 "@b>"), SMTP_WITH_LONG_LOCAL,
		  SMTP_OK },
		{ STR_INIT("FROM:<a@b>\n"), 0, SMTP_BAD_BYTES },
		/* S10, RFC 1870 */
		{ STR_INIT("FROM:<a@b> SIZE=0"), 0, SMTP_OK },
		{ STR_INIT("FROM:<a@b> SIZE=18446744073709551615"), 0,
		  SMTP_OK },
		{ STR_INIT("FROM:<a@b> SIZE=18446744073709551616"), 0,
		  SMTP_SIZE_TOO_BIG },
		{ STR_INIT("FROM:<a@b> SIZE=99999999999999999999"), 0,
		  SMTP_SIZE_TOO_BIG },
		{ STR_INIT("FROM:<a@b> SIZE=000000000000000000001"), 0,
		  SMTP_BAD_PARAM },
		{ STR_INIT("FROM:<a@b> SIZE=-1"), 0, SMTP_BAD_PARAM },
		{ STR_INIT("FROM:<a@b> SIZE=+1"), 0, SMTP_BAD_PARAM },
		{ STR_INIT("FROM:<a@b> SIZE=0x10"), 0, SMTP_BAD_PARAM },
		{ STR_INIT("FROM:<a@b> SIZE="), 0, SMTP_BAD_PARAM },
		{ STR_INIT("FROM:<a@b> SIZE"), 0, SMTP_BAD_PARAM },
		{ STR_INIT("FROM:<a@b> SIZE=1 SIZE=1"), 0,
		  SMTP_DUPLICATE_PARAM },
		{ STR_INIT("FROM:<a@b> SIZE=1 size=2"), 0,
		  SMTP_DUPLICATE_PARAM },
		{ STR_INIT("FROM:<a@b> FOO=1"), ALL, SMTP_UNKNOWN_PARAM },
		{ STR_INIT("FROM:<a@b> FOO"), ALL, SMTP_UNKNOWN_PARAM },
		{ STR_INIT("FROM:<a@b> =1"), ALL, SMTP_UNKNOWN_PARAM },
		{ STR_INIT("FROM:<a@b> NOTIFY=NEVER"), ALL,
		  SMTP_UNKNOWN_PARAM },
		{ STR_INIT("FROM:<a@b> SIZE =1"), 0, SMTP_BAD_PARAM },
		/* 6152, 3030 */
		{ STR_INIT("FROM:<a@b> BODY=8bitmime"), 0, SMTP_OK },
		{ STR_INIT("FROM:<a@b> BODY=7BIT"), 0, SMTP_OK },
		{ STR_INIT("FROM:<a@b> BODY=BINARYMIME"), 0, SMTP_BAD_PARAM },
		{ STR_INIT("FROM:<a@b> BODY=BINARYMIME"), SMTP_WITH_BINARY,
		  SMTP_OK },
		{ STR_INIT("FROM:<a@b> BODY=9BIT"), ALL, SMTP_BAD_PARAM },
		{ STR_INIT("FROM:<a@b> BODY"), ALL, SMTP_BAD_PARAM },
		/* 6531 */
		{ STR_INIT("FROM:<\xc3\xb6@b>"), 0, SMTP_SENDER_NEEDS_UTF8 },
		{ STR_INIT("FROM:<\xc3\xb6@b>"), SMTP_WITH_UTF8,
		  SMTP_SENDER_NEEDS_UTF8 },
		{ STR_INIT("FROM:<\xc3\xb6@b> SMTPUTF8"), SMTP_WITH_UTF8,
		  SMTP_OK },
		{ STR_INIT("FROM:<a@b> SMTPUTF8"), SMTP_WITH_UTF8, SMTP_OK },
		{ STR_INIT("FROM:<a@b> SMTPUTF8"), 0, SMTP_UNKNOWN_PARAM },
		{ STR_INIT("FROM:<a@b> SMTPUTF8=1"), SMTP_WITH_UTF8,
		  SMTP_BAD_PARAM },
		{ STR_INIT("FROM:<\xc3\x28@b> SMTPUTF8"), SMTP_WITH_UTF8,
		  SMTP_BAD_SENDER },
		/* 4954 5 */
		{ STR_INIT("FROM:<a@b> AUTH=<>"), SMTP_WITH_AUTH, SMTP_OK },
		{ STR_INIT("FROM:<a@b> AUTH=e+3Dmc2@example.com"),
		  SMTP_WITH_AUTH, SMTP_OK },
		{ STR_INIT("FROM:<a@b> AUTH=<>"), 0, SMTP_UNKNOWN_PARAM },
		{ STR_INIT("FROM:<a@b> AUTH=joe"), SMTP_WITH_AUTH,
		  SMTP_BAD_PARAM },
		{ STR_INIT("FROM:<a@b> AUTH="), SMTP_WITH_AUTH,
		  SMTP_BAD_PARAM },
		/* 3461 4.3, 4.4 */
		{ STR_INIT("FROM:<a@b> RET=FULL ENVID=x"), SMTP_WITH_DSN,
		  SMTP_OK },
		{ STR_INIT("FROM:<a@b> RET=ALL"), SMTP_WITH_DSN,
		  SMTP_BAD_PARAM },
		{ STR_INIT("FROM:<a@b> RET=HDRS RET=FULL"), SMTP_WITH_DSN,
		  SMTP_DUPLICATE_PARAM },
		{ STR_INIT("FROM:<a@b> RET=FULL"), 0, SMTP_UNKNOWN_PARAM },
		{ STR_INIT("FROM:<a@b> ENVID=" X100), SMTP_WITH_DSN, SMTP_OK },
		{ STR_INIT("FROM:<a@b> ENVID=" X100 "x"), SMTP_WITH_DSN,
		  SMTP_BAD_PARAM },
		{ STR_INIT("FROM:<a@b> ENVID="), SMTP_WITH_DSN,
		  SMTP_BAD_PARAM },
		/* S19 */
		{ STR_INIT("FROM:<a@b> ENVID=x+0D+0ARCPT"), SMTP_WITH_DSN,
		  SMTP_BAD_PARAM },
		{ STR_INIT("FROM:<a@b> ENVID=x+00"), SMTP_WITH_DSN,
		  SMTP_BAD_PARAM },
		{ STR_INIT("FROM:<a@b> ENVID=x+07"), SMTP_WITH_DSN,
		  SMTP_BAD_PARAM },
		{ STR_INIT("FROM:<a@b> ENVID=x+FF"), SMTP_WITH_DSN,
		  SMTP_BAD_PARAM },
		{ STR_INIT("FROM:<a@b> AUTH=a+0A@b"), SMTP_WITH_AUTH,
		  SMTP_BAD_PARAM },
		/* ours */
		{ STR_INIT("FROM:<a@b> XID=3f.A-_9 XTRY=1"), SMTP_WITH_OWN,
		  SMTP_OK },
		{ STR_INIT("FROM:<a@b> XID=3f"), ALL & ~SMTP_WITH_OWN,
		  SMTP_UNKNOWN_PARAM },
		{ STR_INIT("FROM:<a@b> XORIG=c@d"), ALL | SMTP_WITH_ORIGINAL,
		  SMTP_UNKNOWN_PARAM },
		{ STR_INIT("FROM:<a@b> XTRY=1"), ALL & ~SMTP_WITH_OWN,
		  SMTP_UNKNOWN_PARAM },
		{ STR_INIT("FROM:<a@b> XTRY=0"), SMTP_WITH_OWN,
		  SMTP_BAD_PARAM },
		{ STR_INIT("FROM:<a@b> XID="), SMTP_WITH_OWN, SMTP_BAD_PARAM },
		{ STR_INIT("FROM:<a@b> XID=a/b"), SMTP_WITH_OWN,
		  SMTP_BAD_PARAM },
		{ STR_INIT("FROM:<a@b> XID=" X100), SMTP_WITH_OWN,
		  SMTP_BAD_PARAM },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena a = ARENA_INIT(10000);
		struct smtp_mail_args args;
		enum smtp_syntax s =
			smtp_mail_parse(cases[i].in, cases[i].with, &a, &args);

		if (s != cases[i].want)
			fail_msg("%s: %d", cases[i].in.p, s);
		for (size_t n = 0; n < cases[i].in.n; n++) {
			char *copy = malloc(n + 1);

			memcpy(copy, cases[i].in.p, n);
			s = smtp_mail_parse(str_of(copy, n), cases[i].with, &a,
					    &args);
			assert_in_range(s, SMTP_OK, SMTP_N_SYNTAX - 1);
			free(copy);
		}
		arena_release(&a);
	}
}

static void
mail_values(void **state UNUSED)
{
	struct arena a = ARENA_INIT(10000);
	struct smtp_mail_args m;

	assert_int_equal(
		smtp_mail_parse(S("FROM:<a@b>  SIZE=1234  BODY=8BITMIME "
				  "SMTPUTF8 AUTH=e+3Dmc2@example.com RET=HDRS "
				  "ENVID=QQ+20+2B1 XID=4f2 XTRY=1 "),
				ALL, &a, &m),
		SMTP_OK);
	assert_str(m.from.local, "a");
	assert_str(m.from.domain, "b");
	assert_true(m.has_size && m.is_smtputf8 && m.has_auth && m.has_envid);
	assert_true(m.is_try);
	assert_int_equal(m.size_octets, 1234);
	assert_int_equal(m.body, SMTP_BODY_8BITMIME);
	assert_int_equal(m.ret, SMTP_RET_HDRS);
	assert_str(m.auth, "e=mc2@example.com"); // the example of RFC 4954 5
	assert_str(m.envid, "QQ +1");
	assert_str(m.xid, "4f2");

	assert_int_equal(smtp_mail_parse(S("FROM:<> AUTH=<>"), ALL, &a, &m),
			 SMTP_OK);
	assert_true(address_is_null(&m.from));
	assert_true(m.has_auth);
	assert_int_equal(m.auth.n, 0);
	assert_false(m.has_size || m.is_smtputf8 || m.has_envid || m.is_try);
	assert_int_equal(m.body, SMTP_BODY_NONE);
	assert_int_equal(m.ret, SMTP_RET_NONE);
	arena_release(&a);
}

static void
rcpt_arguments(void **state UNUSED)
{
	static const struct {
		struct str in;
		unsigned with;
		enum smtp_syntax want;
		unsigned notify;
		struct str type, orcpt;
	} cases[] = {
		{ STR_INIT("TO:<a@b>"), 0, SMTP_OK, 0, { 0 }, { 0 } },
		{ STR_INIT("to: <Postmaster>"), 0, SMTP_OK, 0, { 0 }, { 0 } },
		{ STR_INIT("TO:<>"), 0, SMTP_BAD_RECIPIENT, 0, { 0 }, { 0 } },
		{ STR_INIT("FROM:<a@b>"), 0, SMTP_BAD_RCPT, 0, { 0 }, { 0 } },
		{ STR_INIT("TO:<a@b> SIZE=1"),
		  ALL,
		  SMTP_UNKNOWN_PARAM,
		  0,
		  { 0 },
		  { 0 } },
		{ STR_INIT("TO:<\xc3\xb6@b>"),
		  0,
		  SMTP_RECIPIENT_NEEDS_UTF8,
		  0,
		  { 0 },
		  { 0 } },
		{ STR_INIT("TO:<\xc3\xb6@b>"),
		  SMTP_WITH_UTF8,
		  SMTP_OK,
		  0,
		  { 0 },
		  { 0 } },
		{ STR_INIT("TO:<" X100 "@b>"),
		  0,
		  SMTP_RECIPIENT_TOO_LONG,
		  0,
		  { 0 },
		  { 0 } },
		{ STR_INIT("TO:<a@b> NOTIFY=success,FAILURE,DELAY"),
		  ALL,
		  SMTP_OK,
		  SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY,
		  { 0 },
		  { 0 } },
		{ STR_INIT("TO:<a@b> NOTIFY=NEVER"),
		  ALL,
		  SMTP_OK,
		  SMTP_NOTIFY_NEVER,
		  { 0 },
		  { 0 } },
		{ STR_INIT("TO:<a@b> NOTIFY=NEVER,DELAY"),
		  ALL,
		  SMTP_BAD_PARAM,
		  0,
		  { 0 },
		  { 0 } },
		{ STR_INIT("TO:<a@b> NOTIFY=DELAY,"),
		  ALL,
		  SMTP_BAD_PARAM,
		  0,
		  { 0 },
		  { 0 } },
		{ STR_INIT("TO:<a@b> NOTIFY="),
		  ALL,
		  SMTP_BAD_PARAM,
		  0,
		  { 0 },
		  { 0 } },
		{ STR_INIT("TO:<a@b> NOTIFY"),
		  ALL,
		  SMTP_BAD_PARAM,
		  0,
		  { 0 },
		  { 0 } },
		{ STR_INIT("TO:<a@b> NOTIFY=DELAY"),
		  0,
		  SMTP_UNKNOWN_PARAM,
		  0,
		  { 0 },
		  { 0 } },
		{ STR_INIT("TO:<a@b> NOTIFY=DELAY NOTIFY=DELAY"),
		  ALL,
		  SMTP_DUPLICATE_PARAM,
		  0,
		  { 0 },
		  { 0 } },
		{ STR_INIT("TO:<a@b> ORCPT=rfc822;Bob+2Bx@Ex.COM"), ALL,
		  SMTP_OK, 0, STR_INIT("rfc822"), STR_INIT("Bob+x@Ex.COM") },
		{ STR_INIT("TO:<a@b> ORCPT=utf-8;\xc3\xb6@d"), ALL, SMTP_OK, 0,
		  STR_INIT("utf-8"), STR_INIT("\xc3\xb6@d") },
		{ STR_INIT("TO:<a@b> ORCPT=utf-8;\xc3\xb6@d"),
		  ALL & ~SMTP_WITH_UTF8,
		  SMTP_BAD_PARAM,
		  0,
		  { 0 },
		  { 0 } },
		{ STR_INIT("TO:<a@b> ORCPT=rfc822;\xc3\xb6@d"),
		  ALL,
		  SMTP_BAD_PARAM,
		  0,
		  { 0 },
		  { 0 } },
		{ STR_INIT("TO:<a@b> ORCPT=utf-8;\xc3+0A@d"),
		  ALL,
		  SMTP_BAD_PARAM,
		  0,
		  { 0 },
		  { 0 } },
		{ STR_INIT("TO:<a@b> ORCPT=rfc822;x+0D+0AX-Evil:+201"),
		  ALL,
		  SMTP_BAD_PARAM,
		  0,
		  { 0 },
		  { 0 } },
		{ STR_INIT("TO:<a@b> ORCPT=rfc822;x+09"),
		  ALL,
		  SMTP_BAD_PARAM,
		  0,
		  { 0 },
		  { 0 } },
		{ STR_INIT("TO:<a@b> ORCPT=rfc822;"),
		  ALL,
		  SMTP_BAD_PARAM,
		  0,
		  { 0 },
		  { 0 } },
		{ STR_INIT("TO:<a@b> ORCPT=;x"),
		  ALL,
		  SMTP_BAD_PARAM,
		  0,
		  { 0 },
		  { 0 } },
		{ STR_INIT("TO:<a@b> ORCPT=x"),
		  ALL,
		  SMTP_BAD_PARAM,
		  0,
		  { 0 },
		  { 0 } },
		{ STR_INIT("TO:<a@b> ORCPT"),
		  ALL,
		  SMTP_BAD_PARAM,
		  0,
		  { 0 },
		  { 0 } },
		{ STR_INIT("TO:<a@b> ORCPT=rfc822;" X100 X100 X100 X100 X100),
		  ALL,
		  SMTP_BAD_PARAM,
		  0,
		  { 0 },
		  { 0 } },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena a = ARENA_INIT(10000);
		struct smtp_rcpt_args args;
		enum smtp_syntax s =
			smtp_rcpt_parse(cases[i].in, cases[i].with, &a, &args);

		if (s != cases[i].want)
			fail_msg("%s: %d", cases[i].in.p, s);
		if (s == SMTP_OK) {
			assert_int_equal(args.notify, cases[i].notify);
			assert_int_equal(args.has_orcpt, cases[i].type.n > 0);
			assert_str_eq(args.orcpt_type, cases[i].type);
			assert_str_eq(args.orcpt, cases[i].orcpt);
		}
		arena_release(&a);
	}
}

/* XORIG is a word of our own queue to our own mda. */
static void
who_was_written_to(void **state UNUSED)
{
	static const struct {
		struct str in;
		unsigned with;
		enum smtp_syntax want;
		struct str original;
	} cases[] = {
		{ STR_INIT("TO:<a@b> XORIG=all+2Bx@b"), SMTP_WITH_ORIGINAL,
		  SMTP_OK, STR_INIT("all+x@b") },
		{ STR_INIT("TO:<a@b> XORIG=all@b"), ALL, SMTP_UNKNOWN_PARAM,
		  STR_INIT("") },
		{ STR_INIT("TO:<a@b> XORIG="), SMTP_WITH_ORIGINAL,
		  SMTP_BAD_PARAM, STR_INIT("") },
		{ STR_INIT("TO:<a@b> XORIG=a+0D+0AX: y"), SMTP_WITH_ORIGINAL,
		  SMTP_BAD_PARAM, STR_INIT("") },
		{ STR_INIT("TO:<a@b> XORIG=a+00b"), SMTP_WITH_ORIGINAL,
		  SMTP_BAD_PARAM, STR_INIT("") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena a = ARENA_INIT(10000);
		struct smtp_rcpt_args args;
		enum smtp_syntax s =
			smtp_rcpt_parse(cases[i].in, cases[i].with, &a, &args);

		if (s != cases[i].want)
			fail_msg("%s: %d", cases[i].in.p, s);
		if (s == SMTP_OK)
			assert_str_eq(args.original, cases[i].original);
		arena_release(&a);
	}
}

/* S09 */
static void
bdat_arguments(void **state UNUSED)
{
	static const struct {
		struct str in;
		enum smtp_syntax want;
		uint64_t size_octets;
		bool is_last;
	} cases[] = {
		{ STR_INIT("0 LAST"), SMTP_OK, 0, true },
		{ STR_INIT("86"), SMTP_OK, 86, false },
		{ STR_INIT("86 last"), SMTP_OK, 86, true },
		{ STR_INIT("2147483648"), SMTP_OK, 2147483648u, false },
		{ STR_INIT("4294967296 LAST"), SMTP_OK, 4294967296u, true },
		{ STR_INIT("18446744073709551615"), SMTP_OK, UINT64_MAX,
		  false },
		{ STR_INIT("18446744073709551616"), SMTP_SIZE_TOO_BIG, 0,
		  false },
		{ STR_INIT("0012"), SMTP_OK, 12, false },
		{ STR_INIT("000000000000000000012"), SMTP_BAD_BDAT, 0, false },
		{ STR_INIT("-1"), SMTP_BAD_BDAT, 0, false },
		{ STR_INIT("+5"), SMTP_BAD_BDAT, 0, false },
		{ STR_INIT("5x"), SMTP_BAD_BDAT, 0, false },
		{ STR_INIT("0x5"), SMTP_BAD_BDAT, 0, false },
		{ STR_INIT(""), SMTP_BAD_BDAT, 0, false },
		{ STR_INIT("LAST"), SMTP_BAD_BDAT, 0, false },
		{ STR_INIT("5 FIRST"), SMTP_BAD_BDAT, 0, false },
		{ STR_INIT("5 LAST LAST"), SMTP_BAD_BDAT, 0, false },
		{ STR_INIT("5 6"), SMTP_BAD_BDAT, 0, false },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct smtp_bdat_args args;
		enum smtp_syntax s = smtp_bdat_parse(cases[i].in, &args);

		if (s != cases[i].want)
			fail_msg("%s: %d", cases[i].in.p, s);
		if (s != SMTP_OK)
			continue;
		assert_true(args.size_octets == cases[i].size_octets);
		assert_int_equal(args.is_last, cases[i].is_last);
	}
}

static void
a_full_arena_is_our_failure_not_theirs(void **state UNUSED)
{
	struct arena none = ARENA_INIT(0);
	struct smtp_mail_args m;
	struct smtp_rcpt_args r;

	assert_int_equal(smtp_mail_parse(S("FROM:<\"\\a\"@b>"), ALL, &none, &m),
			 SMTP_NO_MEMORY);
	assert_int_equal(
		smtp_mail_parse(S("FROM:<a@b> ENVID=+41"), ALL, &none, &m),
		SMTP_NO_MEMORY);
	assert_int_equal(
		smtp_rcpt_parse(S("TO:<a@b> ORCPT=rfc822;+41"), ALL, &none, &r),
		SMTP_NO_MEMORY);
	assert_int_equal(smtp_syntax_answer(SMTP_NO_MEMORY)->code, 452);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(every_mistake_has_an_answer),
		cmocka_unit_test(helo_names),
		cmocka_unit_test(mail_arguments),
		cmocka_unit_test(mail_values),
		cmocka_unit_test(rcpt_arguments),
		cmocka_unit_test(who_was_written_to),
		cmocka_unit_test(bdat_arguments),
		cmocka_unit_test(a_full_arena_is_our_failure_not_theirs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
