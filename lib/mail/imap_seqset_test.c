/* SPDX-License-Identifier: MIT
 * lib/mail/imap_seqset_test.c */
#include "lib/mail/imap_seqset.c"

#include "tests/unit/unit.h"

static void
sets_are_sorted_and_merged(void **state UNUSED)
{
	static const struct {
		struct str in;
		uint32_t max;
		bool ok;
		struct str want;
		uint64_t count;
	} cases[] = {
		{ STR_INIT("1"), 9, true, STR_INIT("1"), 1 },
		{ STR_INIT("2,4:7,9,12:*"), 15, true, STR_INIT("2,4:7,9,12:15"),
		  10 }, // RFC 9051 9
		{ STR_INIT("*:4,5:7"), 10, true, STR_INIT("4:10"), 7 },
		{ STR_INIT("3:1"), 9, true, STR_INIT("1:3"), 3 },
		{ STR_INIT("5,1,3"), 9, true, STR_INIT("1,3,5"), 3 },
		{ STR_INIT("1,1,1"), 9, true, STR_INIT("1"), 1 },
		{ STR_INIT("1:3,4:5"), 9, true, STR_INIT("1:5"), 5 },
		{ STR_INIT("1:9,2:3"), 9, true, STR_INIT("1:9"), 9 },
		{ STR_INIT("*"), 7, true, STR_INIT("7"), 1 },
		{ STR_INIT("*:*"), 7, true, STR_INIT("7"), 1 },
		{ STR_INIT("559:*"), 7, true, STR_INIT("7:559"), 553 },
		{ STR_INIT("*"), 0, true, STR_INIT(""), 0 },
		{ STR_INIT("1:*,3"), 0, true, STR_INIT("3"), 1 },
		{ STR_INIT("1:4294967295"), 1, true, STR_INIT("1:4294967295"),
		  UINT32_MAX },
		{ STR_INIT("4294967295,1:2,4294967294"), 1, true,
		  STR_INIT("1:2,4294967294:4294967295"), 4 },
		{ STR_INIT("0"), 9, false, STR_INIT(""), 0 },
		{ STR_INIT("0:3"), 9, false, STR_INIT(""), 0 },
		{ STR_INIT("4294967296"), 9, false, STR_INIT(""), 0 },
		{ STR_INIT("1:4294967296"), 9, false, STR_INIT(""), 0 },
		{ STR_INIT(""), 9, false, STR_INIT(""), 0 },
		{ STR_INIT(","), 9, false, STR_INIT(""), 0 },
		{ STR_INIT("1,"), 9, false, STR_INIT(""), 0 },
		{ STR_INIT("1:"), 9, false, STR_INIT(""), 0 },
		{ STR_INIT(":1"), 9, false, STR_INIT(""), 0 },
		{ STR_INIT("1:2:3"), 9, false, STR_INIT(""), 0 },
		{ STR_INIT("-1"), 9, false, STR_INIT(""), 0 },
		{ STR_INIT("1, 2"), 9, false, STR_INIT(""), 0 },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena arena = ARENA_INIT(65536);
		struct buf b = BUF_INIT(1000);
		struct imap_reader r;
		struct imap_seqset set;

		imap_reader_init(&r, cases[i].in, &arena);
		bool ok = imap_seqset_read(&r, cases[i].max, &set) &&
			  imap_reader_end(&r);

		if (ok != cases[i].ok)
			fail_msg("%.*s", STR(cases[i].in));
		if (ok) {
			assert_int_equal(imap_seqset_write(&b, &set), OK);
			assert_str_eq(buf_str(&b), cases[i].want);
			assert_int_equal(imap_seqset_count(&set),
					 cases[i].count);
		}
		buf_release(&b);
		arena_release(&arena);
	}
}

static void
membership_and_walking_follow_the_ranges(void **state UNUSED)
{
	struct arena arena = ARENA_INIT(65536);
	struct imap_reader r;
	struct imap_seqset set;
	uint32_t at = 0, walked[8];
	size_t n = 0;

	imap_reader_init(&r, S("2,4:6,4294967295"), &arena);
	assert_true(imap_seqset_read(&r, 9, &set));
	assert_false(imap_seqset_has(&set, 0));
	assert_false(imap_seqset_has(&set, 1));
	assert_true(imap_seqset_has(&set, 2));
	assert_false(imap_seqset_has(&set, 3));
	assert_true(imap_seqset_has(&set, 4));
	assert_true(imap_seqset_has(&set, 6));
	assert_false(imap_seqset_has(&set, 7));
	assert_true(imap_seqset_has(&set, UINT32_MAX));
	while (n < N_OF(walked) && imap_seqset_from(&set, at, &at)) {
		walked[n++] = at;
		if (at == UINT32_MAX)
			break;
		at++;
	}
	assert_int_equal(n, 5);
	assert_int_equal(walked[0], 2);
	assert_int_equal(walked[3], 6);
	assert_int_equal(walked[4], UINT32_MAX);
	assert_false(imap_seqset_is_within(&set, 6));
	assert_true(imap_seqset_is_within(&set, UINT32_MAX));
	arena_release(&arena);
}

