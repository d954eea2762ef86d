/* SPDX-License-Identifier: MIT
 * router/route/access_test.c - what lists decide, with facts given. Expected
 * values are those of postconf(5) and access(5); tests/interop/
 * postfix_policy.py asks Postfix itself. */
#include "router/route/access.c"

#include "tests/unit/unit.h"

static struct diag diag;
static struct config *config;
static struct arena arena;
static struct access_result result;

static const struct access_fact known[] = {
	{ FACT_NAMES_OF, FACT_FOUND, STR_INIT("192.0.2.1"),
	  STR_INIT("mx.good.test") },
	{ FACT_ADDRESSES, FACT_FOUND, STR_INIT("mx.good.test"),
	  STR_INIT("192.0.2.9\n192.0.2.1") },
	{ FACT_NAMES_OF, FACT_FOUND, STR_INIT("192.0.2.2"),
	  STR_INIT("liar.test") },
	{ FACT_ADDRESSES, FACT_FOUND, STR_INIT("liar.test"),
	  STR_INIT("198.51.100.1") },
	{ FACT_NAMES_OF, FACT_NONE, STR_INIT("192.0.2.3"), STR_INIT("") },
	{ FACT_NAMES_OF, FACT_TEMPORARY, STR_INIT("192.0.2.4"), STR_INIT("") },
	{ FACT_EXCHANGES, FACT_FOUND, STR_INIT("good.test"),
	  STR_INIT("mx.good.test") },
	{ FACT_EXCHANGES, FACT_NONE, STR_INIT("none.test"), STR_INIT("") },
	{ FACT_ADDRESSES, FACT_NONE, STR_INIT("none.test"), STR_INIT("") },
	{ FACT_EXCHANGES, FACT_FOUND, STR_INIT("null.test"), STR_INIT(".") },
	{ FACT_EXCHANGES, FACT_TEMPORARY, STR_INIT("late.test"), STR_INIT("") },
	{ FACT_ADDRESSES, FACT_TEMPORARY, STR_INIT("late.test"), STR_INIT("") },
	{ FACT_ADDRESSES_V4, FACT_FOUND, STR_INIT("1.2.0.192.bl.test"),
	  STR_INIT("127.0.0.4") },
	{ FACT_TEXT, FACT_FOUND, STR_INIT("1.2.0.192.bl.test"),
	  STR_INIT("see $x") },
	{ FACT_ADDRESSES_V4, FACT_TEMPORARY, STR_INIT("2.2.0.192.bl.test"),
	  STR_INIT("") },
};

static void
load(const char *list)
{
	char text[1024];
	const struct table_variable files[] = {
		{ S("main.cf"), S("") },
		{ S("t"), S("mx.good.test 550 5.7.2 bad mx\nok@a.test OK\n") },
	};
	struct table_variable own[N_OF(files)];
	struct config_input in = {
		.dir = S("/etc/estafeta"),
		.accounts = CONFIG_ACCOUNTS_GIVEN,
		.account_names = (const struct str[]) { STR_INIT("u@us.test") },
		.n_account_names = 1,
		.files = own,
		.n_files = N_OF(own),
	};

	snprintf(text, sizeof(text),
		 "recipient_delimiter = +\n"
		 "smtpd_recipient_restrictions = %s, "
		 "reject_unauth_destination\n",
		 list);
	memcpy(own, files, sizeof(own));
	own[0].value = str_c(text);
	config_free(&config);
	diag_release(&diag);
	diag_init(&diag, 1 << 20);
	assert_int_equal(config_load(&in, &diag, &config), OK);
}

static int
release(void **state UNUSED)
{
	config_free(&config);
	diag_release(&diag);
	arena_release(&arena);
	return 0;
}

static struct access_facts
stranger(void)
{
	return (struct access_facts) {
		.stage = ACCESS_AT_RCPT,
		.client = S("192.0.2.1"),
		.helo = S("mx.good.test"),
		.has_sender = true,
		.sender = S("a@good.test"),
		.has_rcpt = true,
		.rcpt = S("u@us.test"),
		.known = known,
		.n_known = N_OF(known),
	};
}

