/* SPDX-License-Identifier: MIT
 * router/route/resolve_test.c */
#include "router/route/resolve.c"

#include "tests/unit/unit.h"

#define F(name, text)                          \
	{                                      \
		STR_INIT(name), STR_INIT(text) \
	}

static const struct str names[] = {
	STR_INIT("user1@example1.local"),
	STR_INIT("user2@example1.local"),
	STR_INIT("real+plus@example1.local"),
};

static struct diag diag;
static struct config *config;
static struct arena arena;
static struct route_result result;
static struct table_variable variables[4];
static size_t n_variables;
static size_t n_names = N_OF(names);

static void
load(const struct table_variable *files, size_t n_files)
{
	struct config_input in = { .dir = S("/etc/estafeta"),
				   .hostname = S("mta1.example1.local"),
				   .variables = variables,
				   .n_variables = n_variables,
				   .accounts = CONFIG_ACCOUNTS_GIVEN,
				   .account_names = names,
				   .n_account_names = n_names,
				   .files = files,
				   .n_files = n_files };

	config_free(&config);
	diag_release(&diag);
	diag_init(&diag, 1 << 20);
	if (config_load(&in, &diag, &config) != OK)
		for (const struct diag_entry *d = diag.first; d; d = d->next)
			print_error("%.*s:%u: %.*s\n", STR(d->file), d->line,
				    STR(d->text));
	assert_non_null(config);
}

#define LOAD(...)                                                \
	load((struct table_variable[]) { __VA_ARGS__ },          \
	     sizeof((struct table_variable[]) { __VA_ARGS__ }) / \
		     sizeof(struct table_variable))

static int
release(void **state UNUSED)
{
	config_free(&config);
	diag_release(&diag);
	arena_release(&arena);
	return 0;
}

static void
resolve_from(struct str sender, struct str rcpt)
{
	arena_release(&arena);
	arena_init(&arena, 64 << 20);
	assert_int_equal(
		route_resolve(config, sender, rcpt, &arena, NULL, &result), OK);
	assert_true(result.n > 0);
}

static void
expect(struct str rcpt, const char *transport, const char *nexthop)
{
	resolve_from(S("a@sender.test"), rcpt);
	assert_int_equal(result.n, 1);
	assert_str_eq(result.list[0].transport, str_c(transport));
	assert_str_eq(result.list[0].nexthop, str_c(nexthop));
}

static void
expect_address(struct str rcpt, const char *address)
{
	resolve_from(S("a@sender.test"), rcpt);
	assert_int_equal(result.n, 1);
	assert_str_eq(result.list[0].address, str_c(address));
	assert_str_eq(result.list[0].original, rcpt);
}

static void
expect_text(struct str rcpt, enum route_class class, const char *code,
	    const char *text)
{
	resolve_from(S("a@sender.test"), rcpt);
	assert_int_equal(result.n, 1);
	assert_int_equal(result.list[0].class, class);
	assert_str_eq(result.list[0].code, str_c(code));
	assert_str_eq(result.list[0].text, str_c(text));
}

static struct route_verdict
verdict(struct str rcpt, bool is_relay_allowed)
{
	struct route_verdict v;

	assert_int_equal(route_check_rcpt(config, S("a@sender.test"), rcpt,
					  is_relay_allowed, NULL, &v),
			 OK);
	return v;
}

static void
expect_reply(struct str rcpt, bool is_relay_allowed, unsigned reply,
	     const char *code)
{
	struct route_verdict v = verdict(rcpt, is_relay_allowed);

	if (v.reply != reply)
		fail_msg("%.*s: %u %.*s %.*s", STR(rcpt), v.reply, STR(v.code),
			 STR(v.text));
	assert_str_eq(v.code, str_c(code));
}

/* ---- transport(5) ---- */

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

/* ---- virtual(5) ---- */

