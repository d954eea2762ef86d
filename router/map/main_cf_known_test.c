/* SPDX-License-Identifier: MIT
 * router/map/main_cf_known_test.c */
#include "router/map/main_cf_known.c"

#include "tests/unit/unit.h"

static void
each_name_stands_once(void **state UNUSED)
{
	for (size_t i = 0; i < N_KNOWN; i++) {
		if (known_find(known[i].name) != &known[i])
			fail_msg("%.*s is there twice", STR(known[i].name));
		assert_ptr_equal(known_at(i), &known[i]);
		assert_true(known[i].name.n <= KNOWN_NAME_MAX_OCTETS);
	}
	assert_null(known_at(N_KNOWN));
	assert_null(known_find(S("no_such_name")));
}

static void
what_has_no_effect_is_known(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(not_here); i++) {
		const struct known *k = known_find(str_c(not_here[i].name));

		if (k == NULL)
			fail_msg("%s", not_here[i].name);
		/* What is written as it is anyway is no mistake. */
		assert_null(known_why_not(k->name, k->preset));
		assert_non_null(known_why_not(k->name, S("something")));
	}
	assert_null(known_why_not(S("myhostname"), S("x")));
	assert_true(known_is_of_no_effect(S("x_process_limit")));
	assert_false(known_is_of_no_effect(S("myhostname")));
}

static void
a_slip_of_the_pen_has_a_guess(void **state UNUSED)
{
	assert_str(known_nearest(S("myhostnam")), "myhostname");
	assert_str(known_nearest(S("relay_host")), "relayhost");
	assert_str(known_nearest(S("qqqqqqqqqqqqqqqq")), "");
	assert_str(known_nearest(S("")), "");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_name_stands_once),
		cmocka_unit_test(what_has_no_effect_is_known),
		cmocka_unit_test(a_slip_of_the_pen_has_a_guess),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
