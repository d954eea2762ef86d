/* SPDX-License-Identifier: MIT
 * mda/auth/hashing_test.c - who gets a thread, and when. */
#include "mda/auth/hashing.c"

#include "tests/unit/in_loop.h"

/* Who came in, in order. */
static struct {
	char names[8];
	size_t n;
} inside;

static int
begin(void **state UNUSED)
{
	begin_named();
	loop_init();
	hashing_start();
	hashing.max_running = 1;
	memset(&inside, 0, sizeof(inside));
	return 0;
}

static int
end(void **state UNUSED)
{
	if (!is_over)
		return 0;
	assert_int_equal(hashing.n_running, 0);
	loop_run();
	loop_close();
	return 0;
}

static void
come_in(struct co *co, bool is_known, char name)
{
	assert_int_equal(hashing_enter(co, is_known), OK);
	inside.names[inside.n++] = name;
	hashing_leave();
}

static void
stranger(struct co *co, void *arg UNUSED)
{
	come_in(co, false, 's');
}

static void
known(struct co *co, void *arg UNUSED)
{
	come_in(co, true, 'k');
}

static void
until_inside(struct co *co, size_t n)
{
	WAIT_UNTIL(co, inside.n >= n);
	assert_int_equal(inside.n, n);
}

static void
known_clients_go_before_strangers(struct co *co)
{
	assert_int_equal(hashing_enter(co, false), OK);
	assert_non_null(co_spawn(stranger, NULL, "first"));
	assert_non_null(co_spawn(stranger, NULL, "second"));
	co_breathe(co);
	assert_non_null(co_spawn(known, NULL, "third"));
	co_breathe(co);
	hashing_leave();
	until_inside(co, 3);
	assert_string_equal(inside.names, "kss");
}

static void
what_has_no_hurry_waits_for_quiet(struct co *co)
{
	hashing.max_running = 2;
	assert_int_equal(hashing_enter(co, false), OK);
	assert_false(hashing_try_enter());
	hashing_leave();
	assert_true(hashing_try_enter());
	hashing_leave();
}

static void
a_full_queue_refuses_at_once(struct co *co)
{
	assert_int_equal(hashing_enter(co, false), OK);
	hashing.strangers.n_waiting = MAX_WAITING;
	assert_int_equal(hashing_enter(co, false), ERR_UNAVAILABLE);
	hashing.strangers.n_waiting = 0;
	assert_non_null(co_spawn(known, NULL, "known"));
	co_breathe(co);
	hashing_leave();
	until_inside(co, 1);
}

/* Made by another program: openssl passwd -6 -salt saltsalt. */
static void
a_password_fits_its_hash_alone(struct co *co)
{
	struct str hash = S("$6$saltsalt$TVLlQcbpFVof5W3Yz4"
			    "DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8w"
			    "iOQSpT0Y77vwPZN.Pq.H91p5hVO1");

	assert_int_equal(hashing_enter(co, true), OK);
	assert_true(hashing_fits(co, ACCOUNT_SHA512_CRYPT, hash, S("secret")));
	assert_false(hashing_fits(co, ACCOUNT_SHA512_CRYPT, hash, S("Secret")));
	hashing_leave();
}

#define T(f)          \
	{             \
#f, f \
	}
static struct named tests[] = {
	T(known_clients_go_before_strangers),
	T(what_has_no_hurry_waits_for_quiet),
	T(a_full_queue_refuses_at_once),
	T(a_password_fits_its_hash_alone),
};

int
main(void)
{
	struct CMUnitTest all[N_OF(tests)];

	name_tests(all, tests, N_OF(tests), begin, end);
	return cmocka_run_group_tests(all, NULL, NULL);
}
