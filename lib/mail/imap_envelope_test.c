/* SPDX-License-Identifier: MIT
 * lib/mail/imap_envelope_test.c */
#include "lib/mail/imap_envelope.c"

#include "tests/unit/unit.h"

#define NL "\r\n"

static const struct {
	const char *name;
	struct str in, want;
} cases[] = {
	{ "the example of RFC 9051 7.5.2",
	  STR_INIT("Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" NL
		   "From: Terry Gray <gray@cac.washington.edu>" NL
		   "Subject: IMAP4rev2 WG mtg summary and minutes" NL
		   "To: imap@cac.washington.edu" NL
		   "cc: minutes@CNRI.Reston.VA.US, John Klensin "
		   "<KLENSIN@MIT.EDU>" NL
		   "Message-Id: <B27397-0100000@cac.washington.edu>" NL NL),
	  STR_INIT("(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" "
		   "\"IMAP4rev2 WG mtg summary and minutes\" "
		   "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
		   "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
		   "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
		   "((NIL NIL \"imap\" \"cac.washington.edu\")) "
		   "((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")"
		   "(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL "
		   "\"<B27397-0100000@cac.washington.edu>\")") },
	{ "nothing", STR_INIT(""),
	  STR_INIT("(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)") },
	{ "empty is not missing, but an empty Sender is that of From",
	  STR_INIT("Subject:" NL "From: a@b" NL "Sender: " NL "Cc: ,," NL
		   "Reply-To: c@d" NL),
	  STR_INIT("(NIL \"\" ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) "
		   "((NIL NIL \"c\" \"d\")) NIL NIL NIL NIL NIL)") },
	{ "groups", STR_INIT("To: g:a@b;, u:;" NL),
	  STR_INIT("(NIL NIL NIL NIL NIL ((NIL NIL \"g\" NIL)(NIL NIL \"a\" "
		   "\"b\")(NIL NIL NIL NIL)(NIL NIL \"u\" NIL)"
		   "(NIL NIL NIL NIL)) NIL NIL NIL NIL)") },
	{ "no domain is not a group", STR_INIT("To: user" NL),
	  STR_INIT("(NIL NIL NIL NIL NIL ((NIL NIL \"user\" \"\")) "
		   "NIL NIL NIL NIL)") },
	{ "quotes, folds, 8-bit",
	  STR_INIT("Subject: a\"b\\c" NL "\td" NL
		   "In-Reply-To: \xc3\xbc) FLAGS (" NL),
	  STR_INIT("(NIL \"a\\\"b\\\\c d\" NIL NIL NIL NIL NIL NIL {11}" NL
		   "\xc3\xbc) FLAGS ( NIL)") },
	{ "encoded words stay", STR_INIT("Subject: =?utf-8?q?a?=" NL),
	  STR_INIT("(NIL \"=?utf-8?q?a?=\" NIL NIL NIL NIL NIL NIL NIL "
		   "NIL)") },
	{ "first of two", STR_INIT("Subject: 1" NL "Subject: 2" NL),
	  STR_INIT("(NIL \"1\" NIL NIL NIL NIL NIL NIL NIL NIL)") },
};

static void
envelopes(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf b = BUF_INIT(2000);

		assert_int_equal(imap_envelope(&b, cases[i].in), OK);
		assert_str_eq(buf_str(&b), cases[i].want);
		buf_release(&b);
	}
}

static void
a_full_buf_is_left_as_it_was(void **state UNUSED)
{
	for (size_t max = 2; max < cases[0].want.n; max++) {
		struct buf b = BUF_INIT(max);

		buf_put(&b, S("x"));
		assert_int_equal(imap_envelope(&b, cases[0].in), ERR_LIMIT);
		assert_str(buf_str(&b), "x");
		buf_release(&b);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(envelopes),
		cmocka_unit_test(a_full_buf_is_left_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
