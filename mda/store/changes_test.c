/* SPDX-License-Identifier: MIT
 * mda/store/changes_test.c - none is missing, or it is said. */
#include "mda/store/changes.c"

#include "tests/unit/unit.h"

static void
it_knows_nothing_before_it_begins(void **state UNUSED)
{
	struct changes c = { .kept = NULL };
	uint32_t uids[CHANGES_KEPT];
	size_t n;

	assert_false(changes_since(&c, 0, uids, &n));
	assert_false(changes_since(&c, 9, uids, &n));
	changes_note(&c, 1, 7);
	assert_false(changes_since(&c, 6, uids, &n));
	changes_release(&c);
}

static void
those_above_a_sequence_rise_and_stand_once(void **state UNUSED)
{
	struct changes c = { .kept = NULL };
	uint32_t uids[CHANGES_KEPT];
	size_t n;

	changes_begin(&c, 10);
	assert_true(changes_since(&c, 10, uids, &n));
	assert_int_equal(n, 0);
	assert_false(changes_since(&c, 9, uids, &n));
	changes_note(&c, 50, 11);
	changes_note(&c, 3, 12);
	changes_note(&c, 50, 13);
	assert_true(changes_since(&c, 10, uids, &n));
	assert_int_equal(n, 2);
	assert_int_equal(uids[0], 3);
	assert_int_equal(uids[1], 50);
	assert_true(changes_since(&c, 12, uids, &n));
	assert_int_equal(n, 1);
	assert_int_equal(uids[0], 50);
	assert_true(changes_since(&c, 13, uids, &n));
	assert_int_equal(n, 0);
	changes_begin(&c, 20);
	assert_false(changes_since(&c, 19, uids, &n));
	assert_true(changes_since(&c, 20, uids, &n));
	assert_int_equal(n, 0);
	changes_release(&c);
}

/* Against a list of all: for each number of changes and each sequence what is
 * given is all there is, and what is kept is given. */
static void
what_was_dropped_is_missed(void **state UNUSED)
{
	struct changes c = { .kept = NULL };
	uint32_t uids[CHANGES_KEPT];

	changes_begin(&c, 1000);
	for (uint64_t i = 1; i <= 3 * CHANGES_KEPT; i++) {
		changes_note(&c, (uint32_t)(7 * i), 1000 + i);
		for (uint64_t since = 1000; since <= 1000 + i; since++) {
			uint64_t n_above = 1000 + i - since;
			size_t n;
			bool knows = changes_since(&c, since, uids, &n);

			assert_int_equal(knows, n_above <= CHANGES_KEPT);
			if (!knows)
				continue;
			assert_int_equal(n, n_above);
			for (size_t k = 0; k < n; k++)
				assert_int_equal(uids[k],
						 7 * (since - 1000 + 1 + k));
		}
	}
	changes_release(&c);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_knows_nothing_before_it_begins),
		cmocka_unit_test(those_above_a_sequence_rise_and_stand_once),
		cmocka_unit_test(what_was_dropped_is_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
