/* SPDX-License-Identifier: MIT
 * router/route/resolve_remote_test.c - credentials and TLS policies. */
#include "router/route/resolve_remote.c"

#include "tests/unit/route_frame.h"

static void
credentials_are_found_by_sender_host_and_next_hop(void **state UNUSED)
{
	LOAD(F("main.cf", "relayhost = [relay]:587\n"),
	     F("sasl-password.cf", "u@d.test uu:p:w\n"
				   "@d.test du:dp\n"
				   "relay hu:hp\n"
				   "[table]:25 nu:np\n"),
	     F("transport.cf", "t.test smtp:[table]:25\n"
			       "l.test smtp:[relay]:587, [table]:25\n"));
#define WHO(sender, rcpt, user, password)                           \
	do {                                                        \
		resolve_from(S(sender), S(rcpt));                   \
		assert_str(result.list[0].sasl_user, user);         \
		assert_str(result.list[0].sasl_password, password); \
	} while (0)
	WHO("u@d.test", "x@out.test", "uu", "p:w");
	WHO("u+t@d.test", "x@out.test", "uu", "p:w");
	WHO("v@d.test", "x@out.test", "du", "dp");
	WHO("v@e.test", "x@out.test", "hu", "hp");
	WHO("", "x@out.test", "hu", "hp");
	WHO("v@e.test", "x@t.test", "nu", "np");
	/* Several hosts: none of them may see another's password. */
	WHO("v@e.test", "x@l.test", "", "");
	/* A mailbox here needs none. */
	WHO("u@d.test", "user1@example1.local", "", "");
}

static void
a_senders_password_never_goes_to_a_strangers_host(void **state UNUSED)
{
	LOAD(F("sasl-password.cf", "@d.test du:dp\n"));
	WHO("u@d.test", "x@evil.test", "", "");
}

/* The next hop as written; a bare domain also by its parents (TLS_README). */
static void
policies_belong_to_the_next_hop(void **state UNUSED)
{
	static const struct {
		const char *rcpt, *policy;
	} cases[] = {
		{ "x@b.test", "secure\n" },	{ "x@a.b.test", "encrypt\n" },
		{ "x@other.test", "" },		{ "x@t.test", "verify\n" },
		{ "x@port.test", "" }, // not the host without its port
		{ "x@two.test", "\nverify\n" }, { "user1@example1.local", "" },
	};

	LOAD(F("main.cf", "smtp_tls_policy_maps = texthash:tls\n"),
	     F("tls", "b.test secure\n"
		      ".b.test encrypt\n"
		      "[table]:25 verify\n"
		      "[host] none\n"),
	     F("transport.cf", "t.test smtp:[table]:25\n"
			       "port.test smtp:[host]:25\n"
			       "two.test smtp:[x]:1, [table]:25\n"));
	for (size_t i = 0; i < N_OF(cases); i++) {
		print_message("%s\n", cases[i].rcpt);
		resolve_from(S("s@d.test"), str_c(cases[i].rcpt));
		assert_str_eq(result.list[0].tls_policy,
			      str_c(cases[i].policy));
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			credentials_are_found_by_sender_host_and_next_hop),
		cmocka_unit_test(
			a_senders_password_never_goes_to_a_strangers_host),
		cmocka_unit_test(policies_belong_to_the_next_hop),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
