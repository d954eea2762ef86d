/* SPDX-License-Identifier: MIT
 * lib/base/crc32c_test.c - the check value and RFC 3720 B.4. */
#include "lib/base/crc32c.c"

#include "tests/unit/unit.h"

static void
known_values(void **state UNUSED)
{
	char zeros[32] = { 0 };

	assert_int_equal(crc32c(0, S("123456789")), 0xe3069283u);
	assert_int_equal(crc32c(0, str_of(zeros, 32)), 0x8a9136aau);
	assert_int_equal(~crc_by_table(~0u, S("123456789")), 0xe3069283u);
}

static void
pieces_give_the_same_as_the_whole(void **state UNUSED)
{
	struct str s = S("The quick brown fox jumps over the lazy dog");

	for (size_t cut = 0; cut <= s.n; cut++)
		assert_int_equal(
			crc32c(crc32c(0, str_first(s, cut)), str_from(s, cut)),
			crc32c(0, s));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_values),
		cmocka_unit_test(pieces_give_the_same_as_the_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
