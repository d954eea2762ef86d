/* SPDX-License-Identifier: MIT
 * lib/mail/tls_policy_test.c - values as in Postfix's TLS_README. */
#include "lib/mail/tls_policy.c"

#include "tests/unit/unit.h"

#define PRINT "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"
#define COLONS                                                         \
	"00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33:" \
	"44:55:66:77:88:99:AA:BB:CC:DD:EE:FF"

static void
test_policies(void **state UNUSED)
{
	static const struct {
		struct str text;
		bool ok;
		enum tls_level level;
		size_t n_match;
	} cases[] = {
		{ STR_INIT("none"), true, TLS_NONE, 0 },
		{ STR_INIT("  MAY "), true, TLS_MAY, 0 },
		{ STR_INIT("encrypt protocols=TLSv1.3 ciphers=high"), true,
		  TLS_ENCRYPT, 0 },
		{ STR_INIT("secure match=example.com:.example.net"), true,
		  TLS_SECURE, 1 },
		{ STR_INIT("verify match=hostname match=nexthop"), true,
		  TLS_VERIFY, 2 },
		{ STR_INIT("fingerprint match=" PRINT "|" COLONS), true,
		  TLS_FINGERPRINT, 1 },
		{ STR_INIT("dane-only"), true, TLS_ENCRYPT, 0 },
		{ STR_INIT(""), false, 0, 0 },
		{ STR_INIT("maybe"), false, 0, 0 },
		{ STR_INIT("match=x"), false, 0, 0 },
		{ STR_INIT("secure match"), false, 0, 0 },
		{ STR_INIT("secure match="), false, 0, 0 },
		{ STR_INIT("secure sni=x"), false, 0, 0 },
		{ STR_INIT("secure protocols=TLSv1"), false, 0, 0 },
		{ STR_INIT("secure protocols=TLSv9"), false, 0, 0 },
		{ STR_INIT("fingerprint match=00:11"), false, 0, 0 },
		{ STR_INIT("verify match=a match=b match=c match=d match=e "
			   "match=f match=g match=h match=i"),
		  false, 0, 0 },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct tls_policy p;
		const char *why;

		print_message("%.*s\n", STR(cases[i].text));
		assert_int_equal(tls_policy_parse(cases[i].text, &p, &why),
				 cases[i].ok);
		assert_int_equal(why == NULL, cases[i].ok);
		if (!cases[i].ok)
			continue;
		assert_int_equal(p.level, cases[i].level);
		assert_int_equal(p.n_match, cases[i].n_match);
		for (size_t n = 0; n < cases[i].text.n; n++)
			tls_policy_parse(str_first(cases[i].text, n), &p, &why);
	}
}

static void
test_protocols(void **state UNUSED)
{
	static const struct {
		struct str text;
		unsigned with; // 0: refused
	} cases[] = {
		{ STR_INIT(""), TLS_WITH_1_2 | TLS_WITH_1_3 },
		{ STR_INIT(">=TLSv1"), TLS_WITH_1_2 | TLS_WITH_1_3 },
		{ STR_INIT(">=TLSv1.3"), TLS_WITH_1_3 },
		{ STR_INIT("<=TLSv1.2"), TLS_WITH_1_2 },
		{ STR_INIT("!SSLv2, !SSLv3, !TLSv1 !TLSv1.1"),
		  TLS_WITH_1_2 | TLS_WITH_1_3 },
		{ STR_INIT("!SSLv2:!TLSv1.3"), TLS_WITH_1_2 },
		{ STR_INIT("TLSv1.2"), TLS_WITH_1_2 },
		{ STR_INIT("TLSv1.2:TLSv1.3"), TLS_WITH_1_2 | TLS_WITH_1_3 },
		{ STR_INIT("<=TLSv1.1"), 0 },
		{ STR_INIT("SSLv3"), 0 },
		{ STR_INIT("!TLSv1.2 !TLSv1.3"), 0 },
		{ STR_INIT("tls"), 0 },
		{ STR_INIT(">="), 0 },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		unsigned with = 0;

		print_message("%.*s\n", STR(cases[i].text));
		assert_int_equal(tls_protocols_parse(cases[i].text, &with),
				 cases[i].with != 0);
		assert_int_equal(with, cases[i].with);
	}
}

static void
test_fingerprints(void **state UNUSED)
{
	unsigned char a[TLS_FINGERPRINT_OCTETS], b[TLS_FINGERPRINT_OCTETS];

	assert_true(tls_fingerprint_parse(S(PRINT), a));
	assert_true(tls_fingerprint_parse(S(COLONS), b));
	assert_memory_equal(a, b, sizeof(a));
	assert_int_equal(a[1], 0x11);
	assert_false(tls_fingerprint_parse(S(PRINT "00"), a));
	assert_false(tls_fingerprint_parse(S(PRINT ":"), a));
	for (size_t n = 0; n < sizeof(COLONS) - 1; n++)
		assert_false(tls_fingerprint_parse(str_first(S(COLONS), n), a));
	for (size_t n = 0; n < sizeof(PRINT) - 1; n++)
		assert_false(tls_fingerprint_parse(str_first(S(PRINT), n), a));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_fingerprints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