static void
judge(const struct access_facts *facts)
{
	arena_release(&arena);
	arena_init(&arena, 1 << 20);
	assert_int_equal(access_check(config, facts, &arena, NULL, &result),
			 OK);
}

static const struct {
	const char *name, *list, *client, *sender;
	unsigned code; // 0: pass
	const char *dsn, *text;
} cases[] = {
	{ "a client with a name", "reject_unknown_client_hostname", "192.0.2.1",
	  "a@b.test", 0, "", "" },
	{ "a name that leads elsewhere", "reject_unknown_client_hostname",
	  "192.0.2.2", "a@b.test", 450, "4.7.25", "cannot find your hostname" },
	{ "the claimed name is enough",
	  "reject_unknown_reverse_client_hostname", "192.0.2.2", "a@b.test", 0,
	  "", "" },
	{ "no name at all", "reject_unknown_reverse_client_hostname",
	  "192.0.2.3", "a@b.test", 450, "4.7.25",
	  "cannot find your reverse hostname" },
	{ "a name server that fails", "reject_unknown_client_hostname",
	  "192.0.2.4", "a@b.test", 450, "4.7.25", "cannot find" },
	{ "a domain with MX", "reject_unknown_sender_domain", "192.0.2.1",
	  "a@good.test", 0, "", "" },
	{ "a domain that is not", "reject_unknown_sender_domain", "192.0.2.1",
	  "a@none.test", 450, "4.1.8", "Domain not found" },
	{ "a null MX (RFC 7505)", "reject_unknown_sender_domain", "192.0.2.1",
	  "a@null.test", 550, "5.7.27", "nullMX" },
	{ "a domain whose servers fail", "reject_unknown_sender_domain",
	  "192.0.2.1", "a@late.test", 450, "4.1.8", "Domain not found" },
	{ "then a later refusal wins", "reject_unknown_sender_domain, reject",
	  "192.0.2.1", "a@late.test", 554, "5.7.1", "Access denied" },
	{ "a single label is known (finding 4)", "reject_unknown_sender_domain",
	  "192.0.2.1", "a@mta2", 0, "", "" },
	{ ".local is known (finding 4)", "reject_unknown_sender_domain",
	  "192.0.2.1", "a@example1.local", 0, "", "" },
	{ "our domain is known", "reject_unknown_sender_domain", "192.0.2.1",
	  "a@us.test", 0, "", "" },
	{ "the null sender has no domain", "reject_unknown_sender_domain",
	  "192.0.2.1", "", 0, "", "" },
	{ "listed", "reject_rbl_client bl.test", "192.0.2.1", "a@b.test", 554,
	  "5.7.1",
	  "Service unavailable; Client host [192.0.2.1] blocked using bl.test; "
	  "see $x" },
	{ "listed with a code that counts",
	  "reject_rbl_client bl.test=127.0.0.[2..4]", "192.0.2.1", "a@b.test",
	  554, "5.7.1", "blocked" },
	{ "listed with another code",
	  "reject_rbl_client bl.test=127.0.0.[5..9;20]", "192.0.2.1",
	  "a@b.test", 0, "", "" },
	{ "a list that fails lets pass", "reject_rbl_client bl.test",
	  "192.0.2.2", "a@b.test", 0, "", "" },
	{ "a list of good clients that fails turns 5yz into 4yz",
	  "permit_dnswl_client bl.test, reject", "192.0.2.2", "a@b.test", 450,
	  "4.7.1", "does not answer" },
	{ "a good client", "permit_dnswl_client bl.test, reject", "192.0.2.1",
	  "a@b.test", 0, "", "" },
	{ "a server of the domain", "check_sender_mx_access texthash:t",
	  "192.0.2.1", "a@good.test", 550, "5.7.2", "bad mx" },
	{ "a table's OK ends the list",
	  "check_sender_access texthash:t, reject", "192.0.2.1", "ok@a.test", 0,
	  "", "" },
	{ "warn_if_reject refuses nothing", "warn_if_reject reject",
	  "192.0.2.1", "a@b.test", 0, "", "" },
	{ "warn_if_reject and defer_if_permit",
	  "warn_if_reject defer_if_permit", "192.0.2.1", "a@b.test", 0, "",
	  "" },
	{ "defer_if_permit", "defer_if_permit", "192.0.2.1", "a@b.test", 450,
	  "4.7.0", "requested" },
	{ "defer_if_reject alone passes", "defer_if_reject", "192.0.2.1",
	  "a@b.test", 0, "", "" },
	{ "not logged in as the owner of the address",
	  "reject_unauthenticated_sender_login_mismatch", "192.0.2.1",
	  "u+x@us.test", 553, "5.7.1", "not logged in" },
};

