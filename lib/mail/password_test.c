/* SPDX-License-Identifier: MIT
 * lib/mail/password_test.c - hashes made by other programs. */
#include "lib/mail/password.c"

#include "tests/unit/unit.h"

/* By doveadm pw 2.3.19 of "secret pässword", by openssl passwd 3.0 and by
 * crypt(3) through Perl of "secret". */
#define LONG_PASSWORD STR_INIT("secret p\xc3\xa4ssword")
static const struct {
	const char *field;
	struct str password;
} vectors[] = {
	{ "{SHA512-CRYPT}$6$5EYFAEkumeuJUV19$ytd3.ZBCkLCfLKyZuguW8Pj7Ot8j5kTsb"
	  "5BRA9U04sVZArv1EEYfVixg9ndXQeeCTdJNVFRAWpjhV1GxmZhSm/",
	  LONG_PASSWORD },
	{ "{SHA256-CRYPT}$5$hX99X4tBFvN1a4Sy$jC5AJV05uJfeaANBNu2ZZsFQjIec5me3t"
	  "yocxI3Oki9",
	  LONG_PASSWORD },
	{ "{MD5-CRYPT}$1$HH71KmR/$aU75/wW83039jwl.jib3E0", LONG_PASSWORD },
	{ "{BLF-CRYPT}$2y$05$WDaHI31IW1e/ABKDpgVbSu3mgeiGklycxInL00Qsmolb0c7yd"
	  "0jSG",
	  LONG_PASSWORD },
	{ "{SSHA}+D4Ta0RsyqUT08kJzb+4jyT5ZyakxdHk", LONG_PASSWORD },
	{ "{SSHA256}AVrtHyhHyA1lwG0C1TzYZDLCk2+1kyEVMN4DFqZ0oTZeBNeL",
	  LONG_PASSWORD },
	{ "{SSHA512}YbDU0ZknX2IcplrmzbwlPge6QmnJCseBsrhuWaJJuCT7cMmBna8yM8Ipbr"
	  "Xy/Wd+Xa1loDuT1bTxl9R6GCGjXAISbdM=",
	  LONG_PASSWORD },
	{ "{SCRAM-SHA-256}4096,kLiUbLU0rNwHvsYLme4iKg==,jrRSCKYXdErnUlZfZ5ZdZy"
	  "N8GvkxBAN6IFrtlcarGHQ=,qzU0dueMA3uxt53ET6+XGp9XWhSEfUoxUpGCPGLJOdI=",
	  LONG_PASSWORD },
	{ "{PLAIN}secret", STR_INIT("secret") },
	{ "$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2C"
	  "KPPrVACtLtip/cZ/1GM/O6IND4WQhG.",
	  STR_INIT("secret") },
	{ "$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.",
	  STR_INIT("secret") },
	{ "{CRYPT}$y$j9T$F5Jx5fExrKuPp53xLKQ..1$GmcwIgvdUC9qLWcKCi6gklUa1dM3zi"
	  "D43YxYNURLKy0",
	  STR_INIT("secret") },
};

static void
test_vectors(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(vectors); i++) {
		enum account_scheme scheme;
		struct str hash;

		print_message("%.20s\n", vectors[i].field);
		assert_true(account_scheme_of(str_c(vectors[i].field), &scheme,
					      &hash));
		assert_true(password_fits(scheme, hash, vectors[i].password));
		assert_false(password_fits(scheme, hash, S("Secret")));
		assert_false(password_fits(scheme, hash, S("")));
		/* A NUL must not end the comparison early. */
		assert_false(password_fits(scheme, hash, S("secret\0x")));
	}
}

static void
test_cut_hashes_fit_nothing(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(vectors); i++) {
		enum account_scheme scheme;
		struct str hash;

		assert_true(account_scheme_of(str_c(vectors[i].field), &scheme,
					      &hash));
		if (scheme == ACCOUNT_PLAIN)
			continue;
		for (size_t n = 0; n < hash.n; n += 7)
			assert_false(password_fits(scheme, str_first(hash, n),
						   vectors[i].password));
	}
}

static void
test_hostile_hashes(void **state UNUSED)
{
	static const struct {
		enum account_scheme scheme;
		struct str hash;
	} cases[] = {
		{ ACCOUNT_CRYPT, STR_INIT("*0") },
		{ ACCOUNT_CRYPT, STR_INIT("*1") },
		{ ACCOUNT_CRYPT, STR_INIT("!") },
		{ ACCOUNT_CRYPT, STR_INIT("$6$a\0b") },
		{ ACCOUNT_SSHA, STR_INIT("####") },
		{ ACCOUNT_SSHA, STR_INIT("") },
		{ ACCOUNT_SCRAM_SHA_256, STR_INIT("0,AA==,AA==,AA==") },
		{ ACCOUNT_SCRAM_SHA_256, STR_INIT("4294967296,AA==,AA==,") },
		{ ACCOUNT_SCRAM_SHA_256, STR_INIT("4096,AA==") },
		{ ACCOUNT_SCRAM_SHA_256, STR_INIT(",,,") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		assert_false(password_fits(cases[i].scheme, cases[i].hash,
					   S("secret")));
		assert_false(password_fits(cases[i].scheme, cases[i].hash,
					   cases[i].hash));
	}
}

/* RFC 8265: the same word, typed as one character or as two. */
static void
test_prepared_password(void **state UNUSED)
{
	assert_true(password_fits(ACCOUNT_PLAIN, S("m\xc3\xbcnze"),
				  S("mu\xcc\x88nze")));
	assert_true(password_fits(ACCOUNT_PLAIN, S("mu\xcc\x88nze"),
				  S("mu\xcc\x88nze")));
	assert_true(password_fits(ACCOUNT_PLAIN, S("a b"),
				  S("a\xc2\xa0"
				    "b")));
	assert_true(password_fits(ACCOUNT_PLAIN, S("\xfc"), S("\xfc")));
	assert_false(password_fits(ACCOUNT_PLAIN, S("u"), S("\xc3\xbc")));
}

static void
test_long_password(void **state UNUSED)
{
	char *long_one = must_alloc(PASSWORD_MAX_OCTETS + 1);

	memset(long_one, 'a', PASSWORD_MAX_OCTETS + 1);
	assert_true(password_fits(ACCOUNT_PLAIN,
				  str_of(long_one, PASSWORD_MAX_OCTETS),
				  str_of(long_one, PASSWORD_MAX_OCTETS)));
	assert_false(password_fits(ACCOUNT_PLAIN,
				   str_of(long_one, PASSWORD_MAX_OCTETS + 1),
				   str_of(long_one, PASSWORD_MAX_OCTETS + 1)));
	free(long_one);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_cut_hashes_fit_nothing),
		cmocka_unit_test(test_hostile_hashes),
		cmocka_unit_test(test_prepared_password),
		cmocka_unit_test(test_long_password),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
