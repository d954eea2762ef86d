/* SPDX-License-Identifier: MIT
 * ctl/doveadm_query_test.c - expected: RFC 9051 6.4.4, RFC 5032, and what
 * doveadm-search-query(7) says the words mean. */
#include "ctl/doveadm_query.c"

#include "tests/unit/unit.h"

enum { NOW_S = 1769850000 }; // 31 Jan 2026, 09:00 UTC

static const struct {
	const char *name;
	char *words[12];
	const char *mailbox; // NULL: none
	const char *want;    // NULL: refused
} cases[] = {
	{ "all", { "all" }, NULL, "all" },
	{ "a folder", { "mailbox", "Trash", "seen" }, "Trash", "seen" },
	{ "a folder alone", { "MAILBOX", "Old Mail" }, "Old Mail", "all" },
	{ "strings",
	  { "subject", "a b", "FROM", "x" },
	  NULL,
	  "subject \"a b\" from \"x\"" },
	{ "a quote", { "subject", "a\"b\\" }, NULL, "subject \"a\\\"b\\\\\"" },
	{ "no second command",
	  { "subject", "a\r\nX LOGOUT" },
	  NULL,
	  "subject {11}\r\na\r\nX LOGOUT" },
	{ "a key as a value", { "subject", "all" }, NULL, "subject \"all\"" },
	{ "a header",
	  { "header", "X-Spam", "yes" },
	  NULL,
	  "header \"X-Spam\" \"yes\"" },
	{ "age", { "before", "2w" }, NULL, "OLDER 1209600" },
	{ "age in words", { "since", "3 hours" }, NULL, "YOUNGER 10800" },
	{ "days ago",
	  { "savedbefore", "30d" },
	  NULL,
	  "savedbefore 01-Jan-2026" },
	{ "a date", { "before", "2026-01-31" }, NULL, "before 31-Jan-2026" },
	{ "IMAP's date",
	  { "sentsince", "1-Feb-2025" },
	  NULL,
	  "sentsince 1-Feb-2025" },
	{ "a timestamp", { "since", "1769850000" }, NULL, "since 31-Jan-2026" },
	{ "a size", { "larger", "10M" }, NULL, "larger 10485760" },
	{ "a set", { "uid", "1:3,7" }, NULL, "uid 1:3,7" },
	{ "numbers", { "1:*" }, NULL, "1:*" },
	{ "or",
	  { "seen", "or", "(", "flagged", "from", "a", ")" },
	  NULL,
	  "or seen (flagged from \"a\")" },
	{ "three",
	  { "seen", "OR", "1", "or", "not", "new" },
	  NULL,
	  "or seen or 1 not new" },
	{ "in a folder",
	  { "mailbox", "X", "(", "seen", "or", "new", ")" },
	  "X",
	  "(or seen new)" },
	{ "mixed", { "seen", "or", "new", "old" }, NULL, NULL },
	{ "mixed, too", { "old", "seen", "or", "new" }, NULL, NULL },
	{ "or of one", { "seen", "or" }, NULL, NULL },
	{ "or in front", { "or", "seen", "new" }, NULL, NULL },
	{ "empty", { "(", ")" }, NULL, NULL },
	{ "not", { "mailbox", "X", "not", "seen" }, "X", "not seen" },
	{ "UTF-8",
	  { "subject", "\303\244" },
	  NULL,
	  "CHARSET UTF-8 subject {2}\r\n\303\244" },
	{ "not this folder", { "not", "mailbox", "X" }, NULL, NULL },
	{ "one of two", { "mailbox", "X", "or", "seen" }, NULL, NULL },
	{ "in parentheses", { "(", "mailbox", "X", ")" }, NULL, NULL },
	{ "two folders", { "mailbox", "X", "mailbox", "Y" }, NULL, NULL },
	{ "no value", { "subject" }, NULL, NULL },
	{ "no such key", { "colour", "red" }, NULL, NULL },
	{ "open", { "(", "seen" }, NULL, NULL },
	{ "closed", { "seen", ")" }, NULL, NULL },
	{ "no date", { "before", "soon" }, NULL, NULL },
	{ "a month of none", { "before", "2026-13-01" }, NULL, NULL },
	{ "no size", { "larger", "5X" }, NULL, NULL },
	{ "no set", { "uid", "1 ALL" }, NULL, NULL },
	{ "nothing", { NULL }, NULL, NULL },
};

static void
queries(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct doveadm_query q;
		int n = 0;
		bool ok;

		while (cases[i].words[n] != NULL)
			n++;
		doveadm_query_init(&q);
		ok = doveadm_query_read(&q, cases[i].words, n, NOW_S);
		if (ok != (cases[i].want != NULL))
			fail_msg("%s: %s", cases[i].name,
				 ok ? "was read" : q.why);
		if (ok) {
			buf_putc(&q.criteria, '\0');
			assert_string_equal(q.criteria.p, cases[i].want);
			if (cases[i].mailbox == NULL)
				assert_null(q.mailbox);
			else
				assert_string_equal(q.mailbox,
						    cases[i].mailbox);
		} else {
			assert_non_null(q.why);
		}
		doveadm_query_release(&q);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(queries),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
