/* SPDX-License-Identifier: MIT
 * lib/mail/nexthop_test.c */
#include "lib/mail/nexthop.c"

#include "tests/unit/unit.h"

static const struct {
	struct str in;
	struct str host;
	uint16_t port;
	bool is_exact, is_address;
} good[] = {
	{ STR_INIT("[mta2]:25"), STR_INIT("mta2"), 25, true, false },
	{ STR_INIT("[mta2]"), STR_INIT("mta2"), 0, true, false },
	{ STR_INIT("mta2.example:2525"), STR_INIT("mta2.example"), 2525, false,
	  false },
	{ STR_INIT("host:submission"), STR_INIT("host"), 587, false, false },
	{ STR_INIT("[host]:smtps"), STR_INIT("host"), 465, true, false },
	{ STR_INIT("host"), STR_INIT("host"), 0, false, false },
	{ STR_INIT("host."), STR_INIT("host."), 0, false, false },
	{ STR_INIT("[1.2.3.4]"), STR_INIT("1.2.3.4"), 0, true, true },
	{ STR_INIT("[1.2.3.4]:587"), STR_INIT("1.2.3.4"), 587, true, true },
	{ STR_INIT("1.2.3.4"), STR_INIT("1.2.3.4"), 0, false, true },
	{ STR_INIT("[IPv6:2001:db8::1]"), STR_INIT("2001:db8::1"), 0, true,
	  true },
	{ STR_INIT("[ipv6:::1]:24"), STR_INIT("::1"), 24, true, true },
	{ STR_INIT("[2001:db8::1]:25"), STR_INIT("2001:db8::1"), 25, true,
	  true },
	{ STR_INIT("inet:mda:24"), STR_INIT("mda"), 24, true, false },
	{ STR_INIT("inet:[mda]:24"), STR_INIT("mda"), 24, true, false },
	{ STR_INIT("inet:127.0.0.1:24"), STR_INIT("127.0.0.1"), 24, true,
	  true },
	{ STR_INIT("under_score"), STR_INIT("under_score"), 0, false, false },
};

static void
each_form_is_read(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(good); i++) {
		struct nexthop got;
		const char *why;

		if (!nexthop_parse(good[i].in, &got, &why))
			fail_msg("case %zu: %s", i, why);
		assert_null(why);
		assert_str_eq(got.host, good[i].host);
		assert_int_equal(got.port, good[i].port);
		assert_int_equal(got.is_exact, good[i].is_exact);
		assert_int_equal(got.is_address, good[i].is_address);
		assert_int_equal(got.unix_path.n, 0);
		assert_str_eq(got.text, good[i].in);
	}
}

static void
what_is_none_says_why(void **state UNUSED)
{
	static const struct str bad[] = {
		STR_INIT(""),
		STR_INIT("[]"),
		STR_INIT("[host"),
		STR_INIT("[host]25"),
		STR_INIT("[host]:"),
		STR_INIT("host:"),
		STR_INIT(":25"),
		STR_INIT("host:0"),
		STR_INIT("host:65536"),
		STR_INIT("host:25:25"),
		STR_INIT("host:+25"),
		STR_INIT("a..b"),
		STR_INIT("-a"),
		STR_INIT("a b"),
		STR_INIT("a/b"),
		STR_INIT("[IPv6:1.2.3.4]"),
		STR_INIT("[IPv6:host]"),
		STR_INIT("2001:db8::1"),
		STR_INIT("unix:"),
		STR_INIT("unix:/a\0b"),
		STR_INIT("h\0st"),
		STR_INIT("[1.2.3.4\0]"),
		STR_INIT("inet:"),
		STR_INIT("."),
	};

	for (size_t i = 0; i < N_OF(bad); i++) {
		struct nexthop got;
		const char *why = NULL;

		if (nexthop_parse(bad[i], &got, &why))
			fail_msg("case %zu", i);
		assert_non_null(why);
		assert_int_equal(got.host.n, 0);
	}
}

static void
a_unix_socket_has_a_path_of_bounded_length(void **state UNUSED)
{
	char text[5 + 108];
	struct nexthop got;
	const char *why;

	assert_true(nexthop_parse(S("unix:/run/a,b"), &got, &why));
	assert_str(got.unix_path, "/run/a,b");
	assert_int_equal(got.host.n, 0);
	memset(text, 'x', sizeof(text));
	memcpy(text, "unix:", 5);
	assert_true(nexthop_parse(str_of(text, 5 + 107), &got, &why));
	assert_false(nexthop_parse(str_of(text, 5 + 108), &got, &why));
}

static void
names_longer_than_dns_has_are_refused(void **state UNUSED)
{
	char text[300];
	struct nexthop got;
	const char *why;

	memset(text, 'a', sizeof(text));
	assert_true(nexthop_parse(str_of(text, 63), &got, &why));
	assert_false(nexthop_parse(str_of(text, 64), &got, &why));
	for (size_t i = 50; i < sizeof(text); i += 50)
		text[i] = '.';
	assert_true(nexthop_parse(str_of(text, 253), &got, &why));
	assert_false(nexthop_parse(str_of(text, 254), &got, &why));
}

static void
lists_are_cut_at_commas_and_blanks(void **state UNUSED)
{
	struct str list = S(" a.example, [b.example]:2525\tc,,d "), got;

	assert_true(nexthop_next(&list, &got));
	assert_str(got, "a.example");
	assert_true(nexthop_next(&list, &got));
	assert_str(got, "[b.example]:2525");
	assert_true(nexthop_next(&list, &got));
	assert_str(got, "c");
	assert_true(nexthop_next(&list, &got));
	assert_str(got, "d");
	assert_false(nexthop_next(&list, &got));
	list = S("unix:/a, b");
	assert_true(nexthop_next(&list, &got));
	assert_str(got, "unix:/a, b");
	assert_false(nexthop_next(&list, &got));
}

static void
every_prefix_is_read_without_harm(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(good); i++)
		for (size_t n = 0; n <= good[i].in.n; n++) {
			struct nexthop got;
			const char *why = "unset";
			bool is_ok = nexthop_parse(str_first(good[i].in, n),
						   &got, &why);

			assert_int_equal(is_ok, why == NULL);
		}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_form_is_read),
		cmocka_unit_test(what_is_none_says_why),
		cmocka_unit_test(a_unix_socket_has_a_path_of_bounded_length),
		cmocka_unit_test(names_longer_than_dns_has_are_refused),
		cmocka_unit_test(lists_are_cut_at_commas_and_blanks),
		cmocka_unit_test(every_prefix_is_read_without_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
