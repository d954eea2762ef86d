/* SPDX-License-Identifier: MIT
 * mda/store/uid_set_test.c - sorted, once each; the ends of the range, too. */
#include "mda/store/uid_set.c"

#include "tests/unit/unit.h"

static void
an_array_becomes_a_set(void **state UNUSED)
{
	static const struct {
		const char *name;
		uint32_t in[6], want[6];
		size_t n, n_want;
	} cases[] = {
		{ "nothing", { 0 }, { 0 }, 0, 0 },
		{ "one", { 7 }, { 7 }, 1, 1 },
		{ "a set", { 1, 2, 9 }, { 1, 2, 9 }, 3, 3 },
		{ "falling", { 9, 2, 1 }, { 1, 2, 9 }, 3, 3 },
		{ "one many times", { 5, 5, 5, 5 }, { 5 }, 4, 1 },
		{ "twice, apart", { 3, 1, 3, 2, 1 }, { 1, 2, 3 }, 5, 3 },
		/* Their difference fits no int. */
		{ "far apart",
		  { UINT32_MAX, 1, UINT32_MAX, 0x80000000 },
		  { 1, 0x80000000, UINT32_MAX },
		  4,
		  3 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint32_t uids[6];
		size_t n = cases[i].n_want;

		memcpy(uids, cases[i].in, sizeof(uids));
		print_message("# %s\n", cases[i].name);
		assert_int_equal(uid_set_make(uids, cases[i].n), n);
		assert_memory_equal(uids, cases[i].want, n * sizeof(*uids));
		for (size_t k = 0; k < n; k++)
			assert_true(uid_set_has(uids, n, cases[i].want[k]));
		assert_false(uid_set_has(uids, n, 4));
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_array_becomes_a_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
