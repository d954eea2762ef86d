/* SPDX-License-Identifier: MIT
 * mta/out/policy_test.c - what a server must have; no words make it less. */
#include "mta/out/policy.c"

#include "tests/unit/unit.h"

static struct router_smtp
defaults(void)
{
	return (struct router_smtp) {
		.tls_protocols = S(">=TLSv1.2"),
		.tls_mandatory_protocols = S(">=TLSv1.2"),
		.tls_verify_match = S("hostname"),
		.tls_secure_match = S("nexthop, dot-nexthop"),
		.sasl_options = S("noplaintext, noanonymous"),
	};
}

/* Defaults as in postconf(5). names: joined by blanks. */
static void
test_policies(void **state UNUSED)
{
	static const struct {
		const char *name;
		const char *level, *text, *hop;
		uint16_t port;
		bool has_password;
		enum tls_level want;
		const char *names, *sni;
	} cases[] = {
		{ "unset is may", "", "", "d.test", 0, false, TLS_MAY, "",
		  "mx.d.test" },
		{ "main.cf", "encrypt", "", "d.test", 0, false, TLS_ENCRYPT, "",
		  "mx.d.test" },
		{ "the policy is stronger", "encrypt", "none", "d.test", 0,
		  false, TLS_NONE, "", "mx.d.test" },
		{ "verify looks at the host", "verify", "", "d.test", 0, false,
		  TLS_VERIFY, "mx.d.test", "mx.d.test" },
		{ "secure looks at the next hop", "secure", "", "[d.test]:25",
		  25, false, TLS_SECURE, "d.test .d.test", "mx.d.test" },
		{ "names of its own", "", "secure match=a.test:nexthop",
		  "d.test", 0, false, TLS_SECURE, "a.test d.test",
		  "mx.d.test" },
		{ "a password", "", "", "d.test", 0, true, TLS_ENCRYPT, "",
		  "mx.d.test" },
		{ "a password, and none", "none", "", "d.test", 0, true,
		  TLS_ENCRYPT, "", "mx.d.test" },
		{ "port 465", "", "", "[d.test]:465", 465, false, TLS_ENCRYPT,
		  "", "mx.d.test" },
		{ "another SNI", "", "may servername=x.test", "d.test", 0,
		  false, TLS_MAY, "", "x.test" },
		{ "nothing is below an address", "secure", "", "[192.0.2.1]", 0,
		  false, TLS_SECURE, "192.0.2.1", "mx.d.test" },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct router_smtp smtp = defaults();
		struct nexthop hop;
		struct policy_question ask = { .smtp = &smtp,
					       .text = str_c(cases[i].text),
					       .hop = &hop,
					       .host = S("mx.d.test"),
					       .port = cases[i].port,
					       .has_password =
						       cases[i].has_password };
		struct buf names = BUF_INIT(1000);
		struct policy p;
		const char *why;

		print_message("%s\n", cases[i].name);
		assert_true(nexthop_parse(str_c(cases[i].hop), &hop, &why));
		smtp.tls_level = str_c(cases[i].level);
		assert_true(policy_make(&ask, &p, &why));
		assert_int_equal(p.level, cases[i].want);
		assert_int_equal(p.is_wrapped, cases[i].port == 465);
		for (size_t k = 0; k < p.peer.n_names; k++)
			buf_putf(&names, "%s%.*s", k ? " " : "",
				 STR(p.peer.names[k]));
		assert_str_eq(buf_str(&names), str_c(cases[i].names));
		assert_int_equal(p.peer.must_verify, p.level >= TLS_VERIFY);
		assert_str_eq(p.peer.sni, str_c(cases[i].sni));
		buf_release(&names);
	}
}

/* The operator's plain word counts, and only that. */
static void
test_passwords(void **state UNUSED)
{
	struct router_smtp smtp = defaults();
	struct nexthop hop;
	struct policy_question ask = {
		.smtp = &smtp, .hop = &hop, .host = S("h"), .has_password = true
	};
	struct policy p;
	const char *why;

	assert_true(nexthop_parse(S("h"), &hop, &why));
	assert_true(policy_make(&ask, &p, &why));
	assert_false(p.may_login_plain);
	smtp.sasl_options = S("noanonymous");
	assert_true(policy_make(&ask, &p, &why));
	assert_true(p.may_login_plain);
	assert_int_equal(p.level, TLS_MAY);
}

static void
test_refused(void **state UNUSED)
{
	static const struct str texts[] = {
		STR_INIT("perhaps"),
		STR_INIT("fingerprint"),
		STR_INIT("secure match=:"),
		STR_INIT("encrypt protocols=!TLSv1.2:!TLSv1.3"),
		STR_INIT("secure match=a:b:c:d:e:f:g:h:i:j:k:l:m:n:o:p:q"),
	};

	for (size_t i = 0; i < N_OF(texts); i++) {
		struct router_smtp smtp = defaults();
		struct nexthop hop;
		struct policy_question ask = { .smtp = &smtp,
					       .text = texts[i],
					       .hop = &hop,
					       .host = S("h") };
		struct policy p;
		const char *why;

		print_message("%.*s\n", STR(texts[i]));
		assert_true(nexthop_parse(S("h"), &hop, &why));
		assert_false(policy_make(&ask, &p, &why));
		assert_true(strlen(why) > 0);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_passwords),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
