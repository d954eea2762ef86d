/* SPDX-License-Identifier: MIT
 * router/route/resolve_final_test.c - a final address: transport(5), mailboxes,
 * relay hosts, relocated(5). */
#include "router/route/resolve_final.c"

#include "tests/unit/route_frame.h"

/* The table and the answers were seen on a real Postfix: u+e@t and so on. */
static void
the_transport_table_is_searched_in_postfix_order(void **state UNUSED)
{
	LOAD(F("transport.cf", "u+e@t smtp:first\n"
			       "u@t smtp:second\n"
			       "t smtp:third\n"
			       ".t smtp:fourth\n"
			       "UP.test smtp:fifth\n"
			       "only :\n"
			       "nexthop error"));
	expect(S("u+e@t"), "smtp", "first");
	expect(S("u+z@t"), "smtp", "second");
	expect(S("U@T"), "smtp", "second");
	expect(S("x@t"), "smtp", "third");
	expect(S("y@sub.t"), "smtp", "fourth");
	expect(S("y@a.b.t"), "smtp", "fourth");
	expect(S("z@up.test"), "smtp", "fifth");
	expect(S("z@only"), "smtp", "only");
	expect_text(S("z@nexthop"), ROUTE_ERROR, "5.0.0",
		    "Address is undeliverable");
	expect(S("z@elsewhere.test"), "smtp", "elsewhere.test");
	/* A parent is tried with its dot alone. */
	expect(S("z@sub.up.test"), "smtp", "sub.up.test");
}

static void
the_longest_parent_wins_and_the_star_comes_last(void **state UNUSED)
{
	LOAD(F("transport.cf", ".test smtp:far\n.sub.test smtp:near\n"
			       "* smtp:[star]\n"));
	expect(S("z@a.sub.test"), "smtp", "near");
	expect(S("z@a.test"), "smtp", "far");
	expect(S("z@test"), "smtp", "[star]");
	/* Postfix: "*" takes local domains too, unless ":" names them. */
	expect(S("user1@example1.local"), "smtp", "[star]");
}

static void
parents_lose_their_dot_when_the_setting_says_so(void **state UNUSED)
{
	LOAD(F("main.cf", "parent_domain_matches_subdomains = "
			  "transport_maps\n"),
	     F("transport.cf", "test smtp:bare\n.test smtp:dotted\n"));
	expect(S("z@a.b.test"), "smtp", "bare");
	expect(S("z@test"), "smtp", "bare");
}

static void
each_value_of_transport_has_its_effect(void **state UNUSED)
{
	LOAD(F("main.cf", "relayhost = [relay]:587\n"),
	     F("transport.cf", "a.test smtp:[host]:25\n"
			       "b.test smtp:host:25\n"
			       "c.test smtp:[IPv6:2001:db8::1]\n"
			       "d.test smtp:a.example, [b.example]:2525\n"
			       "e.test smtp:\n"
			       "f.test :[other]\n"
			       "g.test :\n"
			       "h.test relay:[host]\n"
			       "i.test lmtp:[host]:24\n"
			       "j.test lmtp:unix:/run/lmtp\n"
			       "k.test lmtp:inet:host:24\n"
			       "l.test error:5.7.1 text of mine\n"
			       "m.test error:\n"
			       "n.test error:moved\n"
			       "o.test retry:4.2.1 later\n"
			       "p.test discard:silently\n"
			       "q.test hold:\n"
			       "r.test nosuch:x\n"
			       "s.test smtp:[broken\n"
			       "t.test error:5.7.1.2 x\n"
			       "v.test error:4.7.1 x\n"));
	expect(S("u@a.test"), "smtp", "[host]:25");
	expect(S("u@b.test"), "smtp", "host:25");
	expect(S("u@c.test"), "smtp", "[IPv6:2001:db8::1]");
	expect(S("u@d.test"), "smtp", "a.example, [b.example]:2525");
	expect(S("u@e.test"), "smtp", "e.test");
	expect(S("u@f.test"), "smtp", "[other]");
	expect(S("u@g.test"), "smtp", "[relay]:587");
	expect(S("u@h.test"), "relay", "[host]");
	expect(S("u@i.test"), "lmtp", "[host]:24");
	expect(S("u@j.test"), "lmtp", "unix:/run/lmtp");
	expect(S("u@k.test"), "lmtp", "inet:host:24");
	expect(S("u@z.test"), "smtp", "[relay]:587");
	expect_text(S("u@l.test"), ROUTE_ERROR, "5.7.1", "text of mine");
	expect_text(S("u@m.test"), ROUTE_ERROR, "5.0.0",
		    "Address is undeliverable");
	expect_text(S("u@n.test"), ROUTE_ERROR, "5.0.0", "moved");
	expect_text(S("u@o.test"), ROUTE_RETRY, "4.2.1", "later");
	expect_text(S("u@p.test"), ROUTE_DISCARD, "", "silently");
	resolve_from(S(""), S("u@q.test"));
	assert_int_equal(result.list[0].class, ROUTE_HOLD);
	resolve_from(S(""), S("u@r.test"));
	assert_int_equal(result.list[0].class, ROUTE_RETRY);
	resolve_from(S(""), S("u@s.test"));
	assert_int_equal(result.list[0].class, ROUTE_RETRY);
	expect_text(S("u@t.test"), ROUTE_ERROR, "5.0.0", "5.7.1.2 x");
	expect_text(S("u@v.test"), ROUTE_ERROR, "5.0.0", "4.7.1 x");
}

