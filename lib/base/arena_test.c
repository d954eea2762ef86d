/* SPDX-License-Identifier: MIT
 * lib/base/arena_test.c */
#include "lib/base/arena.c"

#include "tests/unit/unit.h"

static void
the_budget_is_a_wall(void **state UNUSED)
{
	struct arena a = ARENA_INIT(10000);
	int n = 0;

	while (arena_alloc(&a, 100) != NULL)
		n++;
	assert_in_range(n, 80, 100);
	assert_null(arena_array(&a, SIZE_MAX / 2, 16));
	assert_null(arena_alloc(&a, SIZE_MAX));
	arena_clear(&a);
	assert_non_null(arena_alloc(&a, 100));
	arena_release(&a);
}

static void
memory_is_zeroed_again_after_clear(void **state UNUSED)
{
	struct arena a = ARENA_INIT(10000);
	char *p = arena_alloc(&a, 64);

	memset(p, 'x', 64);
	arena_clear(&a);
	p = arena_alloc(&a, 64);
	for (int i = 0; i < 64; i++)
		assert_int_equal(p[i], 0);
	arena_release(&a);
}

static void
strings_are_copied_with_their_nul_bytes(void **state UNUSED)
{
	struct arena a = ARENA_INIT(10000);
	struct str s;

	assert_int_equal(arena_str(&a, S("a\0b"), &s), OK);
	assert_str(s, "a\0b");
	arena_release(&a);
}

static void
test_lower_and_join(void **state UNUSED)
{
	struct arena a = ARENA_INIT(1 << 12);
	struct str s;

	assert_int_equal(arena_lower(&a, S("A\0bZ\xc3\x84[@"), &s), OK);
	assert_str(s, "a\0bz\xc3\x84[@");
	assert_int_equal(arena_lower(&a, STR_NONE, &s), OK);
	assert_str(s, "");
	assert_int_equal(arena_join(&a, S("a\0"), STR_NONE, S("c"), &s), OK);
	assert_str(s, "a\0c");
	arena_release(&a);
	arena_init(&a, 1);
	assert_int_equal(arena_lower(&a, S("ab"), &s), ERR_LIMIT);
	assert_int_equal(arena_join(&a, S("a"), S("b"), S(""), &s), ERR_LIMIT);
	arena_release(&a);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_budget_is_a_wall),
		cmocka_unit_test(memory_is_zeroed_again_after_clear),
		cmocka_unit_test(strings_are_copied_with_their_nul_bytes),
		cmocka_unit_test(test_lower_and_join),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