/* Seen on a real Postfix, in any order of the file. */
static void
aliases_are_expanded_as_postfix_does(void **state UNUSED)
{
	LOAD(F("virtual.cf", "@cat.test everything@out.test\n"
			     "real@cat.test specific@out.test\n"
			     "both@cat.test a@out.test, b@out.test c@out.test\n"
			     "UPPER@cat.test folded@out.test\n"
			     "self@cat.test self@cat.test\n"
			     "keep@cat.test keep@cat.test, copy@out.test\n"
			     "@whole.test @other.test\n"
			     "chain1@cat.test chain2@cat.test\n"
			     "chain2@cat.test chain3@out.test\n"
			     "full+ext@cat.test exact@out.test\n"
			     "bare@cat.test localname\n"));
	expect_address(S("real@cat.test"), "specific@out.test");
	expect_address(S("real+tag@cat.test"), "specific+tag@out.test");
	expect_address(S("full+ext@cat.test"), "exact@out.test");
	expect_address(S("any@cat.test"), "everything@out.test");
	expect_address(S("upper@CAT.test"), "folded@out.test");
	expect_address(S("chain1@cat.test"), "chain3@out.test");
	expect_address(S("me@whole.test"), "me@other.test");
	expect_address(S("me+x@whole.test"), "me+x@other.test");
	expect_address(S("self@cat.test"), "self@cat.test");
	expect_address(S("self+z@cat.test"), "self+z@cat.test");
	expect_address(S("bare@cat.test"), "localname@mta1.example1.local");
	resolve_from(S(""), S("both@cat.test"));
	assert_int_equal(result.n, 3);
	assert_str(result.list[0].address, "a@out.test");
	assert_str(result.list[1].address, "b@out.test");
	assert_str(result.list[2].address, "c@out.test");
	resolve_from(S(""), S("keep@cat.test"));
	assert_int_equal(result.n, 2);
	assert_str(result.list[0].address, "keep@cat.test");
	assert_str(result.list[1].address, "copy@out.test");
}

static void
each_step_is_tried_in_every_table_before_the_next(void **state UNUSED)
{
	LOAD(F("main.cf", "virtual_alias_maps = hash:one, hash:two\n"),
	     F("one", "@cat.test all@out.test\n"),
	     F("two", "u@cat.test one@out.test\n"));
	expect_address(S("u@cat.test"), "one@out.test");
}

static void
names_without_a_domain_match_our_own_domains(void **state UNUSED)
{
	LOAD(F("virtual.cf", "root user1@example1.local\n"
			     "info@alias.test user2@example1.local\n"));
	expect_address(S("root@mta1.example1.local"), "user1@example1.local");
	expect_address(S("root"), "user1@example1.local");
	expect_address(S("root+x@localhost"), "user1+x@example1.local");
	/* alias.test is hosted, but not our own name. */
	expect_reply(S("root@alias.test"), false, 550, "5.1.1");
}

static void
a_target_reached_twice_is_delivered_once(void **state UNUSED)
{
	LOAD(F("virtual.cf", "all@d.test a@out.test b@d.test A@OUT.test\n"
			     "b@d.test a@out.test\n"));
	expect_address(S("all@d.test"), "a@out.test");
}

static void
loops_and_floods_are_put_off(void **state UNUSED)
{
	struct buf in = BUF_INIT(1 << 20);
	struct table_variable file = { .name = S("virtual.cf") };

	LOAD(F("virtual.cf", "a@d.test b@d.test\nb@d.test a@d.test\n"
			     "c@d.test c@d.test x@d.test\n"
			     "x@d.test c@d.test\n"));
	resolve_from(S(""), S("a@d.test"));
	assert_int_equal(result.list[0].class, ROUTE_RETRY);
	assert_int_equal(verdict(S("a@d.test"), false).reply, 450);
	expect_reply(S("c@d.test"), false, 550, "5.1.1");

	for (int i = 0; i < 40; i++) {
		buf_putf(&in, "n%d@d.test", i);
		for (int j = 0; j < 40; j++)
			buf_putf(&in, " n%d@d.test n%d.%d@out.test",
				 (i + 1) % 40, i, j);
		buf_putc(&in, '\n');
	}
	file.value = buf_str(&in);
	load(&file, 1);
	resolve_from(S(""), S("n0@d.test"));
	assert_int_equal(result.n, 1);
	assert_int_equal(result.list[0].class, ROUTE_RETRY);
	buf_release(&in);
}

static void
catchalls_stand_before_accounts_unless_told_otherwise(void **state UNUSED)
{
	LOAD(F("virtual.cf", "@example1.local user2@example1.local\n"
			     "user2@example1.local user2@example1.local\n"));
	expect_address(S("user1@example1.local"), "user2@example1.local");
	LOAD(F("main.cf", "catchall_after_accounts = yes\n"),
	     F("virtual.cf", "@example1.local user2@example1.local\n"));
	expect_address(S("user1@example1.local"), "user1@example1.local");
	expect_address(S("user1+x@example1.local"), "user1+x@example1.local");
	expect_address(S("other@example1.local"), "user2@example1.local");
}

static void
an_alias_may_lead_outside(void **state UNUSED)
{
	LOAD(F("virtual.cf", "ext@example1.local someone@gmail.test\n"),
	     F("quotas.cf", "user1@example1.local:1G\n"));
	expect_reply(S("ext@example1.local"), false, 250, "2.1.5");
	expect(S("ext@example1.local"), "smtp", "gmail.test");
}

