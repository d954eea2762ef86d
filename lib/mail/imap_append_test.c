/* SPDX-License-Identifier: MIT
 * lib/mail/imap_append_test.c */
#include "lib/mail/imap_append.c"

#include "tests/unit/unit.h"

static void
arguments_before_the_first_message(void **state UNUSED)
{
	static const struct {
		struct str in;
		bool ok;
		struct str mailbox;
		unsigned bits;
		size_t n_keywords;
		bool has_date;
		int64_t unix_s;
	} cases[] = {
		{ STR_INIT("Sent "), true, STR_INIT("Sent"), 0, 0, false, 0 },
		{ STR_INIT("\"Sent Mail\" (\\Seen) "), true,
		  STR_INIT("Sent Mail"), IMAP_FLAG_SEEN, 0, false, 0 },
		{ STR_INIT("{5+}\r\nINBOX (\\Seen $Forwarded) \"17-Jul-1996 "
			   "02:44:25 -0700\" "),
		  true, STR_INIT("INBOX"), IMAP_FLAG_SEEN, 1, true, 837596665 },
		{ STR_INIT("INBOX \" 1-Jan-1970 00:00:00 +0000\" "), true,
		  STR_INIT("INBOX"), 0, 0, true, 0 },
		{ .in = STR_INIT("") },
		{ .in = STR_INIT("INBOX") },
		{ .in = STR_INIT("INBOX (\\Seen)") },
		{ .in = STR_INIT("INBOX  ") },
		{ .in = STR_INIT("INBOX (\\Nonsense) ") },
		{ .in = STR_INIT("INBOX \"17-Jul-0000 02:44:25 -0700\" ") },
		{ .in = STR_INIT("INBOX \"17-Jul-1996 02:44:25 -0700\" () ") },
		{ .in = STR_INIT("INBOX x ") },
		{ .in = STR_INIT("INBOX \"x ") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena arena = ARENA_INIT(65536);
		struct imap_reader r;
		struct imap_append append;

		imap_reader_init(&r, cases[i].in, &arena);
		if (imap_append_read_first(&r, &append) != cases[i].ok)
			fail_msg("%.*s", STR(cases[i].in));
		if (cases[i].ok) {
			assert_str_eq(append.mailbox, cases[i].mailbox);
			assert_int_equal(append.flags.bits, cases[i].bits);
			assert_int_equal(append.flags.n_keywords,
					 cases[i].n_keywords);
			assert_int_equal(append.has_date, cases[i].has_date);
			if (append.has_date)
				assert_int_equal(append.date.unix_s,
						 cases[i].unix_s);
		}
		arena_release(&arena);
	}
}

static void
the_next_message_starts_without_flags(void **state UNUSED)
{
	struct arena arena = ARENA_INIT(65536);
	struct imap_reader r;
	struct imap_append append;

	imap_reader_init(&r, S("INBOX (\\Seen) "), &arena);
	assert_true(imap_append_read_first(&r, &append));
	imap_reader_init(&r, S(" "), &arena);
	assert_true(imap_append_read_next(&r, &append));
	assert_int_equal(append.flags.bits, 0);
	assert_str(append.mailbox, "INBOX");
	imap_reader_init(&r, S(" (\\Draft) "), &arena);
	assert_true(imap_append_read_next(&r, &append));
	assert_int_equal(append.flags.bits, IMAP_FLAG_DRAFT);
	imap_reader_init(&r, S("(\\Draft) "), &arena);
	assert_false(imap_append_read_next(&r, &append));
	arena_release(&arena);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_before_the_first_message),
		cmocka_unit_test(the_next_message_starts_without_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
