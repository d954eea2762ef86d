/* SPDX-License-Identifier: MIT
 * lib/mail/sasl_test.c - RFC 4616 and hostile messages. */
#include "lib/mail/sasl.c"

#include "lib/base/buf.h"
#include "tests/unit/unit.h"

static void
messages_of_plain(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct str in;
		enum sasl_result want;
	} cases[] = {
		{ "RFC 4616 4, first example",
		  STR_INIT("\0tim\0tanstaaftanstaaf"), SASL_OK },
		{ "RFC 4616 4, acts as another",
		  STR_INIT("Ursel\0Kurt\0xipj3plmq"), SASL_PROXY },
		{ "acts as itself", STR_INIT("a@b\0a@b\0x"), SASL_OK },
		{ "differs by case", STR_INIT("A@b\0a@b\0x"), SASL_PROXY },
		{ "differs by a blank", STR_INIT("a@b \0a@b\0x"), SASL_PROXY },
		{ "begins alike", STR_INIT("a\0a@b\0x"), SASL_PROXY },
		{ "UTF-8", STR_INIT("\0j\xc3\xb8\0\xe2\x82\xac"), SASL_OK },
		{ "nothing", STR_INIT(""), SASL_MALFORMED },
		{ "no NUL", STR_INIT("a"), SASL_MALFORMED },
		{ "one NUL", STR_INIT("a\0b"), SASL_MALFORMED },
		{ "two NULs alone", STR_INIT("\0\0"), SASL_MALFORMED },
		{ "no name", STR_INIT("\0\0x"), SASL_MALFORMED },
		{ "no password", STR_INIT("\0a\0"), SASL_MALFORMED },
		{ "NUL in the password", STR_INIT("\0a\0x\0y"),
		  SASL_MALFORMED },
		{ "NUL behind", STR_INIT("\0a\0x\0"), SASL_MALFORMED },
		{ "overlong UTF-8", STR_INIT("\0a\0\xc0\x80"), SASL_MALFORMED },
		{ "8-bit name", STR_INIT("\0\xff\0x"), SASL_MALFORMED },
		{ "8-bit authzid", STR_INIT("\xff\0a\0x"), SASL_MALFORMED },
	};
	struct sasl_plain p;

	for (size_t i = 0; i < N_OF(cases); i++)
		if (sasl_plain_parse(cases[i].in, &p) != cases[i].want)
			fail_msg("%s", cases[i].name);
}

static void
parts_are_as_sent(void **state UNUSED)
{
	struct sasl_plain p;

	assert_int_equal(sasl_plain_parse(S("u@h\0u@h\0 p w "), &p), SASL_OK);
	assert_str(p.authzid, "u@h");
	assert_str(p.authcid, "u@h");
	assert_str(p.passwd, " p w ");
}

static void
every_prefix_lacks_something(void **state UNUSED)
{
	struct str whole = S("\0tim\0x");
	struct sasl_plain p;

	for (size_t n = 0; n < whole.n; n++)
		assert_int_equal(sasl_plain_parse(str_first(whole, n), &p),
				 SASL_MALFORMED);
}

static enum sasl_result
parse_sizes(size_t n_authzid, size_t n_authcid, size_t n_passwd)
{
	struct buf b = BUF_INIT(10000);
	struct sasl_plain p;
	enum sasl_result r;

	for (size_t i = 0; i < n_authzid; i++)
		buf_putc(&b, 'z');
	buf_putc(&b, '\0');
	for (size_t i = 0; i < n_authcid; i++)
		buf_putc(&b, 'z');
	buf_putc(&b, '\0');
	for (size_t i = 0; i < n_passwd; i++)
		buf_putc(&b, 'z');
	r = sasl_plain_parse(buf_str(&b), &p);
	buf_release(&b);
	return r;
}

static void
limits(void **state UNUSED)
{
	assert_int_equal(parse_sizes(0, 255, 1024), SASL_OK);
	assert_int_equal(parse_sizes(255, 255, 1024), SASL_OK);
	assert_int_equal(parse_sizes(0, 256, 1), SASL_MALFORMED);
	assert_int_equal(parse_sizes(0, 1, 1025), SASL_MALFORMED);
	assert_int_equal(parse_sizes(256, 1, 1), SASL_MALFORMED);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_of_plain),
		cmocka_unit_test(parts_are_as_sent),
		cmocka_unit_test(every_prefix_lacks_something),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
