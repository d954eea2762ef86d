/* SPDX-License-Identifier: MIT
 * lib/base/map_test.c */
#include "lib/base/map.c"

#include "tests/unit/unit.h"

enum { MANY = 3000 };

static void
against_a_plain_array(void **state UNUSED)
{
	static char keys[MANY][16];
	static bool is_in[MANY];
	struct map m = MAP_INIT;
	unsigned seed = 12345;
	size_t n = 0;

	for (int i = 0; i < MANY; i++)
		snprintf(keys[i], sizeof(keys[i]), "k%d", i);
	for (int step = 0; step < 40000; step++) {
		seed = seed * 1103515245u + 12345u;
		size_t i = (seed >> 8) % MANY;
		bool add = seed >> 31;
		void *before = add ? map_set(&m, str_c(keys[i]), keys[i])
				   : map_remove(&m, str_c(keys[i]));

		assert_ptr_equal(before, is_in[i] ? keys[i] : NULL);
		n += (size_t)(add && !is_in[i]);
		n -= (size_t)(!add && is_in[i]);
		is_in[i] = add;
		assert_int_equal(m.n, n);
	}
	for (int i = 0; i < MANY; i++)
		assert_ptr_equal(map_get(&m, str_c(keys[i])),
				 is_in[i] ? keys[i] : NULL);
	size_t at = 0, seen = 0;
	struct str key;
	void *value;
	while (map_next(&m, &at, &key, &value))
		seen++;
	assert_int_equal(seen, n);
	map_release(&m);
}

static void
hash_is_siphash_1_3(void **state UNUSED)
{
	/* From the reference's published test secret 00..0f, SipHash-1-3 of
	 * the empty string. */
	uint8_t secret[16], zero[16] = { 0 };

	for (uint8_t i = 0; i < 16; i++)
		secret[i] = i;
	hash_seed(secret);
	assert_true(hash_bytes(S("")) == 0xabac0158050fc4dcull);
	assert_true(hash_bytes(S("a")) != hash_bytes(S("a\0")));
	hash_seed(zero);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_a_plain_array),
		cmocka_unit_test(hash_is_siphash_1_3),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
