/* SPDX-License-Identifier: MIT
 * mta/queue/message_table_test.c - which segments a message keeps. */
#include "mta/queue/message_table.c"

#include "tests/unit/unit.h"

static void
a_piece_alone_pins_its_segment(void **state UNUSED)
{
	struct extent pieces[] = { { 3, 64, 10 }, { 4, 64, 10 } };
	struct queued m = { .extents = pieces,
			    .n_extents = 2,
			    .record = { .segment = 5 } };

	assert_true(message_lies_in(&m, 3));
	assert_true(message_lies_in(&m, 4));
	assert_true(message_lies_in(&m, 5));
	assert_false(message_lies_in(&m, 6));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_piece_alone_pins_its_segment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