static void
the_labs_table_works_however_it_is_written(void **state UNUSED)
{
	static const struct str files[] = {
		STR_INIT("example2.local smtp:[mta2]:25\n"),
		STR_INIT("example2.local smtp:[mta2]:25"),
		STR_INIT("example2.local\tsmtp:[mta2]:25  \t\n"),
		STR_INIT("EXAMPLE2.local smtp:[mta2]:25\r\n"),
		STR_INIT(".example2.local smtp:[x]\n"
			 "example2.local smtp:[mta2]:25\n"),
		STR_INIT("example2.local smtp:[mta2]:25\n"
			 "example2.local smtp:[other]:25\n"),
		STR_INIT("* smtp:[mta2]:25\n"),
	};

	for (size_t i = 0; i < N_OF(files); i++) {
		struct table_variable file = { S("transport.cf"), files[i] };

		LOAD(file);
		expect(S("user3@Example2.Local"), "smtp", "[mta2]:25");
	}
	LOAD(F("transport.cf", "example2.local smtp:[mta2]:25\n"
			       "user3@example2.local error:moved\n"));
	expect_text(S("user3@example2.local"), ROUTE_ERROR, "5.0.0", "moved");
}

/* What trivial-rewrite of Postfix 3.7 answered, asked over its socket with the
 * same files. */
