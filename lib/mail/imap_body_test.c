/* SPDX-License-Identifier: MIT
 * lib/mail/imap_body_test.c */
#include "lib/mail/imap_body.c"

#include "tests/unit/unit.h"

#define NL "\r\n"

static const struct {
	const char *name;
	struct str in, body, structure;
} cases[] = {
	{ "the shape of RFC 9051 7.5.2: one text",
	  STR_INIT("Content-Type: TEXT/PLAIN; CHARSET=US-ASCII" NL
		   "Content-Transfer-Encoding: 7BIT" NL NL "a" NL "bc" NL),
	  STR_INIT("(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL "
		   "\"7BIT\" 7 2)"),
	  STR_INIT("(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL "
		   "\"7BIT\" 7 2 NIL NIL NIL NIL)") },
	{ "text and attached text, as in the RFC",
	  STR_INIT("Content-Type: MULTIPART/MIXED; BOUNDARY=x" NL NL "--x" NL
		   "Content-Type: TEXT/PLAIN; CHARSET=US-ASCII" NL
		   "Content-Transfer-Encoding: 7BIT" NL NL "a" NL NL "--x" NL
		   "Content-Type: TEXT/PLAIN; CHARSET=US-ASCII;" NL
		   " NAME=\"cc.diff\"" NL
		   "Content-ID: <960723163407.20117h@cac.washington.edu>" NL
		   "Content-Description: Compiler diff" NL
		   "Content-Disposition: attachment; filename=\"cc.diff\"" NL
		   "Content-Language: en, de" NL "Content-MD5: abc" NL
		   "Content-Location: x" NL
		   "Content-Transfer-Encoding: BASE64" NL NL "QQ==" NL NL
		   "--x--" NL),
	  STR_INIT("((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL "
		   "\"7BIT\" 3 1)(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\" "
		   "\"NAME\" \"cc.diff\") "
		   "\"<960723163407.20117h@cac.washington.edu>\" "
		   "\"Compiler diff\" \"BASE64\" 6 1) \"MIXED\")"),
	  STR_INIT("((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL "
		   "\"7BIT\" 3 1 NIL NIL NIL NIL)(\"TEXT\" \"PLAIN\" "
		   "(\"CHARSET\" \"US-ASCII\" \"NAME\" \"cc.diff\") "
		   "\"<960723163407.20117h@cac.washington.edu>\" "
		   "\"Compiler diff\" \"BASE64\" 6 1 \"abc\" "
		   "(\"attachment\" (\"filename\" \"cc.diff\")) "
		   "(\"en\" \"de\") \"x\") \"MIXED\" (\"BOUNDARY\" \"x\") "
		   "NIL NIL NIL)") },
	{ "message/rfc822 has envelope, structure and lines",
	  STR_INIT("Content-Type: message/rfc822" NL NL "Subject: in" NL NL
		   "text" NL),
	  STR_INIT("(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 21 "
		   "(NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) "
		   "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
		   "\"7bit\" 6 1) 3)"),
	  STR_INIT("(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 21 "
		   "(NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) "
		   "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
		   "\"7bit\" 6 1 NIL NIL NIL NIL) 3 NIL NIL NIL NIL)") },
	{ "text/plain without a charset has the default one",
	  STR_INIT("Content-Type: text/plain; name=a" NL NL "a" NL),
	  STR_INIT("(\"text\" \"plain\" (\"charset\" \"us-ascii\" \"name\" "
		   "\"a\") NIL NIL \"7bit\" 3 1)"),
	  STR_INIT("(\"text\" \"plain\" (\"charset\" \"us-ascii\" \"name\" "
		   "\"a\") NIL NIL \"7bit\" 3 1 NIL NIL NIL NIL)") },
	{ "a charset of RFC 2231 is one, and text/html has its own default",
	  STR_INIT("Content-Type: multipart/mixed; boundary=x" NL NL "--x" NL
		   "Content-Type: text/plain; charset*=''utf-8" NL NL "--x" NL
		   "Content-Type: text/html" NL NL "--x--" NL),
	  STR_INIT("((\"text\" \"plain\" (\"charset*\" \"''utf-8\") NIL NIL "
		   "\"7bit\" 0 0)(\"text\" \"html\" NIL NIL NIL \"7bit\" 0 0) "
		   "\"mixed\")"),
	  STR_INIT("((\"text\" \"plain\" (\"charset*\" \"''utf-8\") NIL NIL "
		   "\"7bit\" 0 0 NIL NIL NIL NIL)(\"text\" \"html\" NIL NIL "
		   "NIL \"7bit\" 0 0 NIL NIL NIL NIL) \"mixed\" (\"boundary\" "
		   "\"x\") NIL NIL NIL)") },
	{ "foreign bytes stay inside their strings",
	  STR_INIT("Content-Type: image/x; name=\"\xc3\xbc) \\\" (\"" NL
		   "Content-ID: \"\\" NL NL),
	  STR_INIT("(\"image\" \"x\" (\"name\" {7}" NL "\xc3\xbc) \" () "
		   "\"\\\"\\\\\" NIL \"7bit\" 0)"),
	  STR_INIT("(\"image\" \"x\" (\"name\" {7}" NL "\xc3\xbc) \" () "
		   "\"\\\"\\\\\" NIL \"7bit\" 0 NIL NIL NIL NIL)") },
};

static void
write_lists(struct str in, struct buf *body, struct buf *structure)
{
	struct arena a = ARENA_INIT(MIME_ARENA_OCTETS);
	struct mime_part *root;

	assert_int_equal(mime_parse(&a, in, &root), OK);
	assert_int_equal(imap_body(body, in, root), OK);
	assert_int_equal(imap_body_structure(structure, in, root), OK);
	arena_release(&a);
}

static void
lists_have_the_form_of_the_rfc(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf body = BUF_INIT(2000), structure = BUF_INIT(2000);

		write_lists(cases[i].in, &body, &structure);
		assert_str_eq(buf_str(&body), cases[i].body);
		assert_str_eq(buf_str(&structure), cases[i].structure);
		buf_release(&body);
		buf_release(&structure);
	}
}

static void
lf_files_give_the_same_lists(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf body = BUF_INIT(2000), structure = BUF_INIT(2000);
		struct buf lf = BUF_INIT(2000);

		for (size_t j = 0; j < cases[i].in.n; j++)
			if (cases[i].in.p[j] != '\r')
				buf_putc(&lf, cases[i].in.p[j]);
		write_lists(buf_str(&lf), &body, &structure);
		assert_str_eq(buf_str(&body), cases[i].body);
		buf_release(&body);
		buf_release(&structure);
		buf_release(&lf);
	}
}

static void
a_full_buf_is_left_as_it_was(void **state UNUSED)
{
	struct arena a = ARENA_INIT(MIME_ARENA_OCTETS);
	struct mime_part *root;

	assert_int_equal(mime_parse(&a, cases[1].in, &root), OK);
	for (size_t max = 1; max < cases[1].structure.n; max++) {
		struct buf b = BUF_INIT(max);

		assert_int_equal(imap_body_structure(&b, cases[1].in, root),
				 ERR_LIMIT);
		assert_int_equal(b.n, 0);
		buf_release(&b);
	}
	arena_release(&a);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_have_the_form_of_the_rfc),
		cmocka_unit_test(lf_files_give_the_same_lists),
		cmocka_unit_test(a_full_buf_is_left_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
