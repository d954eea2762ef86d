/* SPDX-License-Identifier: MIT
 * lib/mail/imap_list_test.c */
#include "lib/mail/imap_list.c"

#include "tests/unit/unit.h"

static void
lists_are_read_as_clients_send_them(void **state UNUSED)
{
	static const struct {
		struct str in;
		bool ok;
		struct str reference, last_pattern;
		size_t n_patterns;
		unsigned select_bits, return_bits, items;
		bool is_extended, asks_separator;
	} cases[] = {
		{ STR_INIT("\"\" \"\""), true, STR_INIT(""), STR_INIT(""), 1,
		  .asks_separator = true },
		{ STR_INIT("\"\" *"), true, STR_INIT(""), STR_INIT("*"), 1,
		  .is_extended = false },
		{ STR_INIT("\"\" \"*\""), true, STR_INIT(""), STR_INIT("*"), 1,
		  .is_extended = false },
		{ STR_INIT("a/ {3}\r\n%/b"), true, STR_INIT("a/"),
		  STR_INIT("%/b"), 1, .is_extended = false },
		{ STR_INIT("(SUBSCRIBED) \"\" \"*\""), true, STR_INIT(""),
		  STR_INIT("*"), 1, IMAP_LIST_SELECT_SUBSCRIBED,
		  .is_extended = true },
		{ STR_INIT("(subscribed) \"\" \"*\" return (special-use)"),
		  true, STR_INIT(""), STR_INIT("*"), 1,
		  IMAP_LIST_SELECT_SUBSCRIBED, IMAP_LIST_RETURN_SPECIAL_USE,
		  .is_extended = true },
		{ STR_INIT("(SPECIAL-USE) \"\" \"*\" RETURN (SUBSCRIBED)"),
		  true, STR_INIT(""), STR_INIT("*"), 1,
		  IMAP_LIST_SELECT_SPECIAL_USE, IMAP_LIST_RETURN_SUBSCRIBED,
		  .is_extended = true },
		{ STR_INIT("\"\" (\"INBOX\" \"Drafts\" Sent/%)"), true,
		  STR_INIT(""), STR_INIT("Sent/%"), 3, .is_extended = true },
		{ STR_INIT("(SUBSCRIBED RECURSIVEMATCH REMOTE) \"\" % RETURN"
			   " (CHILDREN STATUS (MESSAGES UNSEEN))"),
		  true, STR_INIT(""), STR_INIT("%"), 1, 7,
		  IMAP_LIST_RETURN_CHILDREN | IMAP_LIST_RETURN_STATUS,
		  IMAP_STATUS_MESSAGES | IMAP_STATUS_UNSEEN,
		  .is_extended = true },
		{ STR_INIT("() \"\" \"\" RETURN ()"), true, STR_INIT(""),
		  STR_INIT(""), 1, .is_extended = true },
		{ .in = STR_INIT("") },
		{ .in = STR_INIT("\"\"") },
		{ .in = STR_INIT("\"\" ") },
		{ .in = STR_INIT("\"\" * ") },
		{ .in = STR_INIT("\"\" ()") },
		{ .in = STR_INIT("\"\" * RETURN") },
		{ .in = STR_INIT("\"\" * RETURN (NONSENSE)") },
		{ .in = STR_INIT("\"\" * RETURN (STATUS)") },
		{ .in = STR_INIT("\"\" * RETURN (STATUS ())") },
		{ .in = STR_INIT("\"\" * RETURN (STATUS (NONSENSE))") },
		{ .in = STR_INIT("\"\" * RETURN (STATUS (MAILBOXID))") },
		{ .in = STR_INIT("(RECURSIVEMATCH) \"\" *") },
		{ .in = STR_INIT("(RECURSIVEMATCH REMOTE) \"\" *") },
		{ .in = STR_INIT("(NONSENSE) \"\" *") },
		{ .in = STR_INIT("* *") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena arena = ARENA_INIT(65536);
		struct imap_reader r;
		struct imap_list list;

		imap_reader_init(&r, cases[i].in, &arena);
		if (imap_list_read(&r, IMAP_STATUS_ALL & ~IMAP_STATUS_MAILBOXID,
				   &list) != cases[i].ok)
			fail_msg("%.*s", STR(cases[i].in));
		if (cases[i].ok) {
			assert_str_eq(list.reference, cases[i].reference);
			assert_int_equal(list.n_patterns, cases[i].n_patterns);
			assert_str_eq(list.patterns[list.n_patterns - 1],
				      cases[i].last_pattern);
			assert_int_equal(list.select_bits,
					 cases[i].select_bits);
			assert_int_equal(list.return_bits,
					 cases[i].return_bits);
			assert_int_equal(list.status_items, cases[i].items);
			assert_int_equal(list.is_extended,
					 cases[i].is_extended);
			assert_int_equal(list.asks_separator,
					 cases[i].asks_separator);
		}
		arena_release(&arena);
	}
}

static void
lsub_takes_one_pattern(void **state UNUSED)
{
	struct arena arena = ARENA_INIT(65536);
	struct imap_reader r;
	struct imap_list list;

	imap_reader_init(&r, S("\"\" \"*\""), &arena);
	assert_true(imap_list_read_lsub(&r, &list));
	assert_str(list.patterns[0], "*");
	imap_reader_init(&r, S("\"\" (a b)"), &arena);
	assert_false(imap_list_read_lsub(&r, &list));
	imap_reader_init(&r, S("(SUBSCRIBED) \"\" *"), &arena);
	assert_false(imap_list_read_lsub(&r, &list));
	arena_release(&arena);
}

static void
status_items_have_names(void **state UNUSED)
{
	struct imap_reader r;
	unsigned items;

	imap_reader_init(&r,
			 S("(MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN SIZE "
			   "DELETED HIGHESTMODSEQ MAILBOXID "
			   "DELETED-STORAGE APPENDLIMIT)"),
			 NULL);
	assert_true(imap_status_read_items(&r, IMAP_STATUS_ALL, &items));
	assert_int_equal(items, IMAP_STATUS_ALL);
	assert_str(imap_status_item_name(IMAP_STATUS_MESSAGES), "MESSAGES");
	assert_str(imap_status_item_name(IMAP_STATUS_MAILBOXID), "MAILBOXID");
}

static void
patterns_match_as_rfc_9051_says(void **state UNUSED)
{
	static const struct {
		struct str reference, pattern, name;
		bool want;
	} cases[] = {
		{ STR_INIT(""), STR_INIT("*"), STR_INIT("a/b/c"), true },
		{ STR_INIT(""), STR_INIT("*"), STR_INIT(""), true },
		{ STR_INIT(""), STR_INIT("%"), STR_INIT("a"), true },
		{ STR_INIT(""), STR_INIT("%"), STR_INIT("a/b"), false },
		{ STR_INIT(""), STR_INIT("%/%"), STR_INIT("a/b"), true },
		{ STR_INIT(""), STR_INIT("%/%"), STR_INIT("a/b/c"), false },
		{ STR_INIT(""), STR_INIT("a"), STR_INIT("a"), true },
		{ STR_INIT(""), STR_INIT("a"), STR_INIT("A"), false },
		{ STR_INIT(""), STR_INIT("a"), STR_INIT("ab"), false },
		{ STR_INIT(""), STR_INIT("ab"), STR_INIT("a"), false },
		{ STR_INIT(""), STR_INIT("a*"), STR_INIT("a"), true },
		{ STR_INIT(""), STR_INIT("a/%"), STR_INIT("a"), false },
		{ STR_INIT(""), STR_INIT("a/%"), STR_INIT("a/"), true },
		{ STR_INIT(""), STR_INIT("*b"), STR_INIT("a/b/b"), true },
		{ STR_INIT(""), STR_INIT("%b"), STR_INIT("a/b"), false },
		{ STR_INIT(""), STR_INIT("*/b"), STR_INIT("a/b/b"), true },
		{ STR_INIT(""), STR_INIT("%*"), STR_INIT("a/b"), true },
		{ STR_INIT(""), STR_INIT("*%"), STR_INIT("a/b"), true },
		{ STR_INIT(""), STR_INIT("%*%b"), STR_INIT("a/ab"), true },
		{ STR_INIT(""), STR_INIT("a%b%c"), STR_INIT("aXbYc"), true },
		{ STR_INIT(""), STR_INIT("a%b%c"), STR_INIT("aXb/c"), false },
		{ STR_INIT("a/"), STR_INIT("%"), STR_INIT("a/b"), true },
		{ STR_INIT("a/"), STR_INIT("%"), STR_INIT("b"), false },
		{ STR_INIT("a"), STR_INIT("b"), STR_INIT("ab"), true },
		{ STR_INIT("../"), STR_INIT("*"), STR_INIT("a"), false },
		{ STR_INIT("/etc/"), STR_INIT("*"), STR_INIT("etc/a"), false },
		{ STR_INIT(""), STR_INIT("inbox"), STR_INIT("INBOX"), true },
		{ STR_INIT(""), STR_INIT("InB%"), STR_INIT("INBOX"), true },
		{ STR_INIT(""), STR_INIT("inbox/a"), STR_INIT("INBOX/a"),
		  true },
		{ STR_INIT(""), STR_INIT("inbox/A"), STR_INIT("INBOX/a"),
		  false },
		{ STR_INIT(""), STR_INIT("inboxes"), STR_INIT("INBOXES"),
		  false },
		{ STR_INIT(""), STR_INIT(""), STR_INIT(""), true },
		{ STR_INIT(""), STR_INIT(""), STR_INIT("a"), false },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena arena = ARENA_INIT(65536);
		const struct imap_list_pattern *p = imap_list_pattern_new(
			cases[i].reference, cases[i].pattern, '/', &arena);

		assert_non_null(p);
		if (imap_list_matches(p, cases[i].name) != cases[i].want)
			fail_msg("%.*s %.*s", STR(cases[i].pattern),
				 STR(cases[i].name));
		arena_release(&arena);
	}
}

static void
literals_cross_the_words_of_the_state(void **state UNUSED)
{
	char name[200], pattern[200];

	for (size_t n = 1; n < sizeof(name); n++) {
		struct arena arena = ARENA_INIT(65536);
		const struct imap_list_pattern *p;

		memset(name, 'a', n);
		memset(pattern, 'a', n);
		pattern[n / 2] = '%';
		p = imap_list_pattern_new(STR_NONE, str_of(pattern, n), '/',
					  &arena);
		assert_true(imap_list_matches(p, str_of(name, n)));
		assert_int_equal(imap_list_matches(p, str_of(name, n - 1)),
				 true);
		name[n - 1] = 'b';
		assert_int_equal(imap_list_matches(p, str_of(name, n)),
				 n / 2 == n - 1);
		arena_release(&arena);
	}
}

/* I08: with going back this would not end in our lifetime. */
static void
many_wildcards_cost_nothing(void **state UNUSED)
{
	char pattern[IMAP_LIST_PATTERN_OCTETS_MAX], name[254];
	struct arena arena = ARENA_INIT(1 << 20);
	const struct imap_list_pattern *p;

	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = "%a*a"[i % 4];
	pattern[400] = 'b';
	memset(name, 'a', sizeof(name));
	p = imap_list_pattern_new(STR_NONE, str_of(pattern, 401), '/', &arena);
	for (size_t i = 0; i < 1000; i++)
		assert_false(imap_list_matches(p, str_of(name, sizeof(name))));
	p = imap_list_pattern_new(STR_NONE, str_of(pattern, 400), '/', &arena);
	assert_true(imap_list_matches(p, str_of(name, sizeof(name))));
	assert_non_null(imap_list_pattern_new(
		STR_NONE, str_of(pattern, sizeof(pattern)), '/', &arena));
	assert_null(imap_list_pattern_new(
		S("a"), str_of(pattern, sizeof(pattern)), '/', &arena));
	arena_release(&arena);
	arena_init(&arena, 100);
	assert_null(imap_list_pattern_new(STR_NONE, S("a"), '/', &arena));
	arena_release(&arena);
}

static void
patterns_are_capped(void **state UNUSED)
{
	for (size_t n = IMAP_LIST_PATTERNS_MAX; n < 10000; n += 9000) {
		for (size_t more = 0; more < 2; more++) {
			struct arena arena = ARENA_INIT(65536);
			struct buf b = BUF_INIT(1 << 20);
			struct imap_reader r;
			struct imap_list list;

			buf_put(&b, S("\"\" (a"));
			for (size_t k = 1; k < n + more; k++)
				buf_put(&b, S(" a"));
			buf_putc(&b, ')');
			imap_reader_init(&r, buf_str(&b), &arena);
			imap_list_read(&r, 0, &list);
			assert_int_equal(r.fault,
					 n + more <= IMAP_LIST_PATTERNS_MAX
						 ? IMAP_FINE
						 : IMAP_FAULT_LIMIT);
			buf_release(&b);
			arena_release(&arena);
		}
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_read_as_clients_send_them),
		cmocka_unit_test(lsub_takes_one_pattern),
		cmocka_unit_test(status_items_have_names),
		cmocka_unit_test(patterns_match_as_rfc_9051_says),
		cmocka_unit_test(literals_cross_the_words_of_the_state),
		cmocka_unit_test(many_wildcards_cost_nothing),
		cmocka_unit_test(patterns_are_capped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