static void
postfix_resolves_these_the_same_way(void **state UNUSED)
{
	static const struct {
		const char *sender, *rcpt, *transport, *nexthop;
	} cases[] = {
		{ "a@x.test", "u+e@t", "smtp", "first" },
		{ "a@x.test", "u+z@t", "smtp", "second" },
		{ "a@x.test", "x@t", "smtp", "third" },
		{ "a@x.test", "y@sub.t", "smtp", "fourth" },
		{ "a@x.test", "y@a.b.t", "smtp", "fourth" },
		{ "a@x.test", "z@up.test", "smtp", "fifth" },
		{ "a@x.test", "z@sub.up.test", "smtp", "[global]:587" },
		{ "a@x.test", "z@only", "smtp", "[global]:587" },
		{ "a@x.test", "z@nexthop", "error",
		  "Address is undeliverable" },
		{ "a@x.test", "u@a.test", "smtp", "[host]:25" },
		{ "a@x.test", "u@d.test", "smtp",
		  "a.example, [b.example]:2525" },
		{ "a@x.test", "u@e.test", "smtp", "e.test" },
		{ "a@x.test", "u@f.test", "smtp", "[other]" },
		{ "a@x.test", "u@g.test", "smtp", "[global]:587" },
		{ "a@x.test", "u@h.test", "relay", "h.test" },
		{ "a@x.test", "u@l.test", "error", "5.7.1 text of mine" },
		{ "a@x.test", "u@m.test", "error", "Address is undeliverable" },
		{ "a@x.test", "u@o.test", "retry", "4.2.1 later" },
		{ "a@x.test", "u@p.test", "discard", "p.test" },
		{ "a@x.test", "u@p2.test", "discard", "silently" },
		{ "a@x.test", "u@m2.test", "retry",
		  "Address is undeliverable" },
		{ "a@x.test", "u@w.test", "lmtp", "unix:/x" },
		{ "a@x.test", "u@other.test", "smtp", "[global]:587" },
		{ "u@d.test", "u@other.test", "smtp", "[users]:587" },
		{ "u+q@d.test", "u@other.test", "smtp", "[users]:587" },
		{ "v@d.test", "u@other.test", "smtp", "[domains]:587" },
		{ "v@none.test", "u@other.test", "smtp", "[global]:587" },
		{ "", "u@other.test", "smtp", "[null]" },
		{ "x@bare.test", "u@other.test", "smtp", "[global]:587" },
		{ "x@sd.test", "u@other.test", "lmtp", "[bysender]" },
		{ "x@se.test", "u@other.test", "lmtp", "[global]:587" },
		{ "x@sf.test", "u@r.test", "relay", "[global]:587" },
		{ "u@d.test", "u@r.test", "relay", "[users]:587" },
		{ "u@d.test", "u@sub.r.test", "relay", "[users]:587" },
		{ "u@d.test", "u@f.test", "smtp", "[other]" },
		{ "u@d.test", "u@g.test", "smtp", "[users]:587" },
		{ "u@d.test", "u@e.test", "smtp", "e.test" },
		{ "u@d.test", "moved@example1.local", "error",
		  "5.1.6 User has moved to new@other.test" },
		{ "u@d.test", "u@hosted.test", "smtp", "[away]" },
	};
	struct buf text = BUF_INIT(1024);

	LOAD(F("main.cf",
	       "relayhost = [global]:587\n"
	       "relay_domains = r.test\n"
	       "virtual_mailbox_domains = example1.local, hosted.test\n"
	       "virtual_alias_domains = only.test\n"
	       "transport_maps = hash:transport\n"
	       "sender_dependent_relayhost_maps = hash:relaymap\n"
	       "sender_dependent_default_transport_maps = hash:sdt\n"
	       "relocated_maps = hash:relocated\n"),
	     F("transport", "u+e@t smtp:first\n"
			    "u@t smtp:second\n"
			    "t smtp:third\n"
			    ".t smtp:fourth\n"
			    "UP.test smtp:fifth\n"
			    "only :\n"
			    "nexthop error\n"
			    "a.test smtp:[host]:25\n"
			    "d.test smtp:a.example, [b.example]:2525\n"
			    "e.test smtp:\n"
			    "f.test :[other]\n"
			    "g.test :\n"
			    "h.test relay:\n"
			    "l.test error:5.7.1 text of mine\n"
			    "m.test error:\n"
			    "o.test retry:4.2.1 later\n"
			    "p.test discard:\n"
			    "p2.test discard:silently\n"
			    "hosted.test smtp:[away]\n"
			    "m2.test retry:\n"
			    "w.test lmtp:unix:/x\n"),
	     F("relaymap", "u@d.test [users]:587\n"
			   "@d.test		[domains]:587\n"
			   "@none.test DUNNO\n"
			   "<> [null]\n"
			   "bare.test [never]\n"),
	     F("sdt", "@sd.test lmtp:[bysender]\n"
		      "@se.test lmtp:\n"
		      "@sf.test :[nh]\n"),
	     F("relocated", "moved@example1.local new@other.test\n"));
	for (size_t i = 0; i < N_OF(cases); i++) {
		const struct route_target *t;

		resolve_from(str_c(cases[i].sender), str_c(cases[i].rcpt));
		t = &result.list[0];
		assert_str_eq(t->transport, str_c(cases[i].transport));
		buf_clear(&text);
		if (t->class == ROUTE_ERROR || t->class == ROUTE_RETRY) {
			if (!str_ends(t->code, S(".0.0")))
				buf_putf(&text, "%.*s ", STR(t->code));
			buf_put(&text, t->text);
		} else {
			buf_put(&text, t->nexthop);
		}
		assert_str_eq(buf_str(&text), str_c(cases[i].nexthop));
	}
	buf_release(&text);
}

