/* SPDX-License-Identifier: MIT
 * ctl/outgoing_test.c - what programs give to sendmail. */
#include "ctl/outgoing.c"

#include "tests/unit/unit.h"

static const struct {
	const char *name, *input;
	bool is_dot_end, wants_recipients;
	const char *content, *recipients; // recipients: joined by '|'
} rows[] = {
	{ "a message of cron", "Subject: x\n\nhello\n", true, false,
	  "Subject: x\r\n\r\nhello\r\n", "" },
	{ "no header: the text is the body", "hello there\nyou\n", true, false,
	  "\r\nhello there\r\nyou\r\n", "" },
	{ "nothing at all", "", true, false, "\r\n", "" },
	{ "no end of line at the end", "A: b\n\nx", true, false,
	  "A: b\r\n\r\nx\r\n", "" },
	{ "CRLF stays", "A: b\r\n\r\nx\r\n", true, false, "A: b\r\n\r\nx\r\n",
	  "" },
	{ "a lone dot ends it", "A: b\n\nx\n.\ny\n", true, false,
	  "A: b\r\n\r\nx\r\n", "" },
	{ "unless it does not", "A: b\n\nx\n.\ny\n", false, false,
	  "A: b\r\n\r\nx\r\n.\r\ny\r\n", "" },
	{ "recipients of all three",
	  "To: a@d, B <b@d>\nCc: c@d\nBcc: e@d\nSubject: s\n\nx\n", true, true,
	  "To: a@d, B <b@d>\r\nCc: c@d\r\nSubject: s\r\n\r\nx\r\n",
	  "a@d|b@d|c@d|e@d" },
	{ "Bcc goes even when nobody asks", "Bcc: e@d\nTo: a@d\n\n", true,
	  false, "To: a@d\r\n\r\n", "" },
	{ "resent: only those", "To: a@d\nResent-To: r@d\n\nx\n", true, true,
	  "To: a@d\r\nResent-To: r@d\r\n\r\nx\r\n", "r@d" },
	{ "groups, comments and a local name", "To: g: a@d (x), root;\n\n",
	  true, true, "To: g: a@d (x), root;\r\n\r\n", "a@d|root" },
	{ "a folded field", "To: a@d,\n b@d\n\nx\n", true, true,
	  "To: a@d,\r\n b@d\r\n\r\nx\r\n", "a@d|b@d" },
	{ "a folded Bcc goes whole", "Bcc: a@d,\n b@d\nA: c\n\nx\n", true, true,
	  "A: c\r\n\r\nx\r\n", "a@d|b@d" },
	{ "mbox's line", "From a@d Thu Jan  1\nA: b\n\nx\n", true, false,
	  "A: b\r\n\r\nx\r\n", "" },
	{ "a header without a body", "To: a@d\n", true, true, "To: a@d\r\n\r\n",
	  "a@d" },
	{ "a body right behind the header", "A: b\nhello there\n", true, false,
	  "A: b\r\n\r\nhello there\r\n", "" },
	{ "an address with a blank is quoted", "To: \"a b\"@d\n\n", true, true,
	  "To: \"a b\"@d\r\n\r\n", "\"a b\"@d" },
};

static void
test_rows(void **state UNUSED)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct outgoing out = { .content = BUF_INIT(10000) };
		struct buf list = BUF_INIT(1000);
		struct arena arena;

		arena_init(&arena, 1 << 20);
		assert_int_equal(
			outgoing_read(str_c(rows[i].input), rows[i].is_dot_end,
				      rows[i].wants_recipients, &arena, &out),
			OK);
		for (size_t k = 0; k < out.n_recipients; k++)
			buf_putf(&list, "%s%s", k ? "|" : "",
				 out.recipients[k]);
		if (!str_eq(buf_str(&out.content), str_c(rows[i].content)))
			fail_msg("%s: \"%.*s\"", rows[i].name,
				 STR(buf_str(&out.content)));
		if (!str_eq(buf_str(&list), str_c(rows[i].recipients)))
			fail_msg("%s: %.*s", rows[i].name, STR(buf_str(&list)));
		buf_release(&list);
		buf_release(&out.content);
		arena_release(&arena);
	}
}

static void
test_what_is_noticed(void **state UNUSED)
{
	static const struct {
		const char *input;
		bool has_from, is_8bit, is_utf8;
	} facts[] = {
		{ "from: x\n\ny\n", true, false, false },
		{ "Subject: From: x\n\n\xc3\xa9\n", false, true, false },
		{ "Subject: \xc3\xa9\n\ny\n", false, false, true },
	};

	for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++) {
		struct outgoing out = { .content = BUF_INIT(1000) };
		struct arena arena;

		arena_init(&arena, 1 << 20);
		assert_int_equal(outgoing_read(str_c(facts[i].input), true,
					       false, &arena, &out),
				 OK);
		assert_int_equal(out.has_from, facts[i].has_from);
		assert_int_equal(out.is_8bit, facts[i].is_8bit);
		assert_int_equal(out.is_utf8, facts[i].is_utf8);
		buf_release(&out.content);
		arena_release(&arena);
	}
}

static void
test_limits(void **state UNUSED)
{
	struct outgoing out = { .content = BUF_INIT(10) };
	struct arena arena;

	arena_init(&arena, 1 << 20);
	assert_int_equal(outgoing_read(S("A: b\n\n0123456789\n"), true, false,
				       &arena, &out),
			 ERR_LIMIT);
	buf_release(&out.content);
	arena_release(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_what_is_noticed),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
