/* SPDX-License-Identifier: MIT
 * mda/auth/throttle_test.c - guessers are slowed and stopped, users are not
 * (A06; R19: under 100 guesses for one user in an hour from any number of
 * addresses). */
#include "mda/auth/throttle.c"

#include "tests/unit/unit.h"

static struct throttle t;

static int
begin(void **state UNUSED)
{
	throttle_init(&t);
	return 0;
}

static int
end(void **state UNUSED)
{
	throttle_release(&t);
	return 0;
}

static struct throttle_try
from(const char *login, const char *source)
{
	return (struct throttle_try) { str_c(login), str_c(source), false };
}

/* Guesses until refused; how many were tried. */
static unsigned
guess(struct throttle_try try, unsigned n, uint64_t first_tag, int64_t now_us)
{
	unsigned i = 0;

	while (i < n && throttle_is_open(&t, &try, now_us))
		throttle_wrong_ms(&t, &try, first_tag + i++, now_us);
	return i;
}

static void
test_one_source_spraying(void **state UNUSED)
{
	struct throttle_try honest = from("u1@x", "192.0.2.2");
	char login[32];
	unsigned n = 0;

	for (unsigned i = 0; i < 10000; i++) {
		snprintf(login, sizeof(login), "u%u@x", i);
		n += guess(from(login, "192.0.2.1"), 1, i, 0);
	}
	assert_int_equal(n, THROTTLE_SOURCE_MAX);
	assert_true(throttle_is_open(&t, &honest, 0));
}

static void
test_one_login_from_everywhere(void **state UNUSED)
{
	struct throttle_try home = from("joe@x", "192.0.2.7");
	char source[32];
	unsigned n = 0;

	assert_false(throttle_is_known(&t, &home));
	throttle_right(&t, &home, 0);
	assert_true(throttle_is_known(&t, &home));
	for (int64_t s = 0; s < 3600; s++) {
		snprintf(source, sizeof(source), "10.%d.%d.1",
			 (int)(s / 256 % 256), (int)(s % 256));
		n += guess(from("joe@x", source), 3, (uint64_t)s * 10,
			   s * US_IN_S);
	}
	assert_true(n >= THROTTLE_LOGIN_MAX && n < 100);
	assert_true(throttle_is_open(&t, &home, 3600 * US_IN_S));
}

static void
test_the_same_wrong_password_counts_once(void **state UNUSED)
{
	struct throttle_try phone = from("joe@x", "192.0.2.1");

	for (int i = 0; i < 1000; i++) {
		assert_true(throttle_is_open(&t, &phone, i));
		throttle_wrong_ms(&t, &phone, 42, i);
	}
}

static void
test_a_webmail_is_not_locked_out(void **state UNUSED)
{
	char login[32];
	unsigned n = 0;

	for (int i = 0; i < THROTTLE_SHARED_LOGINS; i++) {
		struct throttle_try good;

		snprintf(login, sizeof(login), "good%d@x", i);
		good = from(login, "172.18.0.5");
		throttle_right(&t, &good, 0);
	}
	for (unsigned i = 0; i < 500; i++) {
		snprintf(login, sizeof(login), "u%u@x", i);
		n += guess(from(login, "172.18.0.5"), 1, i, 0);
	}
	assert_int_equal(n, 500);
	/* But one login cannot be guessed through it. */
	assert_int_equal(guess(from("joe@x", "172.18.0.5"), 500, 0, 0),
			 THROTTLE_LOGIN_MAX);
}

static void
test_a_trusted_source_is_not_locked_out(void **state UNUSED)
{
	struct throttle_try try = { S(""), S("172.18.0.5"), true };
	char login[32];

	for (unsigned i = 0; i < 500; i++) {
		snprintf(login, sizeof(login), "u%u@x", i);
		try.login = str_c(login);
		assert_int_equal(guess(try, 1, i, 0), 1);
	}
}

static void
test_blocks_end(void **state UNUSED)
{
	struct throttle_try try = from("joe@x", "192.0.2.1");

	assert_int_equal(guess(try, 100, 0, 0), THROTTLE_LOGIN_MAX);
	assert_false(
		throttle_is_open(&t, &try, THROTTLE_BLOCK_S * US_IN_S - 1));
	assert_true(throttle_is_open(&t, &try, THROTTLE_BLOCK_S * US_IN_S));
}

static void
test_ipv6_sources_are_networks(void **state UNUSED)
{
	char source[64];
	unsigned n = 0;

	for (unsigned i = 0; i < 100; i++) {
		char login[32];

		snprintf(source, sizeof(source), "2001:db8:1:2::%x", i + 1);
		snprintf(login, sizeof(login), "u%u@x", i);
		n += guess(from(login, source), 1, i, 0);
	}
	assert_int_equal(n, THROTTLE_SOURCE_MAX);
}

static void
test_delays_double(void **state UNUSED)
{
	struct throttle_try try = from("joe@x", "192.0.2.1");
	const int64_t want[] = { 1000, 1000, 1000, 2000, 4000, 4000 };

	for (unsigned i = 0; i < N_OF(want); i++)
		assert_int_equal(throttle_wrong_ms(&t, &try, i, 0), want[i]);
}

static void
test_share_of_the_hash_queue(void **state UNUSED)
{
	struct throttle_try bad = from("a@x", "192.0.2.1");
	struct throttle_try good = from("joe@x", "192.0.2.1");

	for (int i = 0; i < THROTTLE_RUNNING_MAX; i++)
		assert_true(throttle_begin(&t, &bad, 0));
	assert_false(throttle_begin(&t, &bad, 0));
	throttle_right(&t, &good, 0);
	assert_true(throttle_begin(&t, &good, 0));
	throttle_end(&t, &good, 0);
	for (int i = 0; i < THROTTLE_RUNNING_MAX; i++)
		throttle_end(&t, &bad, 0);
	assert_true(throttle_begin(&t, &bad, 0));
	throttle_end(&t, &bad, 0);
}

static void
test_memory_is_bounded(void **state UNUSED)
{
	char login[32], source[32];

	for (unsigned i = 0; i < THROTTLE_MAX_KNOWN + 1000; i++) {
		struct throttle_try try;

		snprintf(login, sizeof(login), "u%u@x", i);
		snprintf(source, sizeof(source), "10.%u.%u.%u", i >> 16,
			 i >> 8 & 255, i & 255);
		try = from(login, source);
		throttle_wrong_ms(&t, &try, i, 0);
		throttle_right(&t, &try, 0);
	}
	assert_true(t.sources.by_key.n <= THROTTLE_MAX_TALLIES);
	assert_true(t.logins.by_key.n <= THROTTLE_MAX_TALLIES);
	assert_true(t.known.n <= THROTTLE_MAX_KNOWN);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_one_source_spraying),
		T(test_one_login_from_everywhere),
		T(test_the_same_wrong_password_counts_once),
		T(test_a_webmail_is_not_locked_out),
		T(test_a_trusted_source_is_not_locked_out),
		T(test_blocks_end),
		T(test_ipv6_sources_are_networks),
		T(test_delays_double),
		T(test_share_of_the_hash_queue),
		T(test_memory_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
