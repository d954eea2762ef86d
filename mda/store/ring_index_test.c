/* SPDX-License-Identifier: MIT
 * mda/store/ring_index_test.c - what was added is found, and what was not is
 * hardly ever. */
#include "mda/store/ring_index.c"

#include "tests/unit/unit.h"

#include <stdio.h>

static struct str
key_of(int i, char out[40])
{
	snprintf(out, 40, "user%d@example1.local\tQ%dR0", i % 7, i);
	return str_c(out);
}

/* As many as a part of the shortest records has. */
static void
all_are_found(void **state UNUSED)
{
	enum { N = 26000, OTHERS = 20000 };
	struct ring_index x = { 0 };
	char key[40];
	int n_wrong = 0;

	for (int i = 0; i < N; i++)
		ring_index_add(&x, 5 * RING_PART_OCTETS + 40 * (uint64_t)i,
			       key_of(i, key));
	for (int i = 0; i < N; i++)
		assert_true(ring_index_may_have(&x, 5, key_of(i, key)));
	for (int i = N; i < N + OTHERS; i++)
		n_wrong += ring_index_may_have(&x, 5, key_of(i, key));
	print_message("%d of %d are said to be there\n", n_wrong, OTHERS);
	assert_true(n_wrong < OTHERS / 50);
	assert_false(ring_index_may_have(&x, 4, key_of(1, key)));
	ring_index_clear(&x);
	assert_false(ring_index_may_have(&x, 5, key_of(1, key)));
}

static void
parts_have_ends(void **state UNUSED)
{
	struct ring_index x = { 0 };
	uint64_t last = (uint64_t)RING_PARTS_MAX * RING_PART_OCTETS - 1;

	ring_index_add(&x, RING_PART_OCTETS - 1, S("a"));
	ring_index_add(&x, RING_PART_OCTETS, S("b"));
	ring_index_add(&x, last, S("c"));
	ring_index_add(&x, last + 1, S("d")); // is in none
	ring_index_add(&x, UINT64_MAX, S("e"));
	assert_true(ring_index_may_have(&x, 0, S("a")));
	assert_false(ring_index_may_have(&x, 1, S("a")));
	assert_true(ring_index_may_have(&x, 1, S("b")));
	assert_true(ring_index_may_have(&x, RING_PARTS_MAX - 1, S("c")));
	assert_false(ring_index_may_have(&x, RING_PARTS_MAX, S("d")));
	assert_false(ring_index_may_have(&x, SIZE_MAX, S("e")));
	ring_index_clear(&x);
	ring_index_clear(&x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_found),
		cmocka_unit_test(parts_have_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
