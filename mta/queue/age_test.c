/* SPDX-License-Identifier: MIT
 * mta/queue/age_test.c - F11: jumps of the wall clock expire nothing. */
#include "mta/queue/age.c"

#include "tests/unit/unit.h"

enum { DAY_S = 86400 };

static const int64_t second = 1000000, start = 1795000000ll * 1000000;

/* Two messages, one from before the jump and one from after it, an hour after
 * the jump. */
static const struct {
	const char *name;
	int64_t jump_s, want_moved_s, want_before_s, want_after_s;
} cases[] = {
	{ "no jump", 0, 0, 3700, 1800 },
	{ "what NTP does", 2, 0, 3702, 1800 },
	{ "ten days ahead", 10 * DAY_S, 10 * DAY_S, 3700, 1800 },
	{ "years ahead", 3650ll * DAY_S, 3650ll * DAY_S, 3700, 1800 },
	{ "a day back", -DAY_S, -DAY_S, 0, 1800 },
};

static void
jumps_expire_nothing(void **state UNUSED)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int64_t mono = 5000 * second, wall = start, before, after;
		struct age a;

		age_init(&a, wall, mono);
		before = wall; // it comes
		wall += 100 * second;
		mono += 100 * second;
		assert_int_equal(age_look(&a, wall, mono), 0);
		wall += (cases[i].jump_s + 1) * second;
		mono += second;
		if (age_look(&a, wall, mono) / second != cases[i].want_moved_s)
			fail_msg("%s: not seen as it was", cases[i].name);
		wall += 1799 * second;
		mono += 1799 * second;
		after = wall;
		wall += 1800 * second;
		mono += 1800 * second;
		assert_int_equal(age_look(&a, wall, mono), 0);
		if (age_of(&a, wall, before) / second !=
			    cases[i].want_before_s ||
		    age_of(&a, wall, after) / second != cases[i].want_after_s)
			fail_msg("%s: before %lld, after %lld", cases[i].name,
				 (long long)(age_of(&a, wall, before) / second),
				 (long long)(age_of(&a, wall, after) / second));
	}
}

static void
a_jump_that_is_undone_counts_no_more(void **state UNUSED)
{
	struct age a;

	age_init(&a, start, 0);
	assert_int_equal(age_look(&a, start + 900 * second, 0), 900 * second);
	assert_int_equal(age_of(&a, start + 901 * second, start), second);
	assert_int_equal(age_look(&a, start, 0), -900 * second);
	assert_int_equal(age_of(&a, start + second, start), second);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jumps_expire_nothing),
		cmocka_unit_test(a_jump_that_is_undone_counts_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