static void
rules_decide_as_postfix_documents(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct access_facts f = stranger();

		load(cases[i].list);
		f.client = str_c(cases[i].client);
		f.sender = str_c(cases[i].sender);
		judge(&f);
		if (result.outcome == ACCESS_NEED)
			fail_msg("%s: needs %.*s", cases[i].name,
				 STR(result.need_key));
		if (result.reply.code != cases[i].code ||
		    !str_eq(result.reply.dsn, str_c(cases[i].dsn)) ||
		    str_find(result.reply.text, str_c(cases[i].text)) < 0)
			fail_msg("%s: %u %.*s %.*s", cases[i].name,
				 result.reply.code, STR(result.reply.dsn),
				 STR(result.reply.text));
	}
}

/* One fact after the other: as many calls as facts, and never the next rule
 * before. */
static void
a_missing_fact_is_named(void **state UNUSED)
{
	struct access_facts f = stranger();

	load("reject_unknown_client_hostname, reject");
	f.n_known = 0;
	judge(&f);
	assert_int_equal(result.outcome, ACCESS_NEED);
	assert_int_equal(result.need_kind, FACT_NAMES_OF);
	assert_str(result.need_key, "192.0.2.1");
	f.n_known = 1;
	judge(&f);
	assert_int_equal(result.need_kind, FACT_ADDRESSES);
	assert_str(result.need_key, "mx.good.test");
	f.n_known = 2;
	judge(&f);
	assert_int_equal(result.outcome, ACCESS_REFUSE);
	assert_int_equal(result.reply.code, 554);
}

/* Each once, without those that are known. */
static void
block_lists_are_named_together(void **state UNUSED)
{
	struct access_facts f = stranger();
	struct access_fact one = { FACT_ADDRESSES_V4, FACT_NONE,
				   S("9.2.0.192.c.test"), S("") };

	load("reject_rbl_client a.test, permit_mynetworks, "
	     "reject_rbl_client B.test=127.0.0.2, "
	     "reject_rbl_client b.test=127.0.0.3, "
	     "reject_rbl_client a.test=127.0.0.9, reject_rbl_client c.test, "
	     "permit_dnswl_client d.test, reject_rhsbl_sender e.test");
	f.client = S("192.0.2.9");
	f.known = &one;
	f.n_known = 1;
	judge(&f);
	assert_int_equal(result.outcome, ACCESS_NEED);
	assert_str(result.need_key, "9.2.0.192.a.test");
	assert_int_equal(result.n_more, 2);
	assert_str(result.more[0], "9.2.0.192.b.test");
	assert_str(result.more[1], "9.2.0.192.d.test");
}

/* RFC 5782 2.4. */
static void
ipv6_is_asked_by_nibbles(void **state UNUSED)
{
	struct access_facts f = stranger();

	load("reject_rbl_client bl.test");
	f.client = S("2001:db8:1:2:3:4:567:89ab");
	judge(&f);
	assert_int_equal(result.need_kind, FACT_ADDRESSES_V4);
	assert_str(result.need_key,
		   "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0."
		   "1.0.0.2.bl.test");
}

