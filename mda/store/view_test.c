/* SPDX-License-Identifier: MIT
 * mda/store/view_test.c - sequence numbers against RFC 9051 2.3.1.2 and the
 * EXPUNGE example of 7.5.1. */
#include "mda/store/view.c"

#include "tests/unit/unit.h"

static struct {
	uint32_t seqs[100];
	size_t n;
} told;

static void
note_gone(uint32_t seq, void *arg UNUSED)
{
	told.seqs[told.n++] = seq;
}

static void
test_numbers_and_uids(void **state UNUSED)
{
	struct view v = VIEW_INIT;

	assert_int_equal(0, view_last(&v));
	assert_int_equal(0, view_seq(&v, 1));
	assert_int_equal(0, view_uid(&v, 1));
	assert_int_equal(1, view_place(&v, 1));
	for (uint32_t uid = 10; uid <= 1000; uid += 10)
		assert_true(view_add(&v, uid));
	assert_false(view_add(&v, 1000)); // UIDs rise
	assert_false(view_add(&v, 5));
	assert_int_equal(100, v.n);
	assert_int_equal(1, view_seq(&v, 10));
	assert_int_equal(100, view_seq(&v, 1000));
	assert_int_equal(0, view_seq(&v, 15));
	assert_int_equal(2, view_place(&v, 15));
	assert_int_equal(101, view_place(&v, 1001));
	assert_int_equal(0, view_uid(&v, 101));
	assert_int_equal(0, view_uid(&v, 0));
	assert_int_equal(1000, view_last(&v));
	view_release(&v);
}

static void
test_gone_are_told_from_the_top(void **state UNUSED)
{
	static const uint32_t left[] = { 1, 2, 5, 6, 99 };
	static const uint32_t want[] = { 8, 7, 4, 3 };
	struct view v = VIEW_INIT;

	for (uint32_t uid = 1; uid <= 8; uid++)
		view_add(&v, uid);
	told.n = 0;
	view_keep(&v, left, N_OF(left), note_gone, NULL);
	assert_int_equal(N_OF(want), told.n);
	for (size_t i = 0; i < told.n; i++)
		assert_int_equal(want[i], told.seqs[i]);
	/* The client, which does as told, has the same numbers. */
	assert_int_equal(4, v.n);
	assert_int_equal(3, view_seq(&v, 5));
	assert_int_equal(4, view_seq(&v, 6));
	told.n = 0;
	view_keep(&v, left, N_OF(left), note_gone, NULL);
	assert_int_equal(0, told.n);
	view_keep(&v, NULL, 0, note_gone, NULL);
	assert_int_equal(4, told.n);
	assert_int_equal(0, v.n);
	view_release(&v);
}

static void
test_nothing_is_kept_of_nothing(void **state UNUSED)
{
	static const uint32_t left[] = { 1 };
	struct view v = VIEW_INIT;

	told.n = 0;
	view_keep(&v, left, 1, note_gone, NULL);
	assert_int_equal(0, told.n + v.n);
	view_release(&v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_and_uids),
		cmocka_unit_test(test_gone_are_told_from_the_top),
		cmocka_unit_test(test_nothing_is_kept_of_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
