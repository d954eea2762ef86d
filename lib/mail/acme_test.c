/* SPDX-License-Identifier: MIT
 * lib/mail/acme_test.c - files as Traefik 1 and 2 write them. */
#include "lib/mail/acme.c"

#include "tests/unit/unit.h"

static const struct {
	const char *name;
	struct str json;
	const char *certificate, *key; // NULL: nothing is found
} cases[] = {
	{ "version 2, by main",
	  STR_INIT("{\"le\":{\"Account\":{\"Email\":\"a@x\",\"PrivateKey\":"
		   "\"zz\",\"KeyType\":\"4096\"},\"Certificates\":[{\"domain\":"
		   "{\"main\":\"other.test\"},\"certificate\":\"b3Ro\",\"key\":"
		   "\"a2V5\",\"Store\":\"default\"},{\"domain\":{\"main\":"
		   "\"Mail.example.test\"},\"certificate\":\"bWFpbA==\","
		   "\"key\":\"a2V5Mg==\"}]}}"),
	  "bWFpbA==", "a2V5Mg==" },
	{ "by a subject alternative name",
	  STR_INIT("{\"le\":{\"Certificates\":[{\"certificate\":\"QQ==\","
		   "\"key\":\"Qg==\",\"domain\":{\"main\":\"x.test\",\"sans\":["
		   "\"y.test\",\"mail.example.test\"]}}]}}"),
	  "QQ==", "Qg==" },
	{ "version 1",
	  STR_INIT("{ \"DomainsCertificate\": { \"Certs\": [ ] },\n"
		   "  \"Certificates\": [ { \"Domain\": { \"Main\": "
		   "\"mail.example.test\", \"SANs\": null }, \"Certificate\": "
		   "\"QQ==\", \"Key\": \"Qg==\" } ], \"n\": -1.5e+3 }\n"),
	  "QQ==", "Qg==" },
	{ "the first name counts most, whatever the order in the file",
	  STR_INIT("[{\"domain\":{\"main\":\"example.test\"},\"certificate\":"
		   "\"QQ==\",\"key\":\"QQ==\"},{\"domain\":{\"main\":"
		   "\"mail.example.test\"},\"certificate\":\"Qg==\",\"key\":"
		   "\"Qg==\"},{\"domain\":{\"main\":\"example.test\"},"
		   "\"certificate\":\"Qw==\",\"key\":\"Qw==\"}]"),
	  "Qg==", "Qg==" },
	{ "a wildcard",
	  STR_INIT("[{\"domain\":{\"main\":\"*.example.test\"},"
		   "\"certificate\":\"QQ==\",\"key\":\"Qg==\"}]"),
	  "QQ==", "Qg==" },
	{ "without a key",
	  STR_INIT("[{\"domain\":{\"main\":\"mail.example.test\"},"
		   "\"certificate\":\"QQ==\"}]"),
	  NULL, NULL },
	{ "a name elsewhere is no domain",
	  STR_INIT("[{\"note\":\"mail.example.test\",\"certificate\":\"QQ==\","
		   "\"key\":\"Qg==\",\"x\":{\"main\":\"mail.example.test\"}}]"),
	  NULL, NULL },
	{ "escapes do not end a string",
	  STR_INIT("[{\"a\\\"b\":\"\\\\\",\"domain\":{\"main\":"
		   "\"mail.example.test\"},\"certificate\":\"QQ==\",\"key\":"
		   "\"Qg==\"}]"),
	  "QQ==", "Qg==" },
	{ "nothing", STR_INIT(""), NULL, NULL },
	{ "something behind the end",
	  STR_INIT("[{\"domain\":{\"main\":\"mail.example.test\"},"
		   "\"certificate\":\"QQ==\",\"key\":\"Qg==\"}] x"),
	  NULL, NULL },
	{ "too deep", STR_INIT("[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]"),
	  NULL, NULL },
};

static bool
look(struct str json, struct acme_found *out)
{
	static const struct str names[] = { STR_INIT("mail.example.test"),
					    STR_INIT("example.test") };

	return acme_find(json, names, 2, out);
}

static void
certificates_are_found(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct acme_found f;
		bool is_found = look(cases[i].json, &f);

		print_message("%s\n", cases[i].name);
		assert_int_equal(is_found, cases[i].certificate != NULL);
		if (!is_found)
			continue;
		assert_true(str_eq(f.certificate, str_c(cases[i].certificate)));
		assert_true(str_eq(f.key, str_c(cases[i].key)));
	}
}

/* A file that is being written holds nothing yet. */
static void
no_prefix_is_believed(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct str whole = str_rtrim(cases[i].json);

		for (size_t n = 0; n < whole.n && cases[i].certificate; n++) {
			struct acme_found f;

			assert_false(look(str_first(whole, n), &f));
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificates_are_found),
		cmocka_unit_test(no_prefix_is_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
