/* SPDX-License-Identifier: MIT
 * lib/base/heap_test.c */
#include "lib/base/heap.c"

#include "tests/unit/unit.h"

enum { N = 500 };

static void
smallest_first_whatever_was_removed(void **state UNUSED)
{
	struct heap_node nodes[N] = { { 0, 0 } };
	struct heap h = HEAP_INIT;
	unsigned seed = 7;
	int64_t before = INT64_MIN;
	size_t n_left = 0;

	for (int i = 0; i < N; i++) {
		seed = seed * 1103515245u + 12345u;
		heap_insert(&h, &nodes[i], (int64_t)(seed >> 16) % 100);
	}
	for (int i = 0; i < N; i += 3)
		heap_remove(&h, &nodes[i]);
	heap_remove(&h, &nodes[0]); // not there: no effect
	while (heap_first(&h) != NULL) {
		struct heap_node *first = heap_first(&h);

		assert_true(first->key >= before);
		before = first->key;
		heap_remove(&h, first);
		assert_false(heap_has(first));
		n_left++;
	}
	assert_int_equal(n_left, N - (N + 2) / 3);
	heap_release(&h);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(smallest_first_whatever_was_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