static void
the_saved_result_is_recognised(void **state UNUSED)
{
	struct imap_reader r;
	struct imap_seqset set;

	imap_reader_init(&r, S("$"), NULL);
	assert_true(imap_seqset_read(&r, 9, &set));
	assert_true(set.is_saved);
	assert_true(imap_reader_end(&r));
	imap_reader_init(&r, S("$,1"), NULL);
	assert_true(imap_seqset_read(&r, 9, &set));
	assert_false(imap_reader_end(&r));
}

static void
ranges_are_capped_as_sent(void **state UNUSED)
{
	static const size_t n_ranges[] = { IMAP_SEQSET_RANGES_MAX,
					   IMAP_SEQSET_RANGES_MAX + 1 };

	for (size_t i = 0; i < N_OF(n_ranges); i++) {
		struct arena arena = ARENA_INIT(1 << 20);
		struct buf b = BUF_INIT(1 << 20);
		struct imap_reader r;
		struct imap_seqset set;

		for (size_t k = 1; k < n_ranges[i]; k++)
			buf_put(&b, S("1,"));
		buf_put(&b, S("1"));
		imap_reader_init(&r, buf_str(&b), &arena);
		assert_int_equal(imap_seqset_read(&r, 9, &set), i == 0);
		assert_int_equal(r.fault,
				 i == 0 ? IMAP_FINE : IMAP_FAULT_LIMIT);
		arena_release(&arena);
		arena_init(&arena, 100);
		imap_reader_init(&r, buf_str(&b), &arena);
		assert_false(imap_seqset_read(&r, 9, &set));
		assert_int_equal(r.fault, IMAP_FAULT_LIMIT);
		arena_release(&arena);
		buf_release(&b);
	}
}

static void
sorted_numbers_become_a_set(void **state UNUSED)
{
	static const uint32_t numbers[] = {
		1, 2, 3, 4, 5, 7, 9, 10, UINT32_MAX
	};
	struct buf b = BUF_INIT(100), small = BUF_INIT(5);

	assert_int_equal(imap_seqset_write_sorted(&b, numbers, N_OF(numbers)),
			 OK);
	assert_str(buf_str(&b), "1:5,7,9:10,4294967295");
	assert_int_equal(
		imap_seqset_write_sorted(&small, numbers, N_OF(numbers)),
		ERR_LIMIT);
	buf_clear(&b);
	assert_int_equal(imap_seqset_write_sorted(&b, numbers, 0), OK);
	assert_str(buf_str(&b), "");
	buf_release(&b);
	buf_release(&small);
}

/* RFC 9394 3.1. */
static void
partial_results_are_counted_from_either_end(void **state UNUSED)
{
	static const struct {
		struct str in;
		size_t n, want_at, want_n;
	} cases[] = {
		{ STR_INIT("1:500"), 1000, 0, 500 },
		{ STR_INIT("500:1"), 1000, 0, 500 },
		{ STR_INIT("-1:-100"), 1000, 900, 100 },
		{ STR_INIT("-101:-200"), 1000, 800, 100 },
		{ STR_INIT("23500:24000"), 1000, 0, 0 },
		{ STR_INIT("-900:-1100"), 1000, 0, 101 },
		{ STR_INIT("999:4294967295"), 1000, 998, 2 },
		{ STR_INIT("1:1"), 0, 0, 0 },
	};
	static const char *const bad[] = { "0:1",    "-1:1",	    "1:-1",
					   "1",	     "1:",	    "1:*",
					   "--1:-2", "1:4294967296" };
	struct imap_partial p;
	struct imap_reader r;

	for (size_t i = 0; i < N_OF(cases); i++) {
		size_t at;

		imap_reader_init(&r, cases[i].in, NULL);
		assert_true(imap_partial_read(&r, &p));
		assert_str_eq(p.sent, cases[i].in);
		assert_int_equal(imap_partial_cut(&p, cases[i].n, &at),
				 cases[i].want_n);
		assert_int_equal(at, cases[i].want_at);
	}
	for (size_t i = 0; i < N_OF(bad); i++) {
		imap_reader_init(&r, str_c(bad[i]), NULL);
		assert_false(imap_partial_read(&r, &p) && imap_reader_end(&r));
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_are_sorted_and_merged),
		cmocka_unit_test(membership_and_walking_follow_the_ranges),
		cmocka_unit_test(the_saved_result_is_recognised),
		cmocka_unit_test(ranges_are_capped_as_sent),
		cmocka_unit_test(sorted_numbers_become_a_set),
		cmocka_unit_test(partial_results_are_counted_from_either_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
