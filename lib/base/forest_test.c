/* SPDX-License-Identifier: MIT
 * lib/base/forest_test.c */
#include "lib/base/forest.c"

#include "tests/unit/unit.h"

static uint32_t
slow_root(const uint32_t *parents, uint32_t x)
{
	while (parents[x] != FOREST_NONE)
		x = parents[x];
	return x;
}

/* Against parents that are followed one by one. */
static void
roots_are_those_of_the_slow_way(void **state UNUSED)
{
	enum { N = 60, STEPS = 30000 };
	uint32_t parents[N], seed = 7;
	struct forest f;

	forest_init(&f, N);
	for (size_t i = 0; i < N; i++)
		parents[i] = FOREST_NONE;
	for (int i = 0; i < STEPS; i++) {
		uint32_t a, b;

		seed = seed * 1664525 + 1013904223;
		a = (seed >> 8) % N;
		b = (seed >> 20) % N;
		if (seed % 5 == 0) {
			forest_cut(&f, a);
			parents[a] = FOREST_NONE;
		} else if (parents[a] == FOREST_NONE) {
			bool may = slow_root(parents, b) != a;

			assert_int_equal(forest_link(&f, a, b), may);
			if (may)
				parents[a] = b;
		}
		assert_int_equal(forest_root(&f, b), slow_root(parents, b));
		assert_int_equal(f.nodes[a].parent, parents[a]);
	}
	forest_release(&f);
}

static void
a_long_chain_is_no_trouble(void **state UNUSED)
{
	enum { N = 100000 };
	struct forest f;

	forest_init(&f, N);
	for (uint32_t i = 1; i < N; i++)
		assert_true(forest_link(&f, i, i - 1));
	assert_int_equal(forest_root(&f, N - 1), 0);
	assert_false(forest_link(&f, 0, N - 1));
	forest_cut(&f, N / 2);
	assert_int_equal(forest_root(&f, N - 1), N / 2);
	assert_true(forest_link(&f, 0, N - 1));
	forest_release(&f);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(roots_are_those_of_the_slow_way),
		cmocka_unit_test(a_long_chain_is_no_trouble),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
