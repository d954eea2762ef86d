/* SPDX-License-Identifier: MIT
 * lib/mail/imap_notify_test.c - the examples of RFC 5465, and what its section
 * 5 forbids. */
#include "lib/mail/imap_notify.c"

#include "tests/unit/unit.h"

enum {
	NEW = NOTIFY_MESSAGE_NEW,
	GONE = NOTIFY_MESSAGE_EXPUNGE,
	FLAG = NOTIFY_FLAG_CHANGE,
};

static const struct {
	const char *name;
	struct str in;
	bool is_good, is_none, has_status;
	size_t n;
	enum imap_notify_filter first;
	unsigned events; // of the first group
	size_t n_fetch;	 // of it
} cases[] = {
	{ .name = "an event without parentheses",
	  .in = STR_INIT("SET STATUS (selected MessageNew)") },
	{ "3.1",
	  STR_INIT("SET STATUS (selected (MessageNew MessageExpunge "
		   "FlagChange)) (inboxes (MessageNew MessageExpunge))"),
	  true, false, true, 2, NOTIFY_SELECTED, NEW | GONE | FLAG, 0 },
	{ .name = "3.2",
	  .in = STR_INIT("NONE"),
	  .is_good = true,
	  .is_none = true },
	{ "5.2, attributes",
	  STR_INIT("SET (selected (MessageNew (uid body.peek[header.fields "
		   "(from to subject)]) MessageExpunge))"),
	  true, false, false, 1, NOTIFY_SELECTED, NEW | GONE, 2 },
	{ "6.2, delayed", STR_INIT("set (SELECTED-DELAYED NONE)"), true, false,
	  false, 1, NOTIFY_SELECTED_DELAYED, 0, 0 },
	{ "6.6, subtrees",
	  STR_INIT("SET (subtree (a \"b c\") (MailboxName)) (mailboxes INBOX "
		   "(SubscriptionChange MailboxMetadataChange))"),
	  true, false, false, 2, NOTIFY_SUBTREE, NOTIFY_MAILBOX_NAME, 0 },
	{ "the server's", STR_INIT("SET (personal (ServerMetadataChange))"),
	  true, false, false, 1, NOTIFY_PERSONAL, NOTIFY_SERVER_METADATA, 0 },
	{ "others", STR_INIT("SET (subscribed (Sunrise))"), true, false, false,
	  1, NOTIFY_SUBSCRIBED, NOTIFY_OTHER, 0 },
	{ .name = "nothing", .in = STR_INIT("") },
	{ .name = "no group", .in = STR_INIT("SET") },
	{ .name = "status alone", .in = STR_INIT("SET STATUS") },
	{ .name = "none and more", .in = STR_INIT("NONE (personal NONE)") },
	{ .name = "no events", .in = STR_INIT("SET (personal ())") },
	{ .name = "no mailboxes", .in = STR_INIT("SET (subtree () NONE)") },
	{ .name = "new without gone",
	  .in = STR_INIT("SET (personal (MessageNew))") },
	{ .name = "flags alone",
	  .in = STR_INIT("SET (personal (FlagChange))") },
	{ .name = "names of what is selected",
	  .in = STR_INIT("SET (selected (MailboxName))") },
	{ .name = "attributes of others",
	  .in = STR_INIT("SET (personal (MessageNew (UID) MessageExpunge))") },
	{ .name = "selected twice",
	  .in = STR_INIT("SET (selected NONE) (selected-delayed NONE)") },
	{ .name = "unknown mailboxes", .in = STR_INIT("SET (mine NONE)") },
	{ .name = "three things in a group",
	  .in = STR_INIT("SET (personal NONE NONE)") },
};

static bool
read_one(struct str in, struct arena *arena, struct imap_notify *out)
{
	struct imap_reader r;

	imap_reader_init(&r, in, arena);
	return imap_notify_read(&r, IMAP_FETCH_HAS_PREVIEW, out);
}

static void
examples(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena arena = ARENA_INIT(1 << 20);
		struct imap_notify n;
		bool is_good = read_one(cases[i].in, &arena, &n);

		if (is_good != cases[i].is_good)
			fail_msg("%s", cases[i].name);
		if (is_good) {
			assert_int_equal(n.is_none, cases[i].is_none);
			assert_int_equal(n.has_status, cases[i].has_status);
			assert_int_equal(n.n, cases[i].n);
		}
		if (is_good && n.n > 0) {
			assert_int_equal(n.groups[0].filter, cases[i].first);
			assert_int_equal(n.groups[0].events, cases[i].events);
			assert_int_equal(n.groups[0].fetch.n, cases[i].n_fetch);
		}
		arena_release(&arena);
		for (size_t k = 0; k < cases[i].in.n; k++) {
			arena_init(&arena, 1 << 20);
			if (read_one(str_first(cases[i].in, k), &arena, &n))
				assert_true(!cases[i].is_good ||
					    n.n <= cases[i].n);
			arena_release(&arena);
		}
	}
}

static void
limits(void **state UNUSED)
{
	struct buf b = BUF_INIT(1 << 20);
	struct arena arena = ARENA_INIT(4 << 20);
	struct imap_notify n;

	buf_put(&b, S("SET"));
	for (int i = 0; i < IMAP_NOTIFY_GROUPS_MAX; i++)
		buf_put(&b, S(" (personal NONE)"));
	assert_true(read_one(buf_str(&b), &arena, &n));
	buf_put(&b, S(" (personal NONE)"));
	assert_false(read_one(buf_str(&b), &arena, &n));
	buf_clear(&b);
	buf_put(&b, S("SET (mailboxes (a"));
	for (int i = 1; i < IMAP_NOTIFY_MAILBOXES_MAX; i++)
		buf_put(&b, S(" a"));
	buf_put(&b, S(") NONE)"));
	assert_true(read_one(buf_str(&b), &arena, &n));
	assert_int_equal(n.groups[0].n_mailboxes, IMAP_NOTIFY_MAILBOXES_MAX);
	buf_put(&b, S(" (mailboxes (b c) NONE)"));
	assert_false(read_one(buf_str(&b), &arena, &n));
	buf_release(&b);
	arena_release(&arena);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
