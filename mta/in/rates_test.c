/* SPDX-License-Identifier: MIT
 * mta/in/rates_test.c - windows, as anvil(8) describes them, and bounds. */
#include "mta/in/rates.c"

#include "tests/unit/unit.h"

enum { UNIT = 60 * 1000000 };

static void
test_windows(void **state UNUSED)
{
	struct rates r;

	rates_init(&r);
	assert_int_equal(rates_count(&r, S("a"), RATE_MESSAGES, 1000, UNIT), 1);
	assert_int_equal(rates_count(&r, S("a"), RATE_MESSAGES, 2000, UNIT), 2);
	assert_int_equal(rates_count(&r, S("a"), RATE_AUTHS, 2000, UNIT), 1);
	assert_int_equal(rates_count(&r, S("b"), RATE_MESSAGES, 2000, UNIT), 1);
	assert_int_equal(
		rates_count(&r, S("a"), RATE_MESSAGES, 999 + UNIT, UNIT), 3);
	assert_int_equal(
		rates_count(&r, S("a"), RATE_MESSAGES, 1000 + UNIT, UNIT), 1);
	assert_int_equal(rates_count(&r, S("a"), RATE_AUTHS, 1000 + UNIT, UNIT),
			 1);
	rates_release(&r);
}

static void
test_open_entries_stay(void **state UNUSED)
{
	struct rates r;
	struct rate_entry *open, *again;
	char key[16];

	rates_init(&r);
	open = rates_enter(&r, S("open"), 0);
	for (int i = 0; i < RATES_MAX + 100; i++) {
		snprintf(key, sizeof(key), "%d", i);
		rates_count(&r, str_c(key), RATE_CONNECTIONS, i, UNIT);
	}
	assert_true(r.by_key.n <= RATES_MAX);
	again = rates_enter(&r, S("open"), 0);
	assert_ptr_equal(again, open);
	assert_int_equal(open->n_open, 2);
	rates_leave(open);
	rates_leave(open);
	rates_release(&r);
}

static void
test_keys_of_clients(void **state UNUSED)
{
	static const struct {
		struct str address, want;
	} cases[] = {
		{ STR_INIT("192.0.2.1"), STR_INIT("192.0.2.1") },
		{ STR_INIT("2001:db8:1:2:3:4:5:6"),
		  STR_INIT("2001:db8:1:2::/64") },
		{ STR_INIT("2001:db8:1:2::9"), STR_INIT("2001:db8:1:2::/64") },
		{ STR_INIT("unix"), STR_INIT("unix") },
		{ STR_INIT("::1"), STR_INIT("0:0:0:0::/64") },
	};
	char text[RATES_KEY_OCTETS];

	for (size_t i = 0; i < N_OF(cases); i++)
		assert_true(str_eq(rates_client_key(cases[i].address, text),
				   cases[i].want));
}

static void
test_long_keys_are_cut(void **state UNUSED)
{
	char key[400];
	struct rates r;

	memset(key, 'k', sizeof(key));
	rates_init(&r);
	assert_int_equal(rates_count(&r, str_of(key, 400), RATE_AUTHS, 0, UNIT),
			 1);
	assert_int_equal(rates_count(&r, str_of(key, 300), RATE_AUTHS, 0, UNIT),
			 2);
	rates_release(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_open_entries_stay),
		cmocka_unit_test(test_keys_of_clients),
		cmocka_unit_test(test_long_keys_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