/* A stranger's domain becomes the next hop: it must be a domain. */
static void
a_recipients_domain_is_no_next_hop_text(void **state UNUSED)
{
	static const struct str bad[] = {
		STR_INIT("x@unix:/run/secret"),
		STR_INIT("x@127.0.0.1:25"),
		STR_INIT("x@inet:host:1"),
		STR_INIT("x@[host]"),
		STR_INIT("x@a,b"),
		STR_INIT("x@a b"),
		STR_INIT("x@a/b"),
		STR_INIT("x@[127.0.0.1]:80"),
	};

	LOAD(F("main.cf", ""));
	for (size_t i = 0; i < N_OF(bad); i++)
		expect_reply(bad[i], true, 550, "5.1.2");
	expect(S("x@[192.0.2.1]"), "smtp", "[192.0.2.1]");
	expect(S("x@[IPv6:2001:db8::1]"), "smtp", "[ipv6:2001:db8::1]");
}

static void
moved_users_stand_above_all(void **state UNUSED)
{
	LOAD(F("main.cf", "relocated_maps = hash:moved\n"),
	     F("moved", "user1@example1.local new@other.test\n"),
	     F("transport.cf", "user1@example1.local smtp:[x]\n"));
	expect_text(S("user1@example1.local"), ROUTE_ERROR, "5.1.6",
		    "User has moved to new@other.test");
	expect_reply(S("user1@example1.local"), false, 550, "5.1.6");
}

static void
tags_lead_to_the_mailbox_and_are_kept(void **state UNUSED)
{
	LOAD(F("quotas.cf", "user1@example1.local:1G\n"),
	     F("main.cf", "mailbox_size_limit = 5000000\n"));
	resolve_from(S(""), S("User1+Tag@Example1.local"));
	assert_int_equal(result.list[0].class, ROUTE_LOCAL);
	assert_str(result.list[0].address, "User1+Tag@example1.local");
	assert_str(result.list[0].mailbox, "user1@example1.local");
	assert_str(result.list[0].extension, "Tag");
	assert_int_equal(result.list[0].quota_octets, 1 << 30);
	resolve_from(S(""), S("user2@example1.local"));
	assert_str(result.list[0].extension, "");
	assert_int_equal(result.list[0].quota_octets, 5 << 20);
	/* An account whose name holds the delimiter is found whole. */
	resolve_from(S(""), S("real+plus@example1.local"));
	assert_str(result.list[0].mailbox, "real+plus@example1.local");
	assert_str(result.list[0].extension, "");
}

static void
dovecots_socket_means_our_own_mailboxes(void **state UNUSED)
{
	LOAD(F("main.cf", "virtual_transport = "
			  "lmtp:unix:/var/run/dovecot/lmtp\n"));
	resolve_from(S(""), S("user1@example1.local"));
	assert_int_equal(result.list[0].class, ROUTE_LOCAL);
	LOAD(F("main.cf", "virtual_transport = lmtp:unix:/run/mine\n"));
	expect(S("user1@example1.local"), "lmtp", "unix:/run/mine");
}

static void
a_sender_has_its_relay_host(void **state UNUSED)
{
	LOAD(F("main.cf", "relayhost = [global]\nrelay_domains = r.test\n"),
	     F("relaymap.cf", "u@d.test [users]:587\n"
			      "@d.test\t\t[domains]:587\n"
			      "@none.test DUNNO\n"
			      "@smtp.test smtp:[prefixed]:25\n"
			      "example1.local [never]\n"),
	     F("transport.cf", "fixed.test smtp:[table]\n"));
#define FROM(sender, rcpt, want)                          \
	do {                                              \
		resolve_from(S(sender), S(rcpt));         \
		assert_str(result.list[0].nexthop, want); \
	} while (0)
	FROM("u@d.test", "x@out.test", "[users]:587");
	FROM("U+tag@D.test", "x@out.test", "[users]:587");
	FROM("v@d.test", "x@out.test", "[domains]:587");
	FROM("v@none.test", "x@out.test", "[global]");
	FROM("v@smtp.test", "x@out.test", "[prefixed]:25");
	FROM("v@other.test", "x@out.test", "[global]");
	FROM("", "x@out.test", "[global]");
	FROM("u@d.test", "x@r.test", "[users]:587");
	FROM("u@d.test", "x@fixed.test", "[table]");
	/* A bare domain is never tried. */
	FROM("user1@example1.local", "x@out.test", "[global]");
	/* Never for local recipients. */
	resolve_from(S("u@d.test"), S("user1@example1.local"));
	assert_int_equal(result.list[0].class, ROUTE_LOCAL);
}

