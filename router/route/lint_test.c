/* SPDX-License-Identifier: MIT
 * router/route/lint_test.c */
#include "router/route/lint.c"

#include "tests/unit/unit.h"

#define F(name, text)                          \
	{                                      \
		STR_INIT(name), STR_INIT(text) \
	}

static const struct str names[] = {
	STR_INIT("user1@example1.local"),
	STR_INIT("user2@example1.local"),
};

static struct diag diag;

static void
lint(const struct table_variable *files, size_t n_files)
{
	struct config_input in = { .dir = S("/etc/estafeta"),
				   .hostname = S("mta1.example1.local"),
				   .accounts = CONFIG_ACCOUNTS_GIVEN,
				   .account_names = names,
				   .n_account_names = N_OF(names),
				   .files = files,
				   .n_files = n_files };
	struct config *config;

	diag_release(&diag);
	diag_init(&diag, 1 << 20);
	assert_int_equal(config_load(&in, &diag, &config), OK);
	route_lint(config, &diag);
	config_free(&config);
}

static int
release(void **state UNUSED)
{
	diag_release(&diag);
	return 0;
}

/* Each case is one file beside a clean set; says: text of the one warning. */
static const struct {
	const char *name;
	struct table_variable file;
	struct str says;
} cases[] = {
	{ "a clean set", F("transport.cf", "example2.local smtp:[mta2]:25\n"),
	  STR_INIT("") },
	{ "relaymap keyed by a domain",
	  F("relaymap.cf", "example2.local [mta2]:25\n"),
	  STR_INIT("write @example2.local") },
	{ "relaymap with a transport",
	  F("relaymap.cf", "@example1.local smtp:[mta2]:25\n"),
	  STR_INIT("write [mta2]:25") },
	{ "relaymap, right", F("relaymap.cf", "@example1.local [mta2]:25\n"),
	  STR_INIT("") },
	{ "relaymap DUNNO", F("relaymap.cf", "@example1.local DUNNO\n"),
	  STR_INIT("") },
	{ "relaymap key alone", F("relaymap.cf", "@example1.local\n"),
	  STR_INIT("without RELAY_HOST") },
	{ "relaymap nonsense", F("relaymap.cf", "@example1.local [m\n"),
	  STR_INIT("bracket is not closed") },
	{ "duplicate keys",
	  F("transport.cf", "a.test smtp:[x]\na.test smtp:[y]\n"),
	  STR_INIT("line 1 or line 2") },
	{ "a catch-all over accounts",
	  F("virtual.cf", "postmaster@example1.local user1@example1.local\n"
			  "@example1.local user1@example1.local\n"),
	  STR_INIT("takes the mail of 2 accounts") },
	{ "a catch-all with identities",
	  F("virtual.cf", "postmaster@example1.local user1@example1.local\n"
			  "@example1.local user1@example1.local\n"
			  "user1@example1.local user1@example1.local\n"
			  "user2@example1.local user2@example1.local\n"),
	  STR_INIT("") },
	{ "a bare domain in virtual",
	  F("virtual.cf", "alias.test user1@example1.local\n"),
	  STR_INIT("write @alias.test") },
	{ "a command as alias", F("virtual.cf", "a@b.test |/bin/sh\n"),
	  STR_INIT("not possible here") },
	{ "a host for a transport", F("transport.cf", "a.test mta2\n"),
	  STR_INIT("write smtp:mta2 or smtp:[mta2]") },
	{ "an unknown transport", F("transport.cf", "a.test slow:[x]\n"),
	  STR_INIT("no transport is called") },
	{ "a bad next hop", F("transport.cf", "a.test smtp:[x]:y\n"),
	  STR_INIT("the port is not a number") },
	{ "an '@' key in transport", F("transport.cf", "@a.test smtp:[x]\n"),
	  STR_INIT("without '@'") },
	{ "hold", F("transport.cf", "a.test hold:\n"),
	  STR_INIT("not by Postfix") },
	{ "a star", F("transport.cf", "* smtp:[x]\n"),
	  STR_INIT("takes local domains too") },
	{ "an error text", F("transport.cf", "a.test error:5.7.1 no: [x\n"),
	  STR_INIT("") },
	{ "a local domain sent away",
	  F("transport.cf", "example1.local smtp:[x]\n"),
	  STR_INIT("is sent away") },
	{ "a quota of nobody", F("quotas.cf", "nobody@example1.local:1G\n"),
	  STR_INIT("is not an account") },
	{ "an entry without password", F("sasl-password.cf", "host user\n"),
	  STR_INIT("is not user:password") },
	{ "a relayhost", F("main.cf", "relayhost = [x\n"),
	  STR_INIT("bracket is not closed") },
	{ "accounts in an alias domain",
	  F("main.cf", "virtual_alias_domains = example1.local\n"),
	  STR_INIT("has accounts") },
};

