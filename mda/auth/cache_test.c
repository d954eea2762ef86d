/* SPDX-License-Identifier: MIT
 * mda/auth/cache_test.c - life, size and keys of the credential cache. */
#include "mda/auth/cache.c"

#include "tests/unit/unit.h"

static const uint8_t key[CACHE_KEY_OCTETS] = { 1, 2, 3 };
static const int64_t life_us = 5 * 60 * 1000000ll; // as the manual promises

static struct cache_tag
tag_of(const struct cache *c, struct str user, struct str password,
       struct str hash)
{
	struct cache_tag tag;

	cache_make_tag(c, user, password, hash, &tag);
	return tag;
}

static void
test_life(void **state UNUSED)
{
	struct cache c;
	struct cache_tag tag;

	cache_init(&c, key);
	tag = tag_of(&c, S("a@b"), S("pw"), S("$6$x"));
	assert_false(cache_has(&c, &tag, 0));
	cache_add(&c, &tag, 0);
	assert_true(cache_has(&c, &tag, life_us - 1));
	assert_false(cache_has(&c, &tag, life_us));
	assert_int_equal(c.by_tag.n, 0);
	cache_release(&c);
}

static void
test_only_the_same_triple(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct str user, password, hash;
	} cases[] = {
		{ "another user", STR_INIT("c@b"), STR_INIT("pw"),
		  STR_INIT("$6$x") },
		{ "another password", STR_INIT("a@b"), STR_INIT("pW"),
		  STR_INIT("$6$x") },
		{ "a changed line", STR_INIT("a@b"), STR_INIT("pw"),
		  STR_INIT("$6$y") },
		{ "a byte moved to the password", STR_INIT("a@"),
		  STR_INIT("bpw"), STR_INIT("$6$x") },
		{ "a byte moved to the hash", STR_INIT("a@b"), STR_INIT("p"),
		  STR_INIT("w$6$x") },
	};
	struct cache c;
	struct cache_tag tag;

	cache_init(&c, key);
	tag = tag_of(&c, S("a@b"), S("pw"), S("$6$x"));
	cache_add(&c, &tag, 0);
	for (size_t i = 0; i < N_OF(cases); i++) {
		print_message("%s\n", cases[i].name);
		tag = tag_of(&c, cases[i].user, cases[i].password,
			     cases[i].hash);
		assert_false(cache_has(&c, &tag, 1));
	}
	cache_release(&c);
}

static void
test_size_is_bounded(void **state UNUSED)
{
	struct cache c;
	struct cache_tag first, last;

	cache_init(&c, key);
	first = tag_of(&c, S("a@b"), S("pw"), S("h"));
	cache_add(&c, &first, 0);
	for (uint32_t i = 0; i < CACHE_MAX_ENTRIES; i++) {
		memset(&last, 0, sizeof(last));
		memcpy(last.bytes, &i, sizeof(i));
		cache_add(&c, &last, 1);
		cache_add(&c, &last, 1); // again: still one entry
	}
	assert_int_equal(c.by_tag.n, CACHE_MAX_ENTRIES);
	assert_false(cache_has(&c, &first, 2));
	assert_true(cache_has(&c, &last, 2));
	cache_release(&c);
}

static void
test_key_matters(void **state UNUSED)
{
	static const uint8_t other_key[CACHE_KEY_OCTETS] = { 9 };
	struct cache a, b;
	struct cache_tag tag;

	cache_init(&a, key);
	cache_init(&b, other_key);
	tag = tag_of(&b, S("a@b"), S("pw"), S("h"));
	cache_add(&a, &tag, 0);
	tag = tag_of(&a, S("a@b"), S("pw"), S("h"));
	assert_false(cache_has(&a, &tag, 1));
	cache_release(&a);
	cache_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_only_the_same_triple),
		cmocka_unit_test(test_size_is_bounded),
		cmocka_unit_test(test_key_matters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
