/* SPDX-License-Identifier: MIT
 * ctl/postcat_test.c
 *
 * The split into header and body is that of postcat of Postfix 3.7.11: the
 * empty line belongs to the body. */
#include "ctl/postcat.c"

#include "tests/unit/unit.h"

static const struct {
	const char *name;
	struct str in, header, body;
} cases[] = {
	{ "usual", STR_INIT("A: b\r\nC: d\r\n\r\nx\r\n"),
	  STR_INIT("A: b\nC: d\n"), STR_INIT("\nx\n") },
	{ "no body", STR_INIT("A: b\r\n"), STR_INIT("A: b\n"), STR_INIT("") },
	{ "no header", STR_INIT("\r\nx\r\n\r\ny"), STR_INIT(""),
	  STR_INIT("\nx\n\ny") },
	{ "line feeds alone", STR_INIT("A: b\n\nx\n"), STR_INIT("A: b\n"),
	  STR_INIT("\nx\n") },
	{ "a CR that ends no line", STR_INIT("A: b\rc\r\n\r\r\n\r\nx"),
	  STR_INIT("A: b\rc\n\r\n"), STR_INIT("\nx") },
};

static void
check_split(const char *name UNUSED, struct str in, int parts, struct str want,
	    size_t step)
{
	struct postcat_text t = { .parts = parts };
	struct buf out = BUF_INIT(4096);

	while (in.n > 0) {
		postcat_add_text(&t, &out, str_first(in, step));
		in = str_from(in, step);
	}
	assert_int_equal(out.n, want.n);
	assert_memory_equal(out.p ? out.p : "", want.p, want.n);
	buf_release(&out);
}

static void
header_and_body_are_told_apart_in_any_pieces(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++)
		for (size_t step = 1; step < 30; step++) {
			check_split(cases[i].name, cases[i].in, POSTCAT_HEADER,
				    cases[i].header, step);
			check_split(cases[i].name, cases[i].in, POSTCAT_BODY,
				    cases[i].body, step);
		}
}

static void
an_envelope_steers_no_terminal(void **state UNUSED)
{
	struct recipient rcpt = { .address = S("a\x1b[2J@b"),
				  .orcpt = S("rfc822;x@y"),
				  .notify = NOTIFY_NEVER };
	struct envelope envelope = { .sender = S("s@x"),
				     .recipients = &rcpt,
				     .n_recipients = 1 };
	struct queue_entry entry = { .id = S("ID"), .state = QUEUE_HOLD };
	struct buf out = BUF_INIT(4096);

	assert_int_equal(postcat_add_envelope(&out, &entry, &envelope), OK);
	assert_true(str_find(buf_str(&out), S("\x1b")) < 0);
	assert_true(str_starts(buf_str(&out),
			       S("*** ENVELOPE RECORDS hold/ID ***\n")));
	assert_true(str_find(buf_str(&out), S("sender: s@x\n")) > 0);
	buf_release(&out);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_and_body_are_told_apart_in_any_pieces),
		cmocka_unit_test(an_envelope_steers_no_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