/* S26: text of strangers begins no line of the request. */
static void
a_policy_service_gets_one_line_for_each_name(void **state UNUSED)
{
	struct access_facts f = stranger();
	struct access_fact answered[N_OF(known) + 1];

	load("check_policy_service unix:private/x");
	f.helo = S("x\nsasl_username=root");
	judge(&f);
	assert_int_equal(result.need_kind, FACT_SERVICE);
	assert_true(str_starts(result.need_key,
			       S("unix:private/x\nrequest=smtpd_access_policy"
				 "\nprotocol_state=RCPT\n")));
	assert_true(str_find(result.need_key,
			     S("\nhelo_name=xsasl_username=root\n")) > 0);
	assert_true(str_find(result.need_key,
			     S("\nclient_name=mx.good.test\n")) > 0);
	memcpy(answered, known, sizeof(known));
	answered[N_OF(known)] =
		(struct access_fact) { FACT_SERVICE, FACT_FOUND, S(""),
				       S("550 5.7.8 says it") };
	/* The key lives in the arena, which goes with the next question. */
	answered[N_OF(known)].key =
		str_c(str_dup_c(result.need_key)); // freed below
	f.known = answered;
	f.n_known = N_OF(answered);
	judge(&f);
	assert_int_equal(result.reply.code, 550);
	answered[N_OF(known)].status = FACT_TEMPORARY;
	judge(&f);
	assert_int_equal(result.reply.code, 451);
	free((void *)(uintptr_t)answered[N_OF(known)].key.p);
}

static void
orders_for_the_message_are_given(void **state UNUSED)
{
	static const struct {
		const char *value;
		enum access_effect_kind kind;
		const char *text;
	} orders[] = {
		{ "HOLD why", EFFECT_HOLD, "why" },
		{ "DISCARD", EFFECT_DISCARD, "" },
		{ "REDIRECT a@b.test", EFFECT_REDIRECT, "a@b.test" },
		{ "BCC a@b.test", EFFECT_BCC, "a@b.test" },
		{ "PREPEND X-A: b", EFFECT_PREPEND, "X-A: b" },
		{ "INFO x", EFFECT_NOTE, "info: " },
	};

	for (size_t i = 0; i < N_OF(orders); i++) {
		struct access_facts f = stranger();
		char list[200];

		snprintf(list, sizeof(list),
			 "check_sender_access inline:{{ a@good.test = %s }}",
			 orders[i].value);
		load(list);
		judge(&f);
		assert_int_equal(result.outcome, ACCESS_PASS);
		assert_int_equal(result.n_effects, 1);
		assert_int_equal(result.effects[0].kind, orders[i].kind);
		assert_true(str_starts(result.effects[0].text,
				       str_c(orders[i].text)));
	}
}

static void
a_login_sends_as_itself(void **state UNUSED)
{
	struct access_facts f = stranger();

	load("reject_authenticated_sender_login_mismatch");
	f.login = S("u@us.test");
	judge(&f);
	assert_int_equal(result.reply.code, 553); // B8
	assert_true(str_find(result.reply.text, S("not owned by user")) > 0);
	f.sender = S("U+tag@us.test");
	judge(&f);
	assert_int_equal(result.outcome, ACCESS_PASS);
	f.sender = S("");
	judge(&f);
	assert_int_equal(result.outcome, ACCESS_PASS);
}

/* S18. */
static void
relaying_needs_a_rule(void **state UNUSED)
{
	static const char *const strange[] = { "x@y.test", "u%y.test@z.test",
					       "y!u@z.test", "u@y@z.test" };
	struct access_facts f = stranger();

	load("check_sender_access texthash:t");
	for (size_t i = 0; i < N_OF(strange); i++) {
		f.rcpt = str_c(strange[i]);
		judge(&f);
		assert_int_equal(result.reply.code, 554);
	}
	f.is_trusted = true;
	judge(&f);
	/* In mynetworks, but the operator's own list says otherwise. */
	assert_int_equal(result.reply.code, 554);
	load("permit_mynetworks");
	judge(&f);
	assert_int_equal(result.outcome, ACCESS_PASS);
}

static void
lists_within_lists_end(void **state UNUSED)
{
	struct access_facts f = stranger();

	load("check_sender_access inline:{{ a@good.test = "
	     "check_sender_access inline:{{x=y}} }}");
	judge(&f);
	assert_int_equal(result.reply.code, 451);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_decide_as_postfix_documents),
		cmocka_unit_test(a_missing_fact_is_named),
		cmocka_unit_test(block_lists_are_named_together),
		cmocka_unit_test(ipv6_is_asked_by_nibbles),
		cmocka_unit_test(a_policy_service_gets_one_line_for_each_name),
		cmocka_unit_test(orders_for_the_message_are_given),
		cmocka_unit_test(a_login_sends_as_itself),
		cmocka_unit_test(relaying_needs_a_rule),
		cmocka_unit_test(lists_within_lists_end),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
