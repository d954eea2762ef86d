/* SPDX-License-Identifier: MIT
 * lib/base/base64_test.c - vectors of RFC 4648 10, and what is refused. */
#include "lib/base/base64.c"

#include "tests/unit/unit.h"

static void
vectors_of_the_rfc(void **state UNUSED)
{
	static const struct {
		struct str plain, coded;
	} cases[] = {
		{ STR_INIT(""), STR_INIT("") },
		{ STR_INIT("f"), STR_INIT("Zg==") },
		{ STR_INIT("fo"), STR_INIT("Zm8=") },
		{ STR_INIT("foo"), STR_INIT("Zm9v") },
		{ STR_INIT("foob"), STR_INIT("Zm9vYg==") },
		{ STR_INIT("fooba"), STR_INIT("Zm9vYmE=") },
		{ STR_INIT("foobar"), STR_INIT("Zm9vYmFy") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf b = BUF_INIT(100);

		assert_int_equal(base64_encode(&b, cases[i].plain), OK);
		assert_str_eq(buf_str(&b), cases[i].coded);
		buf_clear(&b);
		assert_int_equal(base64_decode(&b, cases[i].coded), OK);
		assert_str_eq(buf_str(&b), cases[i].plain);
		buf_release(&b);
	}
}

static void
what_is_not_base64_is_refused_and_leaves_nothing(void **state UNUSED)
{
	static const char *const bad[] = { "Zg",   "Zg=",  "Zg==Zg==",
					   "Zh==", "Zm9=", "Z===",
					   "====", "Zm 9", "Zm9v\n" };

	for (size_t i = 0; i < N_OF(bad); i++) {
		struct buf b = BUF_INIT(100);

		buf_put(&b, S("kept"));
		assert_int_equal(base64_decode(&b, str_c(bad[i])), ERR_FORMAT);
		assert_str(buf_str(&b), "kept");
		buf_release(&b);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_of_the_rfc),
		cmocka_unit_test(
			what_is_not_base64_is_refused_and_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