static void
an_alias_to_nobody_is_refused_at_once(void **state UNUSED)
{
	LOAD(F("virtual.cf", "gone@example1.local nobody@example1.local\n"
			     "half@example1.local nobody@example1.local, "
			     "user1@example1.local\n"));
	expect_reply(S("gone@example1.local"), false, 550, "5.1.1");
	expect_reply(S("half@example1.local"), false, 250, "2.1.5");
}

/* ---- RCPT TO ---- */

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
alias_domains_have_aliases_alone(void **state UNUSED)
{
	LOAD(F("main.cf", "virtual_alias_domains = only.test\n"),
	     F("virtual.cf", "old.test anything\n"),
	     F("transport.cf", "only.test smtp:[x]\n"));
	expect_reply(S("x@only.test"), false, 550, "5.1.1");
	expect_reply(S("x@old.test"), false, 550, "5.1.1");
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

/* ---- mailboxes ---- */

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

/* ---- relay hosts ---- */

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

/* ---- credentials ---- */

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

/* ---- TLS policies ---- */

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

/* ---- explain ---- */

static void
explain_shows_each_step_with_file_and_line(void **state UNUSED)
{
	struct buf out = BUF_INIT(65536), small = BUF_INIT(300);
	static const char *const wanted[] = {
		"virtual_alias_maps: \"info+x@example1.local\" is not in "
		"/etc/estafeta/virtual.cf\n",
		"virtual_alias_maps: \"info@example1.local\" is in "
		"/etc/estafeta/virtual.cf:2: user3@example2.local\n",
		"transport_maps: \"example2.local\" is in "
		"/etc/estafeta/transport.cf:1: smtp:[mta2]:25\n",
		"=> user3+x@example2.local: smtp to [mta2]:25 as u\n",
	};

	LOAD(F("virtual.cf", "# c\ninfo@example1.local user3@example2.local\n"),
	     F("transport.cf", "example2.local smtp:[mta2]:25\n"),
	     F("sasl-password.cf", "mta2 u:secret\n"));
	assert_int_equal(route_explain(config, S("a@b.test"),
				       S("info+x@example1.local"), NULL, &out),
			 OK);
	for (size_t i = 0; i < N_OF(wanted); i++)
		if (str_find(buf_str(&out), str_c(wanted[i])) < 0)
			fail_msg("not there: %s\n%.*s", wanted[i],
				 STR(buf_str(&out)));
	assert_true(str_find(buf_str(&out), S("secret")) < 0);
	assert_int_equal(route_explain(config, S(""), S("info@example1.local"),
				       NULL, &small),
			 ERR_LIMIT);
	buf_release(&out);
	buf_release(&small);
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

/* ---- patterns, aliases(5), canonical(5), copies ---- */

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

static void
aliases_serve_the_names_of_the_host_alone(void **state UNUSED)
{
	LOAD(F("main.cf", "myhostname = mta1.own.test\n"),
	     F("postfix-aliases.cf",
	       "root: user1@example1.local\n"
	       "\"two words\" : root, x@out.test\n"
	       "self: self\n"
	       "program: |/bin/true\n"
	       "file: /var/mail/x\n"
	       "people: :include:/etc/estafeta/people, z@out.test\n"),
	     F("people", "# those\na@out.test, b@out.test\n:include:more\n"),
	     F("more", "c@out.test\n"));
	expect_address(S("root@mta1.own.test"), "user1@example1.local");
	expect_address(S("Root+tag@localhost"), "user1@example1.local");
	expect_text(S("root@example1.local"), ROUTE_ERROR, "5.1.1",
		    "User unknown in the table of accounts");
	resolve_from(S(""), S("\"two words\"@mta1.own.test"));
	resolve_from(S(""), S("people@mta1.own.test"));
	assert_int_equal(result.n, 4);
	assert_str(result.list[2].address, "c@out.test");
	expect_reply(S("program@mta1.own.test"), false, 451, "4.3.0");
	expect_reply(S("file@mta1.own.test"), false, 451, "4.3.0");
	expect_text(S("self@mta1.own.test"), ROUTE_ERROR, "5.1.1",
		    "User unknown in the table of accounts");
}

static void
root_is_postmaster_address_where_no_alias_says_else(void **state UNUSED)
{
	LOAD(F("main.cf", "myhostname = mta1.own.test\n"
			  "postmaster_address = user2@example1.local\n"),
	     F("postfix-aliases.cf", "abuse: root\n"));
	expect_address(S("abuse@mta1.own.test"), "user2@example1.local");
	expect_address(S("root@localhost"), "user2@example1.local");
	expect_text(S("root@example1.local"), ROUTE_ERROR, "5.1.1",
		    "User unknown in the table of accounts");
}

/* S21: a file that includes itself. */
static void
an_include_that_leads_back_is_an_error(void **state UNUSED)
{
	struct table_variable files[] = {
		F("aliases.cf", "all: :include:list\n"),
		F("list", "a@b.test\n:include:list\n:include:list\n"),
	};
	struct config_input in = { .dir = S("/d"),
				   .hostname = S("mta1.example1.local"),
				   .files = files,
				   .n_files = N_OF(files) };

	config_free(&config);
	diag_release(&diag);
	diag_init(&diag, 1 << 20);
	assert_int_equal(config_load(&in, &diag, &config), ERR_FORMAT);
}

static void
recipients_become_canonical_before_aliases(void **state UNUSED)
{
	LOAD(F("main.cf", "recipient_canonical_maps = inline:{"
			  "{old@example1.local=new@example1.local} "
			  "{@dead.test=@live.test}, {a@x.test=b@x.test}"
			  " {b@x.test=a@x.test}}\n"
			  "canonical_maps = inline:{"
			  "{new@example1.local=info@example1.local}}\n"),
	     F("virtual.cf", "info@example1.local user1@example1.local\n"));
	expect_address(S("old+t@example1.local"), "user1+t@example1.local");
	expect_address(S("u@dead.test"), "u@live.test");
	expect_text(S("a@x.test"), ROUTE_RETRY, "4.6.0",
		    "Aliases lead back to themselves, or to too many "
		    "addresses");
	LOAD(F("main.cf", "recipient_canonical_maps = static:x@y.test\n"
			  "recipient_canonical_classes = header_recipient\n"));
	expect_address(S("u@dead.test"), "u@dead.test");
}

static void
expect_copy(const char *rcpt, enum err want, const char *copy)
{
	struct str got;
	enum err e;

	arena_release(&arena);
	arena_init(&arena, 64 << 20);
	e = route_copy(config, str_c(rcpt), &arena, NULL, &got);
	if (e != want || (e == OK && !str_eq(got, str_c(copy))))
		fail_msg("%s: %s, %.*s", rcpt, err_text(e), STR(got));
}

/* postconf(5): by the recipient after canonical maps, and one address. */
static void
copies_go_where_recipient_bcc_maps_says(void **state UNUSED)
{
	LOAD(F("main.cf", "recipient_bcc_maps = inline:{"
			  "{user1@example1.local=spy@out.test, other@x.test}, "
			  "{@bare.test=spy}, {@bad.test=<a b>}}\n"
			  "recipient_canonical_maps = inline:{"
			  "old@example1.local=user1@example1.local}\n"));
	expect_copy("user1@example1.local", OK, "spy@out.test");
	expect_copy("user1+t@example1.local", OK, "spy@out.test");
	expect_copy("old@example1.local", OK, "spy@out.test");
	expect_copy("user2@example1.local", OK, "");
	expect_copy("x@bare.test", OK, "spy@mta1.example1.local");
	expect_copy("x@bad.test", ERR_UNAVAILABLE, "");
	resolve_from(S("a@b.test"), S("user1+t@example1.local"));
	assert_int_equal(result.n, 1);
	LOAD(F("main.cf", "recipient_bcc_maps = fail:x\n"));
	expect_copy("user2@example1.local", ERR_UNAVAILABLE, "");
	LOAD(F("main.cf", "recipient_bcc_maps = tcp:127.0.0.1:1\n"));
	expect_copy("user2@example1.local", ERR_UNAVAILABLE, "");
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

/* Each by rule and file:line. */
static void
explain_shows_rewriting_and_copies(void **state UNUSED)
{
	static const struct str lines[] = {
		STR_INIT("sender_canonical_maps: \"a@in.b.test\" is in "
			 "/etc/estafeta/sc:1: c@in.b.test\n"),
		STR_INIT("masquerade_domains (/etc/estafeta/main.cf:2): "
			 "c@b.test\n"),
		STR_INIT("envelope sender becomes c@b.test\n"),
		STR_INIT("From, Sender, Reply-To become c@b.test\n"),
		STR_INIT("To, Cc become user1@b.test\n"),
		STR_INIT("local_header_rewrite_clients: "
			 "permit_inet_interfaces\n"),
		STR_INIT("always_bcc (/etc/estafeta/main.cf:3): all@x.test\n"),
		STR_INIT("copy to all@x.test (NOTIFY=NEVER)\n"),
		STR_INIT("sender_bcc_maps: \"c@b.test\" is in "
			 "/etc/estafeta/sb:2: s@x.test\n"),
		STR_INIT("copy to s@x.test (NOTIFY=NEVER)\n"),
		STR_INIT("recipient_bcc_maps: \"user1@in.b.test\" is in "
			 "/etc/estafeta/rb:1: r@x.test\n"),
		STR_INIT("copy to r@x.test (NOTIFY=NEVER)\n"),
		STR_INIT("sender_dependent_relayhost_maps: \"c@b.test\" is in "
			 "/etc/estafeta/relaymap.cf:1: [relay]\n"),
		STR_INIT("=> user1@in.b.test: smtp to [relay]\n"),
	};
	struct buf out = BUF_INIT(1 << 20);

	LOAD(F("main.cf", "sender_canonical_maps = texthash:sc\n"
			  "masquerade_domains = b.test\n"
			  "always_bcc = all@x.test\n"
			  "sender_bcc_maps = texthash:sb\n"
			  "recipient_bcc_maps = texthash:rb\n"),
	     F("sc", "a@in.b.test c@in.b.test\n"),
	     F("sb", "# who\nc@b.test s@x.test\n"),
	     F("rb", "user1@in.b.test r@x.test\n"),
	     F("relaymap.cf", "c@b.test [relay]\n"));
	assert_int_equal(route_explain(config, S("a@in.b.test"),
				       S("user1@in.b.test"), NULL, &out),
			 OK);
	for (size_t i = 0; i < N_OF(lines); i++)
		if (str_find(buf_str(&out), lines[i]) < 0)
			fail_msg("no \"%.*s\" in\n%.*s", STR(lines[i]),
				 STR(buf_str(&out)));
	buf_release(&out);
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
		cmocka_unit_test(aliases_are_expanded_as_postfix_does),
		cmocka_unit_test(
			each_step_is_tried_in_every_table_before_the_next),
		cmocka_unit_test(names_without_a_domain_match_our_own_domains),
		cmocka_unit_test(a_target_reached_twice_is_delivered_once),
		cmocka_unit_test(loops_and_floods_are_put_off),
		cmocka_unit_test(
			catchalls_stand_before_accounts_unless_told_otherwise),
		cmocka_unit_test(an_alias_may_lead_outside),
		cmocka_unit_test(an_alias_to_nobody_is_refused_at_once),
		cmocka_unit_test(recipients_are_checked),
		cmocka_unit_test(nobody_relays_by_tricks_of_the_local_part),
		cmocka_unit_test(a_recipients_domain_is_no_next_hop_text),
		cmocka_unit_test(postmaster_is_always_somebody),
		cmocka_unit_test(what_cannot_be_looked_up_is_put_off),
		cmocka_unit_test(alias_domains_have_aliases_alone),
		cmocka_unit_test(moved_users_stand_above_all),
		cmocka_unit_test(tags_lead_to_the_mailbox_and_are_kept),
		cmocka_unit_test(dovecots_socket_means_our_own_mailboxes),
		cmocka_unit_test(a_sender_has_its_relay_host),
		cmocka_unit_test(
			relay_host_of_the_environment_serves_hosted_senders),
		cmocka_unit_test(default_transports_follow_main_cf),
		cmocka_unit_test(
			credentials_are_found_by_sender_host_and_next_hop),
		cmocka_unit_test(
			a_senders_password_never_goes_to_a_strangers_host),
		cmocka_unit_test(explain_shows_each_step_with_file_and_line),
		cmocka_unit_test(explain_shows_rewriting_and_copies),
		cmocka_unit_test(domains_with_a_way_are_known),
		cmocka_unit_test(a_small_arena_is_an_answer),
		cmocka_unit_test(
			patterns_stand_between_the_whole_address_and_its_parts),
		cmocka_unit_test(aliases_serve_the_names_of_the_host_alone),
		cmocka_unit_test(
			root_is_postmaster_address_where_no_alias_says_else),
		cmocka_unit_test(an_include_that_leads_back_is_an_error),
		cmocka_unit_test(recipients_become_canonical_before_aliases),
		cmocka_unit_test(policies_belong_to_the_next_hop),
		cmocka_unit_test(copies_go_where_recipient_bcc_maps_says),
		cmocka_unit_test(lists_of_domains_may_have_tables),
		cmocka_unit_test(
			a_recipient_is_listed_as_canonical_maps_leave_it),
		cmocka_unit_test(a_list_of_domains_that_fails_puts_off),
		cmocka_unit_test(maps_of_recipients_decide_where_they_are_set),
		cmocka_unit_test(relay_domains_may_list_their_recipients),
		cmocka_unit_test(a_decision_names_the_answer_that_it_lacks),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
