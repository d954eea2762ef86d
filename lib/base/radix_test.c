/* SPDX-License-Identifier: MIT
 * lib/base/radix_test.c - against qsort(), and that equal keys keep their
 * order.
 */
#include "lib/base/radix.c"

#include "tests/unit/unit.h"

enum { N = 3000 };

static int
compare(const void *a, const void *b)
{
	const struct radix_item *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->value > y->value) - (x->value < y->value);
}

static void
as_qsort_does(void **state UNUSED)
{
	static const uint64_t masks[] = {
		0,	    UINT64_MAX,		0xff, 0x300, 0x7fff,
		UINT32_MAX, 0xff000000000000ff,
	};
	static struct radix_item items[N], want[N];
	uint64_t x = 88172645463325252;

	for (size_t m = 0; m < sizeof(masks) / sizeof(*masks); m++) {
		for (size_t i = 0; i < N; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			items[i] = (struct radix_item) { x & masks[m], i };
		}
		memcpy(want, items, sizeof(want));
		qsort(want, N, sizeof(*want), compare);
		radix_sort(items, N);
		for (size_t i = 0; i < N; i++) {
			assert_int_equal(items[i].key, want[i].key);
			assert_int_equal(items[i].value, want[i].value);
		}
	}
}

static void
none_and_one(void **state UNUSED)
{
	struct radix_item one = { 7, 8 };

	radix_sort(NULL, 0);
	radix_sort(&one, 1);
	assert_int_equal(one.key, 7);
	assert_int_equal(one.value, 8);
}

static void
numbers_with_a_sign_rise(void **state UNUSED)
{
	static const int64_t rising[] = {
		INT64_MIN, -1000, -1, 0, 1, INT64_MAX
	};

	for (size_t i = 1; i < sizeof(rising) / sizeof(*rising); i++)
		assert_true(radix_key(rising[i - 1]) < radix_key(rising[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_qsort_does),
		cmocka_unit_test(none_and_one),
		cmocka_unit_test(numbers_with_a_sign_rise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
