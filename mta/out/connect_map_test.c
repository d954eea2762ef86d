/* SPDX-License-Identifier: MIT
 * mta/out/connect_map_test.c - replaced next hops. */
#include "mta/out/connect_map.c"

#include "tests/unit/unit.h"

static void
test_find(void **state UNUSED)
{
	static const struct str map = STR_INIT(
		"[mta2]:25=[127.0.0.1]:3525, a=b,, broken , c =[::1]:1");
	static const struct {
		struct str next_hop, want;
	} cases[] = {
		{ STR_INIT("[mta2]:25"), STR_INIT("[127.0.0.1]:3525") },
		{ STR_INIT("[MTA2]:25"), STR_INIT("[127.0.0.1]:3525") },
		{ STR_INIT("[mta2]"), STR_INIT("[mta2]") },
		{ STR_INIT("mta2:25"), STR_INIT("mta2:25") },
		{ STR_INIT("a"), STR_INIT("b") },
		{ STR_INIT("broken"), STR_INIT("broken") },
		{ STR_INIT("c"), STR_INIT("[::1]:1") },
		{ STR_INIT(""), STR_INIT("") },
	};

	for (size_t i = 0; i < N_OF(cases); i++)
		assert_str_eq(connect_map_find(map, cases[i].next_hop),
			      cases[i].want);
	assert_str(connect_map_find(S(""), S("[mta2]:25")), "[mta2]:25");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