/* The vectors of docker-mailserver's own tests. */
static void
relay_host_of_the_environment_serves_hosted_senders(void **state UNUSED)
{
	static const struct table_variable all[] = {
		F("RELAY_HOST", "default.relay.com"),
		F("RELAY_PORT", "2525"),
		F("RELAY_USER", "smtp_user"),
		F("RELAY_PASSWORD", "smtp_password"),
	};

	memcpy(variables, all, sizeof(all));
	n_variables = N_OF(all);
	LOAD(F("relaymap.cf", "@domaintwo.tld\t\t[other.relay.com]:587\n"
			      "@domainthree.tld\n"),
	     F("virtual.cf", "a@domaintwo.tld user1@example1.local\n"
			     "a@domainthree.tld user1@example1.local\n"));
	n_variables = 0;
	FROM("user1@example1.local", "x@out.test", "[default.relay.com]:2525");
	assert_str(result.list[0].sasl_user, "smtp_user");
	assert_str(result.list[0].sasl_password, "smtp_password");
	FROM("a@domaintwo.tld", "x@out.test", "[other.relay.com]:587");
	assert_str(result.list[0].sasl_user, "");
	FROM("a@domainthree.tld", "x@out.test", "out.test");
	FROM("a@foreign.tld", "x@out.test", "out.test");
}

static void
default_transports_follow_main_cf(void **state UNUSED)
{
	LOAD(F("main.cf", "default_transport = relay:[spec]:26\n"
			  "relayhost = [global]\n"
			  "sender_dependent_default_transport_maps = hash:s\n"),
	     F("s", "@d.test smtp:[bysender]\n@e.test lmtp:\n"));
	FROM("u@x.test", "x@out.test", "[spec]:26");
	assert_str(result.list[0].transport, "relay");
	FROM("u@d.test", "x@out.test", "[bysender]");
	FROM("u@e.test", "x@out.test", "[global]");
	assert_str(result.list[0].transport, "lmtp");
	LOAD(F("main.cf", "default_transport = error\n"));
	expect_reply(S("x@out.test"), true, 550, "5.0.0");
}

static bool
knows(struct str domain)
{
	bool is_known;

	assert_int_equal(route_knows_domain(config, domain, NULL, &is_known),
			 OK);
	return is_known;
}

static void
domains_with_a_way_are_known(void **state UNUSED)
{
	LOAD(F("main.cf", "relay_domains = r.test\n"),
	     F("transport.cf", "example2.local smtp:[mta2]\n* smtp:[x]\n"));
	assert_true(knows(S("example1.local")));
	assert_true(knows(S("Example2.local")));
	assert_true(knows(S("r.test")));
	assert_false(knows(S("other.test")));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			the_transport_table_is_searched_in_postfix_order),
		cmocka_unit_test(
			the_longest_parent_wins_and_the_star_comes_last),
		cmocka_unit_test(
			parents_lose_their_dot_when_the_setting_says_so),
		cmocka_unit_test(each_value_of_transport_has_its_effect),
		cmocka_unit_test(the_labs_table_works_however_it_is_written),
		cmocka_unit_test(postfix_resolves_these_the_same_way),
		cmocka_unit_test(a_recipients_domain_is_no_next_hop_text),
		cmocka_unit_test(moved_users_stand_above_all),
		cmocka_unit_test(tags_lead_to_the_mailbox_and_are_kept),
		cmocka_unit_test(dovecots_socket_means_our_own_mailboxes),
		cmocka_unit_test(a_sender_has_its_relay_host),
		cmocka_unit_test(
			relay_host_of_the_environment_serves_hosted_senders),
		cmocka_unit_test(default_transports_follow_main_cf),
		cmocka_unit_test(domains_with_a_way_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
