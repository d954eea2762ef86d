/* SPDX-License-Identifier: MIT
 * router/route/resolve_rcpt_test.c - the answer to RCPT TO. */
#include "router/route/resolve_rcpt.c"

#include "tests/unit/route_frame.h"

static void
an_alias_to_nobody_is_refused_at_once(void **state UNUSED)
{
	LOAD(F("virtual.cf", "gone@example1.local nobody@example1.local\n"
			     "half@example1.local nobody@example1.local, "
			     "user1@example1.local\n"));
	expect_reply(S("gone@example1.local"), false, 550, "5.1.1");
	expect_reply(S("half@example1.local"), false, 250, "2.1.5");
}

static void
recipients_are_checked(void **state UNUSED)
{
	LOAD(F("main.cf", "relay_domains = relay.test\n"),
	     F("transport.cf", "example2.local smtp:[mta2]:25\n"));
	expect_reply(S("user1@example1.local"), false, 250, "2.1.5");
	expect_reply(S("USER1@EXAMPLE1.LOCAL"), false, 250, "2.1.5");
	expect_reply(S("user1+tag@example1.local"), false, 250, "2.1.5");
	expect_reply(S("user1@example1.local."), false, 250, "2.1.5");
	expect_reply(S("\"user1\"@example1.local"), false, 250, "2.1.5");
	expect_reply(S("nobody@example1.local"), false, 550, "5.1.1");
	expect_reply(S("user1@mta1.example1.local"), false, 550, "5.1.1");
	expect_reply(S("user1+@example1.local"), false, 250, "2.1.5");
	/* A route is no permission. */
	expect_reply(S("user3@example2.local"), false, 554, "5.7.1");
	expect_reply(S("user3@example2.local"), true, 250, "2.1.5");
	expect_reply(S("x@other.test"), false, 554, "5.7.1");
	expect_reply(S("x@other.test"), true, 250, "2.1.5");
	expect_reply(S("anybody@relay.test"), false, 250, "2.1.5");
	expect_reply(S("anybody@sub.relay.test"), false, 250, "2.1.5");
}

static void
nobody_relays_by_tricks_of_the_local_part(void **state UNUSED)
{
	LOAD(F("main.cf", "relay_domains = relay.test\n"));
	expect_reply(S("x%other.test@relay.test"), false, 554, "5.7.1");
	expect_reply(S("x@other.test@relay.test"), false, 554, "5.7.1");
	expect_reply(S("other.test!x@relay.test"), false, 554, "5.7.1");
	expect_reply(S("x%other.test@example1.local"), false, 550, "5.1.1");
	expect_reply(S("\"x@other.test\"@example1.local"), false, 550, "5.1.1");
	expect_reply(S("user1@example1.local@other.test"), false, 554, "5.7.1");
	expect_reply(S("-x@example1.local"), false, 550, "5.1.3");
	expect_reply(S("@example1.local"), false, 550, "5.1.3");
}

static void
postmaster_is_always_somebody(void **state UNUSED)
{
	LOAD(F("virtual.cf", "info@alias.test user2@example1.local\n"));
	expect_reply(S("postmaster"), false, 250, "2.1.5");
	expect_reply(S("PostMaster@Example1.local"), false, 250, "2.1.5");
	expect_reply(S("postmaster@alias.test"), false, 250, "2.1.5");
	expect_reply(S("postmaster@other.test"), false, 554, "5.7.1");
	resolve_from(S(""), S("postmaster@example1.local"));
	assert_int_equal(result.list[0].class, ROUTE_LOCAL);
	assert_str(result.list[0].mailbox, "user1@example1.local");
	LOAD(F("main.cf", "mydestination =\nmyorigin = foreign.test\n"));
	expect_reply(S("postmaster"), false, 250, "2.1.5");
	LOAD(F("main.cf", "postmaster_address = user2@example1.local\n"));
	expect_address(S("postmaster@mta1.example1.local"),
		       "user2@example1.local");
	LOAD(F("virtual.cf", "postmaster@example1.local user2@example1."
			     "local\n"),
	     F("transport.cf", "example1.local error:no\n"));
	expect_reply(S("postmaster@example1.local"), false, 250, "2.1.5");
}

static void
alias_domains_have_aliases_alone(void **state UNUSED)
{
	LOAD(F("main.cf", "virtual_alias_domains = only.test\n"),
	     F("virtual.cf", "old.test anything\n"),
	     F("transport.cf", "only.test smtp:[x]\n"));
	expect_reply(S("x@only.test"), false, 550, "5.1.1");
	expect_reply(S("x@old.test"), false, 550, "5.1.1");
}