static void
each_finding_is_told_once(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		size_t n_want = cases[i].says.n > 0;
		const struct diag_entry *e;

		lint(&cases[i].file, 1);
		for (e = diag.first; e != NULL && e->severity != DIAG_WARNING;
		     e = e->next)
			;
		if (diag.n_warnings != n_want || diag.n_errors > 0)
			fail_msg("%s: %zu warnings, the first: %.*s",
				 cases[i].name, diag.n_warnings,
				 STR(e ? e->text : S("-")));
		if (e == NULL)
			continue;
		if (str_find(e->text, cases[i].says) < 0)
			fail_msg("%s: %.*s", cases[i].name, STR(e->text));
		assert_true(e->line > 0);
		assert_true(str_find(e->file, cases[i].file.name) >= 0);
	}
}

static void
the_quota_syntax_that_is_ignored_elsewhere_is_noted(void **state UNUSED)
{
	struct table_variable file =
		F("quotas.cf", "user1@example1.local:userdb_quota_rule=*:"
			       "storage=1G\n");

	lint(&file, 1);
	assert_int_equal(diag.n_warnings, 0);
	assert_true(str_find(diag.first->text,
			     S("docker-mailserver ignores")) >= 0);
}

static void
a_sender_key_needs_the_setting(void **state UNUSED)
{
	static const struct table_variable files[] = {
		F("main.cf", "smtp_sasl_password_maps = texthash:pw\n"),
		F("pw", "@d.test u:p\n"),
	};

	lint(files, N_OF(files));
	assert_int_equal(diag.n_warnings, 1);
	assert_true(str_find(diag.first->text,
			     S("smtp_sender_dependent_authentication")) >= 0);
}

/* What docker-mailserver's users mount today, both findings in two lines. */
static void
findings_come_in_the_order_of_lines(void **state UNUSED)
{
	struct table_variable file =
		F("relaymap.cf", "b.test [x]\na.test smtp:[y]\nc.test [z]\n");
	uint32_t line = 0;

	lint(&file, 1);
	assert_int_equal(diag.n_warnings, 4);
	for (struct diag_entry *e = diag.first; e != NULL; e = e->next) {
		if (e->severity != DIAG_WARNING)
			continue;
		assert_true(e->line >= line);
		line = e->line;
	}
	assert_int_equal(line, 3);
}

/* The two hosts of the lab, as they stand in the repository. */
static void
the_labs_configurations_are_clean(void **state UNUSED)
{
	static const struct {
		struct str dir, own, other, nexthop;
	} hosts[] = {
		{ STR_INIT("config1"), STR_INIT("info@example1.local"),
		  STR_INIT("user3@example2.local"), STR_INIT("[mta2]:25") },
		{ STR_INIT("config2"), STR_INIT("postmaster@example2.local"),
		  STR_INIT("user1@example1.local"), STR_INIT("[mta1]:25") },
	};

	for (size_t i = 0; i < N_OF(hosts); i++) {
		struct config_input in = { .dir = hosts[i].dir,
					   .accounts = CONFIG_ACCOUNTS_FILE };
		struct arena arena = ARENA_INIT(1 << 20);
		struct route_result result;
		struct route_verdict verdict;
		struct config *c;

		release(NULL);
		diag_init(&diag, 1 << 20);
		assert_int_equal(config_load(&in, &diag, &c), OK);
		route_lint(c, &diag);
		assert_null(diag.first);
		assert_int_equal(route_check_rcpt(c, S("x@out.test"),
						  hosts[i].own, false, NULL,
						  &verdict),
				 OK);
		assert_int_equal(verdict.reply, 250);
		assert_int_equal(route_resolve(c, S(""), hosts[i].other, &arena,
					       NULL, &result),
				 OK);
		assert_str_eq(result.list[0].nexthop, hosts[i].nexthop);
		arena_release(&arena);
		config_free(&c);
	}
}

