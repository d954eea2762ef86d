/* SPDX-License-Identifier: MIT
 * lib/mail/imap_flags_test.c */
#include "lib/mail/imap_flags.c"

#include "tests/unit/unit.h"

static void
stores_are_read_as_clients_send_them(void **state UNUSED)
{
	static const struct {
		struct str in;
		bool ok;
		enum imap_store_mode mode;
		bool is_silent, has_since;
		uint64_t since;
		struct str flags;
	} cases[] = {
		{ STR_INIT("FLAGS (\\Seen)"), true, IMAP_STORE_SET, false,
		  false, 0, STR_INIT("(\\Seen)") },
		{ STR_INIT("+FLAGS.SILENT (\\Deleted)"), true, IMAP_STORE_ADD,
		  true, false, 0, STR_INIT("(\\Deleted)") },
		{ STR_INIT("-Flags ($label1 NonJunk)"), true, IMAP_STORE_REMOVE,
		  false, false, 0, STR_INIT("($label1 NonJunk)") },
		{ STR_INIT("+flags.silent \\seen \\FLAGGED a"), true,
		  IMAP_STORE_ADD, true, false, 0,
		  STR_INIT("(\\Flagged \\Seen a)") },
		{ STR_INIT("FLAGS ()"), true, IMAP_STORE_SET, false, false, 0,
		  STR_INIT("()") },
		{ STR_INIT("FLAGS (a A \\Seen \\Seen)"), true, IMAP_STORE_SET,
		  false, false, 0, STR_INIT("(\\Seen a)") },
		{ STR_INIT("FLAGS (\\Recent)"), true, IMAP_STORE_SET, false,
		  false, 0, STR_INIT("()") },
		{ STR_INIT("(UNCHANGEDSINCE 12121230045) +FLAGS (\\Seen)"),
		  true, IMAP_STORE_ADD, false, true, 12121230045,
		  STR_INIT("(\\Seen)") },
		{ .in = STR_INIT("(UNCHANGEDSINCE) FLAGS ()") },
		{ .in = STR_INIT("(OTHER 1) FLAGS ()") },
		{ .in = STR_INIT("FLAGS") },
		{ .in = STR_INIT("FLAGS ") },
		{ .in = STR_INIT("FLAGS (\\Nonsense)") },
		{ .in = STR_INIT("FLAGS (\\*)") },
		{ .in = STR_INIT("FLAGS (\\Seen") },
		{ .in = STR_INIT("FLAGS (\\Seen))") },
		{ .in = STR_INIT("FLAGS (\"a\")") },
		{ .in = STR_INIT("FLAGS (a]b)") },
		{ .in = STR_INIT("*FLAGS (a)") },
		{ .in = STR_INIT("FLAGS.LOUD (a)") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena arena = ARENA_INIT(65536);
		struct buf b = BUF_INIT(1000);
		struct imap_reader r;
		struct imap_store store;

		imap_reader_init(&r, cases[i].in, &arena);
		if (imap_store_read(&r, true, &store) != cases[i].ok)
			fail_msg("%.*s", STR(cases[i].in));
		if (cases[i].ok) {
			assert_int_equal(store.mode, cases[i].mode);
			assert_int_equal(store.is_silent, cases[i].is_silent);
			assert_int_equal(store.has_unchanged_since,
					 cases[i].has_since);
			assert_int_equal(store.unchanged_since, cases[i].since);
			assert_int_equal(
				imap_flags_write(&b, &store.flags, false), OK);
			assert_str_eq(buf_str(&b), cases[i].flags);
		}
		buf_release(&b);
		arena_release(&arena);
	}
}

static void
condstore_must_be_announced(void **state UNUSED)
{
	struct arena arena = ARENA_INIT(65536);
	struct imap_reader r;
	struct imap_store store;

	imap_reader_init(&r, S("(UNCHANGEDSINCE 1) FLAGS ()"), &arena);
	assert_false(imap_store_read(&r, false, &store));
	arena_release(&arena);
}

/* I11: flags 10^5, keyword 1 MB. */
static void
lists_and_keywords_are_capped(void **state UNUSED)
{
	static const struct {
		size_t n, octets;
		enum imap_fault want;
	} cases[] = {
		{ IMAP_KEYWORDS_MAX, 6, IMAP_FINE },
		{ IMAP_KEYWORDS_MAX + 1, 6, IMAP_FAULT_LIMIT },
		{ 100000, 6, IMAP_FAULT_LIMIT },
		{ 1, IMAP_KEYWORD_OCTETS_MAX, IMAP_FINE },
		{ 1, IMAP_KEYWORD_OCTETS_MAX + 1, IMAP_FAULT_LIMIT },
		{ 1, 1000000, IMAP_FAULT_LIMIT },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena arena = ARENA_INIT(65536);
		struct buf b = BUF_INIT(4 << 20);
		struct imap_reader r;
		struct imap_flags flags;

		buf_putc(&b, '(');
		for (size_t k = 0; k < cases[i].n; k++)
			buf_putf(&b, "%s%0*zu", k ? " " : "",
				 (int)cases[i].octets, k);
		buf_putc(&b, ')');
		imap_reader_init(&r, buf_str(&b), &arena);
		imap_flags_read(&r, &flags);
		assert_int_equal(r.fault, cases[i].want);
		arena_release(&arena);
		buf_release(&b);
	}
}

static void
permanent_flags_end_with_a_star(void **state UNUSED)
{
	static const struct str keywords[] = { STR_INIT("$Forwarded"),
					       STR_INIT("no atom"),
					       STR_INIT("") };
	struct imap_flags flags = { .bits = IMAP_FLAG_SEEN | IMAP_FLAG_RECENT,
				    .keywords = keywords,
				    .n_keywords = N_OF(keywords) };
	struct buf b = BUF_INIT(100);

	assert_int_equal(imap_flags_write(&b, &flags, true), OK);
	assert_str(buf_str(&b), "(\\Seen \\Recent $Forwarded \\*)");
	buf_release(&b);
	for (size_t max = 0; max < 29; max++) {
		buf_init(&b, max);
		assert_int_equal(imap_flags_write(&b, &flags, true), ERR_LIMIT);
		buf_release(&b);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(stores_are_read_as_clients_send_them),
		cmocka_unit_test(condstore_must_be_announced),
		cmocka_unit_test(lists_and_keywords_are_capped),
		cmocka_unit_test(permanent_flags_end_with_a_star),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
