/* SPDX-License-Identifier: MIT
 * mta/out/dead_test.c - a bounded memory that forgets. */
#include "mta/out/dead.c"

#include "tests/unit/unit.h"

static void
test_memory(void **state UNUSED)
{
	const int64_t now = 1000, later = now + (int64_t)DEAD_S * US_PER_SECOND;
	char text[ADDRESS_OCTETS * 2];

	assert_false(dead_has(S("192.0.2.1"), 25, now));
	dead_add(S("192.0.2.1"), 25, now);
	assert_true(dead_has(S("192.0.2.1"), 25, now));
	assert_false(dead_has(S("192.0.2.1"), 26, now));
	assert_false(dead_has(S("192.0.2.10"), 25, now));
	assert_false(dead_has(S("192.0.2.1"), 25, later));
	dead_remove(S("192.0.2.1"), 25);
	assert_false(dead_has(S("192.0.2.1"), 25, now));

	for (int i = 0; i <= DEAD_SERVERS; i++) {
		snprintf(text, sizeof(text), "2001:db8::%x", i);
		dead_add(str_c(text), 25, now + i);
		dead_add(str_c(text), 25, now + i); // one place each
	}
	assert_true(dead_has(str_c(text), 25, now));
	assert_false(dead_has(S("2001:db8::0"), 25, now)); // the oldest
	assert_true(dead_has(S("2001:db8::1"), 25, now));

	memset(text, '1', sizeof(text));
	dead_add(str_of(text, sizeof(text)), 25, now);
	assert_false(dead_has(str_of(text, sizeof(text)), 25, now));
	dead_add(S(""), 25, now);
	assert_false(dead_has(S(""), 25, now));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
