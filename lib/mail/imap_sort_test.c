/* SPDX-License-Identifier: MIT
 * lib/mail/imap_sort_test.c */
#include "lib/mail/imap_sort.c"

#include "tests/unit/unit.h"

static const struct imap_search_scope scope = { .seq_max = 9,
						.uid_max = 99,
						.features = 127 };

static void
sorts_are_read_as_clients_send_them(void **state UNUSED)
{
	static const struct {
		struct str in;
		enum imap_fault want;
		size_t n;
		enum imap_sort_key first;
		bool is_reverse, has_return;
	} cases[] = {
		{ STR_INIT("(SUBJECT) US-ASCII ALL"), IMAP_FINE, 1,
		  IMAP_SORT_SUBJECT, false, false },
		{ STR_INIT("(DISPLAYFROM) UTF-8 UNDELETED"), IMAP_FINE, 1,
		  IMAP_SORT_DISPLAYFROM, false, false },
		{ STR_INIT("(REVERSE DATE displayto) \"utf-8\" ALL"), IMAP_FINE,
		  2, IMAP_SORT_DATE, true, false },
		{ STR_INIT("(ARRIVAL CC DATE FROM SIZE SUBJECT TO) UTF-8 ALL"),
		  IMAP_FINE, 7, IMAP_SORT_ARRIVAL, false, false },
		{ STR_INIT("RETURN (COUNT ALL) (DATE) UTF-8 HEADER a b"),
		  IMAP_FINE, 1, IMAP_SORT_DATE, false, true },
		{ .in = STR_INIT("(DATE) KOI8-R ALL"),
		  .want = IMAP_FAULT_CHARSET },
		{ .in = STR_INIT("() UTF-8 ALL"), .want = IMAP_FAULT_SYNTAX },
		{ .in = STR_INIT("(REVERSE) UTF-8 ALL"),
		  .want = IMAP_FAULT_SYNTAX },
		{ .in = STR_INIT("(REVERSE REVERSE DATE) UTF-8 ALL"),
		  .want = IMAP_FAULT_SYNTAX },
		{ .in = STR_INIT("(COLOUR) UTF-8 ALL"),
		  .want = IMAP_FAULT_SYNTAX },
		{ .in = STR_INIT("DATE UTF-8 ALL"), .want = IMAP_FAULT_SYNTAX },
		{ .in = STR_INIT("(DATE) UTF-8"), .want = IMAP_FAULT_SYNTAX },
		{ .in = STR_INIT("(DATE)"), .want = IMAP_FAULT_SYNTAX },
		{ .in = STR_INIT("(CC CC CC CC CC CC CC CC CC CC CC CC CC CC "
				 "CC CC CC CC CC CC CC) UTF-8 ALL"),
		  .want = IMAP_FAULT_LIMIT },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena arena = ARENA_INIT(65536);
		struct imap_reader r;
		struct imap_sort sort;

		imap_reader_init(&r, cases[i].in, &arena);
		imap_sort_read(&r, &scope, &sort);
		if (r.fault != cases[i].want)
			fail_msg("%.*s", STR(cases[i].in));
		if (r.fault == IMAP_FINE) {
			assert_int_equal(sort.n, cases[i].n);
			assert_int_equal(sort.criteria[0].key, cases[i].first);
			assert_int_equal(sort.criteria[0].is_reverse,
					 cases[i].is_reverse);
			assert_int_equal(sort.search.has_return,
					 cases[i].has_return);
			assert_non_null(sort.search.root->first);
		}
		arena_release(&arena);
	}
}

static void
threads_are_read(void **state UNUSED)
{
	static const struct {
		struct str in;
		enum imap_fault want;
		enum imap_thread_algorithm algorithm;
	} cases[] = {
		{ STR_INIT("REFS US-ASCII ALL"), IMAP_FINE, IMAP_THREAD_REFS },
		{ STR_INIT("references UTF-8 (SEEN)"), IMAP_FINE,
		  IMAP_THREAD_REFERENCES },
		{ STR_INIT("ORDEREDSUBJECT UTF-8 SINCE 5-MAR-2000"), IMAP_FINE,
		  IMAP_THREAD_ORDEREDSUBJECT },
		{ .in = STR_INIT("X UTF-8 ALL"), .want = IMAP_FAULT_SYNTAX },
		{ .in = STR_INIT("REFS ALL"), .want = IMAP_FAULT_CHARSET },
		{ .in = STR_INIT("REFS UTF-8"), .want = IMAP_FAULT_SYNTAX },
		{ .in = STR_INIT(""), .want = IMAP_FAULT_SYNTAX },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena arena = ARENA_INIT(65536);
		struct imap_reader r;
		struct imap_thread thread;

		imap_reader_init(&r, cases[i].in, &arena);
		imap_thread_read(&r, &scope, &thread);
		if (r.fault != cases[i].want)
			fail_msg("%.*s", STR(cases[i].in));
		if (r.fault == IMAP_FINE)
			assert_int_equal(thread.algorithm, cases[i].algorithm);
		arena_release(&arena);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sorts_are_read_as_clients_send_them),
		cmocka_unit_test(threads_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
