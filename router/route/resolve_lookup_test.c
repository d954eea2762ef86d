/* SPDX-License-Identifier: MIT
 * router/route/resolve_lookup_test.c - tables and lists of domains. */
#include "router/route/resolve_lookup.c"

#include "tests/unit/route_frame.h"

/* Full address in the text, full address in the
 * patterns, stripped address in the text alone, "@dom" in the text. */
static void
patterns_stand_between_the_whole_address_and_its_parts(void **state UNUSED)
{
	LOAD(F("virtual.cf", "whole@example1.local user1@example1.local\n"
			     "part@example1.local user1@example1.local\n"
			     "user1@example1.local user1@example1.local\n"
			     "user2@example1.local user2@example1.local\n"
			     "@example1.local user2@example1.local\n"),
	     F("postfix-regexp.cf", "/^(whole|pat)@(ex.*)$/ $1@out.$2\n"
				    "/^part\\+x@/ x@pattern.test\n"));
	expect_address(S("whole@example1.local"), "user1@example1.local");
	expect_address(S("Pat@example1.local"), "Pat@out.example1.local");
	expect_address(S("pat+tag@example1.local"), "user2@example1.local");
	expect_address(S("part+y@example1.local"), "user1+y@example1.local");
	expect_address(S("part+x@example1.local"), "x@pattern.test");
}

/* postconf(5) and ADDRESS_REWRITING_README: tables in lists of domains, which
 * are asked for the whole name; relay_domains also for parents, but not with
 * patterns. */
static void
lists_of_domains_may_have_tables(void **state UNUSED)
{
	LOAD(F("main.cf",
	       "mydestination = localhost, pcre:{{/^my\\d+\\.test$$/ x}}\n"
	       "virtual_alias_domains = regexp:{{/^al\\.test$$/ x}}\n"
	       "relay_domains = !no.relay.test, relay.test, "
	       "pcre:{{/^p\\.test$$/ x}}, static:x\n"
	       "relay_transport = relay:[in]\n"
	       "virtual_alias_maps = inline:{a@al.test=user1@example1.local}\n"
	       "parent_domain_matches_subdomains =\n"));
	expect_reply(S("nobody@my1.test"), false, 550, "5.1.1");
	expect_reply(S("postmaster@my1.test"), false, 250, "2.1.5");
	expect_reply(S("a@al.test"), false, 250, "2.1.5");
	expect_reply(S("b@al.test"), false, 550, "5.1.1");
	expect(S("x@any.test"), "relay", "[in]");
	LOAD(F("main.cf", "relay_domains = !no.relay.test, relay.test, "
			  "pcre:{{/^p\\.test$$/ x}}\n"));
	expect_reply(S("x@relay.test"), false, 250, "2.1.5");
	expect_reply(S("x@sub.relay.test"), false, 250, "2.1.5");
	expect_reply(S("x@no.relay.test"), false, 554, "5.7.1");
	expect_reply(S("x@deep.no.relay.test"), false, 554, "5.7.1");
	expect_reply(S("x@P.test"), false, 250, "2.1.5");
	expect_reply(S("x@sub.p.test"), false, 554, "5.7.1");
	expect_reply(S("x%y@p.test"), false, 554, "5.7.1");
}

/* A table that cannot be read must not make strangers of our own domains. */
static void
a_list_of_domains_that_fails_puts_off(void **state UNUSED)
{
	LOAD(F("main.cf", "relay_domains = fail:x\n"));
	expect_reply(S("x@out.test"), false, 451, "4.3.0");
	expect_reply(S("x@out.test"), true, 451, "4.3.0");
	expect_reply(S("user1@example1.local"), true, 451, "4.3.0");
	expect_text(S("x@out.test"), ROUTE_RETRY, "4.3.0",
		    "A table is not available; try again later");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			patterns_stand_between_the_whole_address_and_its_parts),
		cmocka_unit_test(lists_of_domains_may_have_tables),
		cmocka_unit_test(a_list_of_domains_that_fails_puts_off),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
