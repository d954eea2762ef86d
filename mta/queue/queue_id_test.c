/* SPDX-License-Identifier: MIT
 * mta/queue/queue_id_test.c - ids sort as the times that they are made of. */
#include "mta/queue/queue_id.c"

#include "tests/unit/unit.h"

static void
ids_sort_by_age(void **state UNUSED)
{
	char older[QUEUE_ID_OCTETS + 1] = "", id[QUEUE_ID_OCTETS + 1] = "";

	for (int64_t at_us = 1; at_us < 5000; at_us++) {
		queue_id_put(at_us, id);
		assert_true(strcmp(older, id) < 0);
		assert_int_equal(queue_id_time(str_c(id)), at_us);
		memcpy(older, id, sizeof(older));
	}
}

static void
an_id_comes_once(void **state UNUSED)
{
	char older[QUEUE_ID_OCTETS + 1] = "", id[QUEUE_ID_OCTETS + 1];
	/* The clock was set back by an hour. */
	int64_t last_us = wall_us() + 3600 * US_PER_S;

	for (int i = 0; i < 100; i++) {
		queue_id_next(&last_us, id);
		assert_true(strcmp(older, id) < 0);
		memcpy(older, id, sizeof(older));
	}
}

static void
what_is_no_id_has_no_time(void **state UNUSED)
{
	assert_int_equal(queue_id_time(S("")), 0);
	assert_int_equal(queue_id_time(S("0000000000a")), 0); // a vowel
	assert_int_equal(queue_id_time(str_of("1\0", 2)), 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_sort_by_age),
		cmocka_unit_test(an_id_comes_once),
		cmocka_unit_test(what_is_no_id_has_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