static void
a_recipient_is_listed_as_canonical_maps_leave_it(void **state UNUSED)
{
	LOAD(F("main.cf", "recipient_canonical_maps = inline:{"
			  "{old@example1.local=user1@example1.local}, "
			  "{gone@example1.local=nobody@example1.local}}\n"));
	expect_reply(S("old@example1.local"), false, 250, "2.1.5");
	expect_reply(S("gone@example1.local"), false, 550, "5.1.1");
	LOAD(F("main.cf", "mydestination = my.test\n"
			  "local_transport = smtp:[inner]\n"
			  "local_recipient_maps = inline:{none=x}\n"
			  "recipient_canonical_maps = inline:{"
			  "{sales@my.test=list@my.test}}\n"));
	expect_reply(S("sales@my.test"), false, 250, "2.1.5");
	expect_reply(S("list@my.test"), false, 550, "5.1.1");
	LOAD(F("main.cf", "masquerade_domains = local\n"
			  "masquerade_classes = envelope_recipient\n"));
	expect_reply(S("nobody@example1.local"), false, 550, "5.1.1");
}

/* postconf(5): local_recipient_maps, virtual_mailbox_maps. */
static void
maps_of_recipients_decide_where_they_are_set(void **state UNUSED)
{
	LOAD(F("main.cf",
	       "mydestination = my.test\n"
	       "local_transport = smtp:[inner]\n"
	       "alias_maps = inline:{root=user1@example1.local}\n"
	       "local_recipient_maps = inline:{{bob=x}, {eve@my.test=x}}, "
	       "$alias_maps\n"));
	expect_reply(S("bob@my.test"), false, 250, "2.1.5");
	expect_reply(S("bob+x@my.test"), false, 250, "2.1.5");
	expect_reply(S("eve@my.test"), false, 250, "2.1.5");
	expect_reply(S("root@my.test"), false, 250, "2.1.5");
	expect_reply(S("ann@my.test"), false, 550, "5.1.1");
	expect_reply(S("user1@example1.local"), false, 250, "2.1.5");
	LOAD(F("main.cf", "mydestination = my.test\n"
			  "local_transport = smtp:[inner]\n"
			  "local_recipient_maps =\n"));
	expect_reply(S("ann@my.test"), false, 250, "2.1.5");
	LOAD(F("main.cf",
	       "virtual_transport = lmtp:[inner]\n"
	       "virtual_mailbox_domains = box.test, all.test\n"
	       "virtual_mailbox_maps = inline:{{a@box.test=box.test/a/}}, "
	       "pcre:{{/^b@box\\.test$$/ b}}, inline:{{@all.test=all}}\n"));
	expect_reply(S("a@box.test"), false, 250, "2.1.5");
	expect_reply(S("a+t@box.test"), false, 250, "2.1.5");
	expect_reply(S("b@box.test"), false, 250, "2.1.5");
	expect_reply(S("b+t@box.test"), false, 550, "5.1.1");
	expect_reply(S("x@all.test"), false, 250, "2.1.5");
	expect_reply(S("user1@example1.local"), false, 550, "5.1.1");
	LOAD(F("main.cf", "virtual_mailbox_maps = fail:x\n"));
	expect_reply(S("user1@example1.local"), false, 451, "4.3.0");
	/* docker-mailserver's own file is made of the accounts. */
	LOAD(F("main.cf", "virtual_mailbox_maps = "
			  "texthash:/etc/postfix/vmailbox\n"));
	expect_reply(S("user1@example1.local"), false, 250, "2.1.5");
}

static void
relay_domains_may_list_their_recipients(void **state UNUSED)
{
	LOAD(F("main.cf", "relay_domains = r.test, all.test\n"
			  "relay_recipient_maps = inline:{u@r.test=x, "
			  "@all.test=x}\n"));
	expect_reply(S("u@r.test"), false, 250, "2.1.5");
	expect_reply(S("u+tag@r.test"), false, 250, "2.1.5");
	expect_reply(S("any@all.test"), false, 250, "2.1.5");
	expect_reply(S("v@r.test"), false, 550, "5.1.1");
	expect_reply(S("v@r.test"), true, 550, "5.1.1");
	expect_reply(S("v@out.test"), true, 250, "2.1.5");
	LOAD(F("main.cf", "relay_domains = r.test\n"
			  "relay_recipient_maps = fail:x\n"));
	expect_reply(S("u@r.test"), false, 451, "4.3.0");
	expect_reply(S("user1@example1.local"), false, 250, "2.1.5");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_alias_to_nobody_is_refused_at_once),
		cmocka_unit_test(recipients_are_checked),
		cmocka_unit_test(nobody_relays_by_tricks_of_the_local_part),
		cmocka_unit_test(postmaster_is_always_somebody),
		cmocka_unit_test(alias_domains_have_aliases_alone),
		cmocka_unit_test(
			a_recipient_is_listed_as_canonical_maps_leave_it),
		cmocka_unit_test(maps_of_recipients_decide_where_they_are_set),
		cmocka_unit_test(relay_domains_may_list_their_recipients),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
