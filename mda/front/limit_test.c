/* SPDX-License-Identifier: MIT
 * mda/front/limit_test.c - connections are counted by place. */
#include "mda/front/limit.c"

#include "tests/unit/unit.h"

#include <arpa/inet.h>

static struct limit_place *
enter(struct limits *l, const char *address)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
		return limits_enter(l, (struct sockaddr *)&v4);
	assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
	return limits_enter(l, (struct sockaddr *)&v6);
}

static void
places(void **state UNUSED)
{
	static const struct {
		const char *name, *one, *other;
		bool is_same;
	} cases[] = {
		{ "itself", "10.0.0.1", "10.0.0.1", true },
		{ "a neighbour", "10.0.0.1", "10.0.0.2", false },
		{ "IPv4 in IPv6", "10.0.0.1", "::ffff:10.0.0.1", true },
		{ "one /64", "2001:db8::1", "2001:db8::ffff:2", true },
		{ "next /64", "2001:db8::1", "2001:db8:0:1::1", false },
		{ "IPv6 that looks like IPv4", "10.0.0.1", "0a00:1::", false },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct limit_place *a, *b;
		struct limits l;

		limits_init(&l, 100, 100);
		a = enter(&l, cases[i].one);
		b = enter(&l, cases[i].other);
		if ((a == b) != cases[i].is_same)
			fail_msg("%s", cases[i].name);
		limits_leave(&l, &a, true);
		limits_leave(&l, &b, true);
		assert_int_equal(l.places.n, 0);
		map_release(&l.places);
	}
}

static void
strangers_are_few_users_are_not(void **state UNUSED)
{
	struct limit_place *p[5];
	struct limits l;

	limits_init(&l, 10, 2);
	p[0] = enter(&l, "10.0.0.1");
	p[1] = enter(&l, "10.0.0.1");
	assert_null(enter(&l, "10.0.0.1"));
	assert_non_null(p[2] = enter(&l, "10.0.0.2"));
	limits_leave(&l, &p[2], true);
	for (size_t i = 2; i < 5; i++) {
		limits_log_in(p[0]);
		assert_non_null(p[i] = enter(&l, "10.0.0.1"));
	}
	limits_log_in(p[0]);
	assert_null(enter(&l, "10.0.0.1")); // half of all
	limits_leave(&l, &p[0], true);
	assert_null(p[0]);
	for (size_t i = 1; i < 5; i++)
		limits_leave(&l, &p[i], false);
	assert_int_equal(l.n, 0);
	assert_int_equal(l.places.n, 0);
	map_release(&l.places);
}

static void
all_together(void **state UNUSED)
{
	struct limit_place *a, *b, *c;
	struct limits l;

	limits_init(&l, 3, 1);
	a = enter(&l, "10.0.0.1");
	b = enter(&l, "10.0.0.2");
	c = enter(&l, "10.0.0.3");
	assert_non_null(c);
	assert_null(enter(&l, "10.0.0.4"));
	limits_leave(&l, &a, true);
	assert_non_null(a = enter(&l, "10.0.0.4"));
	limits_leave(&l, &a, true);
	limits_leave(&l, &b, true);
	limits_leave(&l, &c, true);
	limits_leave(&l, &c, true);
	assert_int_equal(l.n, 0);
	map_release(&l.places);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(places),
		cmocka_unit_test(strangers_are_few_users_are_not),
		cmocka_unit_test(all_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
