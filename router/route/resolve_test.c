/* SPDX-License-Identifier: MIT
 * router/route/resolve_test.c - one recipient, as a whole. */
#include "router/route/resolve.c"

#include "tests/unit/route_frame.h"

static void
a_target_reached_twice_is_delivered_once(void **state UNUSED)
{
	LOAD(F("virtual.cf", "all@d.test a@out.test b@d.test A@OUT.test\n"
			     "b@d.test a@out.test\n"));
	expect_address(S("all@d.test"), "a@out.test");
}

static void
what_cannot_be_looked_up_is_put_off(void **state UNUSED)
{
	LOAD(F("main.cf", "virtual_alias_maps = mysql:/x\n"));
	expect_reply(S("user1@example1.local"), false, 451, "4.3.0");
	expect_reply(S("nobody@example1.local"), false, 451, "4.3.0");
	expect_reply(S("x@other.test"), false, 554, "5.7.1");
	LOAD(F("main.cf", "transport_maps = mysql:/x\n"));
	expect_reply(S("user1@example1.local"), false, 451, "4.3.0");
	expect_reply(S("x@other.test"), true, 451, "4.3.0");
	LOAD(F("main.cf", "smtp_sasl_auth_enable = yes\n"
			  "smtp_sasl_password_maps = mysql:/x\n"));
	expect_reply(S("user1@example1.local"), false, 250, "2.1.5");
	expect_reply(S("x@other.test"), true, 451, "4.3.0");
	n_names = 0;
	LOAD(F("main.cf", "virtual_mailbox_domains = example1.local\n"));
	n_names = N_OF(names);
	expect_reply(S("user1@example1.local"), false, 451, "4.3.0");
	expect_reply(S("postmaster@example1.local"), false, 451, "4.3.0");
}

static void
a_small_arena_is_an_answer(void **state UNUSED)
{
	struct arena small = ARENA_INIT(256);

	LOAD(F("main.cf", ""));
	assert_int_equal(route_resolve(config, S(""), S("user1@example1.local"),
				       &small, NULL, &result),
			 ERR_LIMIT);
	arena_release(&small);
}

/* A table of another host: its answers are given by hand. */
static void
a_decision_names_the_answer_that_it_lacks(void **state UNUSED)
{
	static struct remote remote;
	struct remote_question *q;
	int n = 0;

	LOAD(F("main.cf", "transport_maps = tcp:127.0.0.1:1\n"
			  "virtual_alias_maps = socketmap:unix:/s:v\n"));
	arena_release(&arena);
	arena_init(&arena, 64 << 20);
	remote_init(&remote, &arena);
	while (route_resolve(config, S(""), S("u@out.test"), &arena, &remote,
			     &result) == ERR_MORE) {
		q = remote_next(&remote);
		assert_non_null(q);
		assert_true(++n < 10);
		if (str_eq(q->key, S("u@out.test")))
			remote_answer(&remote, q, OK, S("v@to.test"));
		else if (q->place.protocol == REMOTE_TCP &&
			 str_eq(q->key, S("v@to.test")))
			remote_answer(&remote, q, OK, S("smtp:[hop]"));
		else
			remote_answer(&remote, q, ERR_NOT_FOUND, S(""));
	}
	assert_int_equal(n, 3);
	assert_str(result.list[0].address, "v@to.test");
	assert_str(result.list[0].nexthop, "[hop]");
	expect_text(S("u@out.test"), ROUTE_RETRY, "4.3.0",
		    "A table is not available; try again later");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_target_reached_twice_is_delivered_once),
		cmocka_unit_test(what_cannot_be_looked_up_is_put_off),
		cmocka_unit_test(a_small_arena_is_an_answer),
		cmocka_unit_test(a_decision_names_the_answer_that_it_lacks),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
