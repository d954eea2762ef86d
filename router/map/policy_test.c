/* SPDX-License-Identifier: MIT
 * router/map/policy_test.c - lists of restrictions as written, and what an
 * operator is told about those that are wrong. */
#include "router/map/policy.c"

#include "router/map/config.h"
#include "tests/unit/unit.h"

static struct diag diag;
static struct config *config;

static enum err
load(const char *main_cf, const char *master_cf)
{
	const struct table_variable files[] = {
		{ S("main.cf"), str_c(main_cf) },
		{ S("master.cf"), str_c(master_cf) },
		{ S("t"), S("a@b REJECT\n") },
	};
	struct config_input in = {
		.dir = S("/etc/estafeta"),
		.files = files,
		.n_files = N_OF(files),
	};

	config_free(&config);
	diag_release(&diag);
	diag_init(&diag, 1 << 20);
	return config_load(&in, &diag, &config);
}

static int
release(void **state UNUSED)
{
	config_free(&config);
	diag_release(&diag);
	return 0;
}

static bool
is_told(const char *text, uint32_t line)
{
	for (const struct diag_entry *e = diag.first; e != NULL; e = e->next)
		if (e->line == line && str_find(e->text, str_c(text)) >= 0)
			return true;
	return false;
}

static const struct {
	const char *name, *list, *told;
} bad[] = {
	{ "a word that is none", "permit_everybody", "is no restriction" },
	{ "a table is missing", "check_sender_access", "needs an argument" },
	{ "a domain is missing", "reject_rbl_client", "needs an argument" },
	{ "no domain", "reject_rbl_client http://x/", "needs the domain" },
	{ "an empty filter", "reject_rbl_client x.y=", "needs the domain" },
	{ "no service", "check_policy_service localhost:12",
	  "unix:path or inet:host:port" },
	{ "no port", "check_policy_service inet:host",
	  "unix:path or inet:host:port" },
	{ "no seconds", "sleep long", "number of seconds" },
	{ "not offered: probes", "reject_unverified_recipient",
	  "not probed here" },
	{ "not offered: old word", "check_relay_domains",
	  "reject_unauth_destination" },
};

static void
a_bad_list_is_an_error_with_its_line(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(bad); i++) {
		char text[256];

		snprintf(text, sizeof(text),
			 "myhostname = a.b\nsmtpd_sender_restrictions = "
			 "permit_mynetworks,\n  %s\n",
			 bad[i].list);
		if (load(text, "") != ERR_FORMAT || !is_told(bad[i].told, 2))
			fail_msg("%s: not told", bad[i].name);
	}
}

static void
lists_are_read_with_their_arguments(void **state UNUSED)
{
	const struct policy_list *l;

	assert_int_equal(
		load("smtpd_client_restrictions = reject_rbl_client "
		     "a.b=127.0.0.[2..11], check_policy_service { inet:h:1, "
		     "default_action=DUNNO }, sleep 99\n",
		     ""),
		OK);
	l = &config->policies.services[POLICY_SMTP].lists[POLICY_CLIENT];
	assert_int_equal(l->n, 3);
	assert_str(l->rules[0].argument, "a.b");
	assert_str(l->rules[0].filter, "127.0.0.[2..11]");
	assert_str(l->rules[1].argument, "inet:h:1");
	assert_str(l->rules[1].options, ", default_action=DUNNO");
	assert_int_equal(l->rules[2].sleep_s, POLICY_SLEEP_MAX_S);
}

static void
a_table_is_loaded_once(void **state UNUSED)
{
	assert_int_equal(load("smtpd_sender_restrictions = "
			      "check_sender_access texthash:t\n"
			      "smtpd_recipient_restrictions = texthash:t, "
			      "check_client_access texthash:t, "
			      "reject_unauth_destination\n",
			      ""),
			 OK);
	assert_int_equal(config->policies.n_tables, 1);
}

/* docker-mailserver's own test of overrides for one service. */
static void
a_service_has_lists_of_its_own(void **state UNUSED)
{
	const struct policy *all, *own;

	assert_int_equal(
		load("custom = cidr:{{!172.16.0.42 REJECT}}, "
		     "permit_sasl_authenticated, reject\n",
		     "submission/inet/smtpd_client_restrictions=$custom\n"),
		OK);
	all = &config->policies.services[POLICY_SMTP];
	own = &config->policies.services[POLICY_SUBMISSION];
	assert_false(policy_has(all, POLICY_CLIENT));
	assert_int_equal(own->lists[POLICY_CLIENT].n, 3);
	assert_int_equal(own->lists[POLICY_CLIENT].rules[0].op, POLICY_ACCESS);
	assert_false(own->is_login_by_lists);
}

/* E3: lists that would relay for everybody are not put in force. */
static void
an_open_relay_is_refused(void **state UNUSED)
{
	assert_int_equal(
		load("smtpd_relay_restrictions = permit_mynetworks\n", ""),
		ERR_FORMAT);
	assert_true(is_told("open relay", 1));
	assert_int_equal(load("smtpd_relay_restrictions = warn_if_reject "
			      "reject_unauth_destination\n",
			      ""),
			 ERR_FORMAT);
	assert_int_equal(load("smtpd_relay_restrictions =\n"
			      "smtpd_recipient_restrictions = "
			      "permit_mynetworks, reject_unauth_destination\n",
			      ""),
			 OK);
}

static void
classes_use_those_before_them(void **state UNUSED)
{
	assert_int_equal(load("smtpd_restriction_classes = one, two\n"
			      "one = reject\ntwo = one\n"
			      "smtpd_helo_restrictions = two\n",
			      ""),
			 OK);
	assert_int_equal(
		load("smtpd_restriction_classes = one\none = one\n", ""),
		ERR_FORMAT);
	assert_int_equal(load("smtpd_restriction_classes = none\n", ""),
			 ERR_FORMAT);
	assert_true(is_told("nothing sets", 1));
}

static void
what_works_otherwise_is_told(void **state UNUSED)
{
	assert_int_equal(load("smtpd_client_restrictions = "
			      "permit_tls_clientcerts, permit, reject\n",
			      ""),
			 OK);
	assert_true(is_told("never matches", 1));
	assert_true(is_told("is never asked", 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bad_list_is_an_error_with_its_line),
		cmocka_unit_test(lists_are_read_with_their_arguments),
		cmocka_unit_test(a_table_is_loaded_once),
		cmocka_unit_test(a_service_has_lists_of_its_own),
		cmocka_unit_test(an_open_relay_is_refused),
		cmocka_unit_test(classes_use_those_before_them),
		cmocka_unit_test(what_works_otherwise_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
