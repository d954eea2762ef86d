/* SPDX-License-Identifier: MIT
 * lib/mail/bounce_template_test.c - expected values: bounce(5), and what
 * `postconf -b` of Postfix 3.7 says of the same files. */
#include "lib/mail/bounce_template.c"

#include "lib/base/check.h"
#include "tests/unit/unit.h"

static const struct {
	const char *name, *in;
	int kind; // that is set; -1: none
	const char *charset, *from, *subject, *copy, *text;
	size_t n_warnings;
} cases[] = {
	{ "whole",
	  "# c\n\nfailure_template = <<EOF\nCharset: utf-8\nFrom: A (b)\n"
	  "subject : S\nPOSTMASTER-subject:P\n\na\n\n $b\nEOF\n",
	  BOUNCE_FAILURE, "utf-8", "A (b)", "S", "P", "a\n\n $b\n", 0 },
	{ "another mark, no blanks", "delay_template=<<  X\n\nEOF\nX\n",
	  BOUNCE_DELAY, "", "", "", "", "EOF\n", 0 },
	{ "a mark with blanks is text", "delay_template = <<X\n\n X\nX\n",
	  BOUNCE_DELAY, "", "", "", "", " X\n", 0 },
	{ "no header", "success_template = <<X\nJust text: no\nmore\nX\n",
	  BOUNCE_SUCCESS, "", "", "", "", "Just text: no\nmore\n", 0 },
	{ "no empty line behind the headers",
	  "success_template = <<X\nSubject: s\ntext it is\nX\n", BOUNCE_SUCCESS,
	  "", "", "s", "", "text it is\n", 0 },
	{ "CR LF", "failure_template = <<X\r\nSubject: s\r\n\r\nt\r\nX\r\n",
	  BOUNCE_FAILURE, "", "", "s", "", "t\r\n", 0 },
	{ "no text", "failure_template = <<X\nSubject: s\n\nX\n", -1, "", "",
	  "", "", "", 1 },
	{ "no end", "failure_template = <<X\nSubject: s\n\nt\n", -1, "", "", "",
	  "", "", 1 },
	{ "no mark", "failure_template = <<\n", -1, "", "", "", "", "", 1 },
	{ "another name", "other = <<X\nfailure_template = <<Y\na\nY\nX\n", -1,
	  "", "", "", "", "", 1 },
	{ "a header that is none", "failure_template = <<X\nTo: s\n\nt\nX\n",
	  BOUNCE_FAILURE, "", "", "", "", "t\n", 1 },
	{ "not ASCII in a header",
	  "failure_template = <<X\nSubject: \xc3\xa4\n\nt\nX\n", -1, "", "", "",
	  "", "", 1 },
	{ "not ASCII in the text", "failure_template = <<X\n\n\xc3\xa4\nX\n",
	  -1, "", "", "", "", "", 1 },
	{ "the last one counts",
	  "failure_template = <<X\na\nX\nfailure_template = <<X\nb\nX\n",
	  BOUNCE_FAILURE, "", "", "", "", "b\n", 0 },
};

static void
templates_are_read(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct bounce_template t[BOUNCE_TEMPLATES];
		struct diag d;

		diag_init(&d, 1 << 20);
		bounce_templates_parse(S("f"), str_c(cases[i].in), t, &d);
		for (int k = 0; k < BOUNCE_TEMPLATES; k++)
			if (t[k].is_set != (k == cases[i].kind))
				fail_msg("%s: %d", cases[i].name, k);
		if (d.n_warnings != cases[i].n_warnings)
			fail_msg("%s: %zu warnings", cases[i].name,
				 d.n_warnings);
		diag_release(&d);
		if (cases[i].kind < 0)
			continue;
		assert_true(str_eq(t[cases[i].kind].charset,
				   str_c(cases[i].charset)));
		assert_true(
			str_eq(t[cases[i].kind].from, str_c(cases[i].from)));
		assert_true(str_eq(t[cases[i].kind].subject,
				   str_c(cases[i].subject)));
		assert_true(str_eq(t[cases[i].kind].copy_subject,
				   str_c(cases[i].copy)));
		assert_true(
			str_eq(t[cases[i].kind].text, str_c(cases[i].text)));
	}
}

/* No prefix is read past its end, and none gives more text than it has. */
static void
every_prefix_is_read(void **state UNUSED)
{
	struct str in = str_c(cases[0].in);

	for (size_t n = 0; n <= in.n; n++) {
		char *copy = must_alloc(n + 1);
		struct bounce_template t[BOUNCE_TEMPLATES];

		memcpy(copy, in.p, n);
		bounce_templates_parse(S("f"), str_of(copy, n), t, NULL);
		assert_true(t[BOUNCE_FAILURE].text.n <= n);
		free(copy);
	}
}

static void
lines_are_counted(void **state UNUSED)
{
	struct bounce_template t[BOUNCE_TEMPLATES];
	struct diag d;

	diag_init(&d, 1 << 20);
	bounce_templates_parse(S("f"), str_c(cases[0].in), t, &d);
	assert_int_equal(t[BOUNCE_FAILURE].line, 9);
	bounce_templates_parse(
		S("f"), S("\nfailure_template = <<X\nA: b\n\nc\nX\nno\n"), t,
		&d);
	assert_int_equal(d.first->line, 3);
	assert_int_equal(d.last->line, 7);
	assert_int_equal(t[BOUNCE_FAILURE].line, 5);
	diag_release(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(templates_are_read),
		cmocka_unit_test(every_prefix_is_read),
		cmocka_unit_test(lines_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