static struct config *
load_host(struct str hostname, const struct table_variable *files,
	  size_t n_files)
{
	struct config_input in = { .dir = S("/d"),
				   .hostname = hostname,
				   .accounts = CONFIG_ACCOUNTS_GIVEN,
				   .account_names = names,
				   .n_account_names = 1,
				   .files = files,
				   .n_files = n_files };
	struct config *c;

	assert_int_equal(config_load(&in, &diag, &c), OK);
	return c;
}

/* S21: a route that leads back. */
static void
a_domain_that_two_hosts_send_each_other_is_told(void **state UNUSED)
{
	static const struct table_variable one[] = {
		F("transport.cf", "fine.test smtp:[mta2]:25\n"
				  "loop.test smtp:[mta2]:25\n"),
	};
	static const struct table_variable two[] = {
		F("main.cf", "relayhost = [mta1.example1.local]:25\n"),
		F("transport.cf", "fine.test smtp:[elsewhere]\n"),
	};
	struct config *a, *b;

	release(NULL);
	diag_init(&diag, 1 << 20);
	a = load_host(S("mta1.example1.local"), one, N_OF(one));
	b = load_host(S("mta2.example2.local"), two, N_OF(two));
	assert_null(diag.first);
	route_lint_pair(a, b, &diag);
	assert_int_equal(diag.n_warnings, 1);
	assert_int_equal(diag.first->line, 2);
	assert_true(str_starts(diag.first->text, S("loop.test goes from")));
	config_free(&a);
	config_free(&b);
}

static void
rules_that_are_never_reached_are_told(void **state UNUSED)
{
	static const struct table_variable files[] = {
		F("regexp.cf", "/^a@/ x@y.test\n"
			       "/^a@/ z@y.test\n"
			       "if /b/\n"
			       "/./ b@y.test\n"
			       "endif\n"
			       "/./ c@y.test\n"
			       "/d/ d@y.test\n"),
	};

	lint(files, N_OF(files));
	assert_int_equal(diag.n_warnings, 2);
	assert_int_equal(diag.first->line, 2);
	assert_int_equal(diag.first->next->line, 7);
}

/* Lines of a cidr table that are never reached; "" none. */
static const struct {
	const char *name;
	struct str rules;
	uint32_t line; // the one that is told; 0: none
} networks[] = {
	{ "narrow behind broad",
	  STR_INIT("10.0.0.0/8 OK\n10.1.0.0/16 REJECT\n"), 2 },
	{ "broad behind narrow",
	  STR_INIT("10.1.0.0/16 OK\n10.0.0.0/8 REJECT\n"), 0 },
	{ "the same", STR_INIT("10.1.0.1 OK\n10.1.0.1/32 REJECT\n"), 2 },
	{ "all of IPv4 is not IPv6",
	  STR_INIT("0.0.0.0/0 OK\n2001:db8::/32 REJECT\n"), 0 },
	{ "all of IPv6 is not IPv4", STR_INIT("::/0 OK\n10.0.0.1 REJECT\n"),
	  0 },
	{ "narrow IPv6", STR_INIT("2001:db8::/32 OK\n2001:db8:1::/48 x\n"), 2 },
	{ "between if and endif it may not be asked",
	  STR_INIT("if 10.0.0.0/8\n10.0.0.0/8 OK\nendif\n10.1.0.0/16 x\n"), 0 },
	{ "inside an if it is behind all the same",
	  STR_INIT("10.0.0.0/8 OK\nif 10.0.0.0/8\n10.1.0.0/16 x\nendif\n"), 3 },
	{ "all but a network, then another",
	  STR_INIT("!10.0.0.0/8 REJECT\n192.168.0.0/16 OK\n"), 2 },
	{ "all but a network, then that",
	  STR_INIT("!10.0.0.0/8 REJECT\n10.1.0.0/16 OK\n"), 0 },
	{ "all but a network behind that",
	  STR_INIT("10.0.0.0/8 OK\n!10.0.0.0/8 REJECT\n"), 0 },
	{ "all but a network behind all",
	  STR_INIT("0.0.0.0/0 OK\n!10.0.0.0/8 REJECT\n"), 2 },
};

