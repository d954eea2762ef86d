/* SPDX-License-Identifier: MIT
 * mda/auth/delay_test.c - delays per source. */
#include "mda/auth/delay.c"

#include "tests/unit/unit.h"

static void
test_repeated_failures_wait_longer(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct str client;
		int64_t at_s, want_ms;
	} steps[] = {
		{ "first", STR_INIT("192.0.2.1"), 100, 1000 },
		{ "again", STR_INIT("192.0.2.1"), 101, 2000 },
		{ "another source", STR_INIT("192.0.2.2"), 102, 1000 },
		{ "again, a minute is counted from the last",
		  STR_INIT("192.0.2.1"), 160, 2000 },
		{ "after a quiet minute", STR_INIT("192.0.2.1"), 220, 1000 },
		{ "no address", STR_INIT(""), 220, 1000 },
		{ "no address again", STR_INIT(""), 220, 2000 },
	};
	struct delays d;

	delays_init(&d);
	for (size_t i = 0; i < N_OF(steps); i++) {
		print_message("%s\n", steps[i].name);
		assert_int_equal(
			delays_after_failure_ms(&d, steps[i].client,
						steps[i].at_s * 1000000),
			steps[i].want_ms);
	}
	delays_release(&d);
}

static void
test_table_is_bounded(void **state UNUSED)
{
	struct delays d;
	char client[32];

	delays_init(&d);
	for (int i = 0; i < DELAY_MAX_SOURCES + 10; i++) {
		snprintf(client, sizeof(client), "2001:db8::%x", i);
		delays_after_failure_ms(&d, str_c(client), 1);
	}
	assert_int_equal(d.by_client.n, DELAY_MAX_SOURCES);
	assert_int_equal(delays_after_failure_ms(&d, str_c(client), 2), 2000);
	assert_int_equal(delays_after_failure_ms(&d, S("2001:db8::0"), 2),
			 1000);
	delays_release(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_repeated_failures_wait_longer),
		cmocka_unit_test(test_table_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