static void
networks_behind_broader_ones_are_told(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(networks); i++) {
		struct table_variable files[] = {
			F("main.cf", "smtpd_client_restrictions = "
				     "check_client_access cidr:nets\n"),
			{ S("nets"), networks[i].rules },
		};
		uint32_t line;

		lint(files, N_OF(files));
		line = diag.n_warnings > 0 ? diag.first->line : 0;
		if (diag.n_warnings > 1 || line != networks[i].line)
			fail_msg("%s: line %u", networks[i].name, line);
	}
}

/* Default route by 10.9.8.1, network 172.20.0.0/16, as Linux prints them. */
#define ROUTES                                                         \
	"Iface\tDestination\tGateway "                                 \
	"\tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU"                    \
	"\tWindow\tIRTT\n"                                             \
	"eth0\t00000000\t0108090A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n" \
	"eth0\t000014AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"

static const struct {
	const char *name;
	struct str main_cf, permit, says;
} trusted[] = {
	{ "the gateway's network", STR_INIT("mynetworks = 10.9.0.0/16\n"),
	  STR_INIT(""), STR_INIT("10.9.8.1, a gateway of this machine") },
	{ "the gateway left out",
	  STR_INIT("mynetworks = !10.9.8.1 10.9.0.0/16\n"), STR_INIT(""),
	  STR_INIT("") },
	{ "a network of Docker", STR_INIT("mynetworks = 172.18.0.0/16\n"),
	  STR_INIT(""), STR_INIT("write !172.18.0.1") },
	{ "one container", STR_INIT("mynetworks = 172.18.0.7\n"), STR_INIT(""),
	  STR_INIT("") },
	{ "PERMIT_DOCKER knows the gateway", STR_INIT(""), STR_INIT("network"),
	  STR_INIT("") },
	{ "a site of its own", STR_INIT("mynetworks = 192.0.2.0/24\n"),
	  STR_INIT(""), STR_INIT("") },
	{ "half of the world", STR_INIT("mynetworks = 128.0.0.0/1\n"),
	  STR_INIT(""), STR_INIT("an open relay") },
	{ "half of IPv6", STR_INIT("mynetworks = [2000::]/3\n"), STR_INIT(""),
	  STR_INIT("an open relay") },
};

/* Nobody is trusted by the address of a gateway. */
static void
networks_that_trust_strangers_are_told(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(trusted); i++) {
		const struct table_variable file = { S("main.cf"),
						     trusted[i].main_cf };
		const struct table_variable permit = { S("PERMIT_DOCKER"),
						       trusted[i].permit };
		struct config_input in = { .dir = S("/d"),
					   .hostname = S("mta1.example.test"),
					   .accounts = CONFIG_ACCOUNTS_GIVEN,
					   .files = &file,
					   .n_files = 1,
					   .variables = &permit,
					   .n_variables = 1,
					   .proc_route = S(ROUTES) };
		struct config *config;

		diag_release(&diag);
		diag_init(&diag, 1 << 20);
		assert_int_equal(config_load(&in, &diag, &config), OK);
		route_lint(config, &diag);
		config_free(&config);
		if (diag.n_warnings != (trusted[i].says.n > 0))
			fail_msg("%s: %zu warnings", trusted[i].name,
				 diag.n_warnings);
		if (diag.n_warnings > 0 &&
		    str_find(diag.first->text, trusted[i].says) < 0)
			fail_msg("%s: %.*s", trusted[i].name,
				 STR(diag.first->text));
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_finding_is_told_once),
		cmocka_unit_test(
			the_quota_syntax_that_is_ignored_elsewhere_is_noted),
		cmocka_unit_test(a_sender_key_needs_the_setting),
		cmocka_unit_test(findings_come_in_the_order_of_lines),
		cmocka_unit_test(the_labs_configurations_are_clean),
		cmocka_unit_test(
			a_domain_that_two_hosts_send_each_other_is_told),
		cmocka_unit_test(rules_that_are_never_reached_are_told),
		cmocka_unit_test(networks_behind_broader_ones_are_told),
		cmocka_unit_test(networks_that_trust_strangers_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
