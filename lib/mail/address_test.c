/* SPDX-License-Identifier: MIT
 * lib/mail/address_test.c - RFC 5321 4.1.2 and hostile addresses. */
#include "lib/mail/address.c"

#include "tests/unit/unit.h"

#define X16 "xxxxxxxxxxxxxxxx"
#define X64 X16 X16 X16 X16
#define X63 X16 X16 X16 "xxxxxxxxxxxxxxx"
#define NULL_OK ADDRESS_ALLOW_NULL
#define POST_OK ADDRESS_ALLOW_POSTMASTER
#define UTF8 ADDRESS_UTF8

static const struct path_case {
	const char *name;
	struct str in;
	unsigned flags;
	enum address_result want;
	struct str local, domain, rest;
} cases[] = {
#define GOOD(name, in, flags, local, domain, rest)                      \
	{                                                               \
		name, STR_INIT(in), flags, ADDRESS_OK, STR_INIT(local), \
			STR_INIT(domain), STR_INIT(rest)                \
	}
#define BAD(name, in, flags, want)                             \
	{                                                      \
		name, STR_INIT(in), flags, want, { 0 }, { 0 }, \
		{                                              \
			0                                      \
		}                                              \
	}
	GOOD("plain", "<joe@example.org>", 0, "joe", "example.org", ""),
	GOOD("rest", "<joe@b.c> SIZE=1", 0, "joe", "b.c", " SIZE=1"),
	GOOD("all atext", "<!#$%&'*+-/=?^_`{|}~.Az09@d>", 0,
	     "!#$%&'*+-/=?^_`{|}~.Az09", "d", ""),
	GOOD("null", "<>", NULL_OK, "", "", ""),
	BAD("null is not for RCPT", "<>", 0, ADDRESS_SYNTAX),
	GOOD("postmaster", "<PostMaster>", POST_OK, "PostMaster", "", ""),
	BAD("postmaster is not for MAIL", "<postmaster>", NULL_OK,
	    ADDRESS_SYNTAX),
	GOOD("postmaster of a domain", "<postmaster@d>", POST_OK, "postmaster",
	     "d", ""),
	BAD("other lone word", "<root>", POST_OK, ADDRESS_SYNTAX),
	BAD("no bracket", "joe@d", 0, ADDRESS_SYNTAX),
	BAD("empty", "", NULL_OK, ADDRESS_SYNTAX),
	BAD("no end", "<joe@d", 0, ADDRESS_SYNTAX),
	BAD("no domain", "<joe@>", 0, ADDRESS_SYNTAX),
	BAD("no local part", "<@d>", 0, ADDRESS_SYNTAX),
	BAD("only at", "<@>", 0, ADDRESS_SYNTAX),
	BAD("blank inside", "<joe @d>", 0, ADDRESS_SYNTAX),
	BAD("blank in front", "< joe@d>", 0, ADDRESS_SYNTAX),
	BAD("comment", "<joe(x)@d>", 0, ADDRESS_SYNTAX),
	BAD("leading dot", "<.joe@d>", 0, ADDRESS_SYNTAX),
	BAD("trailing dot", "<joe.@d>", 0, ADDRESS_SYNTAX),
	BAD("two dots", "<j..oe@d>", 0, ADDRESS_SYNTAX),
	BAD("list", "<a@d,b@d>", 0, ADDRESS_SYNTAX),
	BAD("CR in an atom", "<jo\re@d>", 0, ADDRESS_SYNTAX),
	BAD("LF in the domain", "<joe@d\n>", 0, ADDRESS_SYNTAX),
	BAD("NUL in an atom", "<jo\0e@d>", 0, ADDRESS_SYNTAX),
	BAD("NUL in the domain", "<joe@d\0.org>", 0, ADDRESS_SYNTAX),
	BAD("NUL in a literal", "<joe@[127.0.0.1\0]>", 0, ADDRESS_SYNTAX),

	/* quoted */
	GOOD("needless quotes", "<\"joe\"@d>", 0, "joe", "d", ""),
	GOOD("pair", "<\"j\\o\\\"e\"@d>", 0, "jo\"e", "d", ""),
	GOOD("backslash", "<\"a\\\\\"@d>", 0, "a\\", "d", ""),
	GOOD("blank", "<\"a b\"@d>", 0, "a b", "d", ""),
	GOOD("brackets and at", "<\"a>@b<\"@d>", 0, "a>@b<", "d", ""),
	BAD("trailing backslash", "<\"a\\", 0, ADDRESS_SYNTAX),
	BAD("trailing backslash, quote", "<\"a\\\"@d>", 0, ADDRESS_SYNTAX),
	BAD("never closed", "<\"a@d>", 0, ADDRESS_SYNTAX),
	BAD("empty quotes", "<\"\"@d>", 0, ADDRESS_SYNTAX),
	BAD("quotes then atom", "<\"a\"b@d>", 0, ADDRESS_SYNTAX),
	BAD("CR quoted", "<\"a\rb\"@d>", 0, ADDRESS_SYNTAX),
	BAD("LF escaped", "<\"a\\\nb\"@d>", 0, ADDRESS_SYNTAX),
	BAD("CRLF quoted", "<\"a\r\nb\"@d>", 0, ADDRESS_SYNTAX),
	BAD("NUL quoted", "<\"a\0b\"@d>", 0, ADDRESS_SYNTAX),
	BAD("NUL escaped", "<\"a\\\0b\"@d>", 0, ADDRESS_SYNTAX),
	BAD("tab quoted", "<\"a\tb\"@d>", 0, ADDRESS_SYNTAX),
	BAD("DEL quoted", "<\"a\x7f\"@d>", 0, ADDRESS_SYNTAX),

	/* domains */
	GOOD("underscore", "<a@_x.b_c>", 0, "a", "_x.b_c", ""),
	BAD("trailing dot of domain", "<a@d.>", 0, ADDRESS_SYNTAX),
	BAD("leading dot of domain", "<a@.d>", 0, ADDRESS_SYNTAX),
	BAD("empty label", "<a@b..c>", 0, ADDRESS_SYNTAX),
	BAD("leading hyphen", "<a@-b.c>", 0, ADDRESS_SYNTAX),
	BAD("trailing hyphen", "<a@b-.c>", 0, ADDRESS_SYNTAX),
	GOOD("hyphen", "<a@b-c>", 0, "a", "b-c", ""),
	GOOD("IPv4 literal", "<a@[192.0.2.1]>", 0, "a", "[192.0.2.1]", ""),
	GOOD("IPv6 literal", "<a@[IPv6:2001:db8::1]>", 0, "a",
	     "[IPv6:2001:db8::1]", ""),
	BAD("IPv6 without tag", "<a@[2001:db8::1]>", 0, ADDRESS_SYNTAX),
	BAD("IPv6 garbage", "<a@[IPv6:zz::1]>", 0, ADDRESS_SYNTAX),
	BAD("IPv6 nothing", "<a@[IPv6:]>", 0, ADDRESS_SYNTAX),
	BAD("IPv6 of many colons", "<a@[IPv6::::::::::::]>", 0, ADDRESS_SYNTAX),
	BAD("IPv6 that is IPv4", "<a@[IPv6:192.0.2.1]>", 0, ADDRESS_SYNTAX),
	BAD("octet too big", "<a@[192.0.2.256]>", 0, ADDRESS_SYNTAX),
	BAD("empty literal", "<a@[]>", 0, ADDRESS_SYNTAX),
	BAD("open literal", "<a@[192.0.2.1>", 0, ADDRESS_SYNTAX),
	BAD("other tag", "<a@[x400:foo]>", 0, ADDRESS_SYNTAX),
	BAD("literal and more", "<a@[192.0.2.1].d>", 0, ADDRESS_SYNTAX),

	/* lengths: RFC 5321 4.5.3.1 */
	GOOD("64", "<" X64 "@d>", 0, X64, "d", ""),
	BAD("65", "<" X64 "x@d>", 0, ADDRESS_TOO_LONG),
	GOOD("65 by leave", "<" X64 "x@d>", ADDRESS_LONG_LOCAL, X64 "x", "d",
	     ""),
	GOOD("64 with pairs", "<\"\\\"" X63 "\"@d>", 0, "\"" X63, "d", ""),
	GOOD("label of 63", "<a@" X63 ".d>", 0, "a", X63 ".d", ""),
	BAD("label of 64", "<a@" X64 ".d>", 0, ADDRESS_TOO_LONG),
	GOOD("path of 256", /* 2 + 64 + 1 + 189 */
	     "<" X64 "@" X63 "." X63 "." X16 X16 X16 ".xxxxxxxxxxxx>", 0, X64,
	     X63 "." X63 "." X16 X16 X16 ".xxxxxxxxxxxx", ""),
	BAD("path of 257",
	    "<" X64 "@" X63 "." X63 "." X16 X16 X16 ".xxxxxxxxxxxxx>", 0,
	    ADDRESS_TOO_LONG),
	BAD("domain of 257", "<a@" X63 "." X63 "." X63 "." X63 ".x>", 0,
	    ADDRESS_TOO_LONG),

	/* S17, S18: routes */
	GOOD("route", "<@a,@b:u@d>", 0, "u", "d", ""),
	GOOD("route of one", "<@a.b:u@d>", 0, "u", "d", ""),
	GOOD("route of a literal", "<@[192.0.2.1]:u@d>", 0, "u", "d", ""),
	BAD("route without colon", "<@a,@b u@d>", 0, ADDRESS_SYNTAX),
	BAD("route and nothing", "<@a:>", NULL_OK, ADDRESS_SYNTAX),
	BAD("route with empty hop", "<@a,,@b:u@d>", 0, ADDRESS_SYNTAX),
	GOOD("percent", "<u%evil@us>", 0, "u%evil", "us", ""),
	GOOD("bang", "<evil!u@us>", 0, "evil!u", "us", ""),
	BAD("two ats", "<u@evil@us>", 0, ADDRESS_SYNTAX),
	GOOD("quoted at", "<\"u@evil\"@us>", 0, "u@evil", "us", ""),

	/* S20: strings and nothing else */
	GOOD("pipe", "<\"|id\"@d>", 0, "|id", "d", ""),
	GOOD("bare pipe", "<|id@d>", 0, "|id", "d", ""),
	GOOD("file", "</etc/passwd@d>", 0, "/etc/passwd", "d", ""),
	BAD("include", "<:include:/etc/passwd@d>", 0, ADDRESS_SYNTAX),
	GOOD("quoted include", "<\":include:/etc/passwd\"@d>", 0,
	     ":include:/etc/passwd", "d", ""),
	BAD("shell", "<;id;>", NULL_OK, ADDRESS_SYNTAX),
	GOOD("expansion", "<${run{id}}@d>", 0, "${run{id}}", "d", ""),
	GOOD("option", "<-oX@d>", 0, "-oX", "d", ""),

	/* RFC 6531 3.3 */
	GOOD("UTF-8", "<j\xc3\xb6@b\xc3\xbc.de>", UTF8, "j\xc3\xb6",
	     "b\xc3\xbc.de", ""),
	GOOD("UTF-8 quoted", "<\"\xe2\x82\xac u\"@d>", UTF8, "\xe2\x82\xac u",
	     "d", ""),
	BAD("UTF-8 not offered", "<j\xc3\xb6@d>", 0, ADDRESS_NON_ASCII),
	BAD("UTF-8 domain not offered", "<j@\xc3\xb6>", 0, ADDRESS_NON_ASCII),
	BAD("overlong", "<j\xc0\xaf@d>", UTF8, ADDRESS_SYNTAX),
	BAD("surrogate", "<j\xed\xa0\x80@d>", UTF8, ADDRESS_SYNTAX),
	BAD("Latin-1", "<j\xf6@d>", UTF8, ADDRESS_SYNTAX),
	BAD("Latin-1 not offered", "<j\xf6@d>", 0, ADDRESS_SYNTAX),
	BAD("non-ASCII and malformed", "<j\xc3\xb6@d\xff>", 0, ADDRESS_SYNTAX),
	BAD("non-ASCII and too long", "<j\xc3\xb6@" X64 ">", 0,
	    ADDRESS_TOO_LONG),
};

static void
paths(void **state UNUSED)
{
	struct arena a = ARENA_INIT(100000);

	for (size_t i = 0; i < N_OF(cases); i++) {
		const struct path_case *c = &cases[i];
		struct address addr = ADDRESS_NULL;
		struct str rest = STR_NONE;
		enum address_result r =
			address_parse_path(c->in, c->flags, &addr, &a, &rest);

		if (r != c->want)
			fail_msg("%s: %d", c->name, r);
		if (r != ADDRESS_OK) {
			assert_true(address_is_null(&addr));
			continue;
		}
		assert_str_eq(addr.local, c->local);
		assert_str_eq(addr.domain, c->domain);
		assert_str_eq(rest, c->rest);
	}
	arena_release(&a);
}

/* Copied into exact memory, so that the sanitizer sees a byte too far. */
static void
every_prefix_is_refused_without_reading_on(void **state UNUSED)
{
	struct arena a = ARENA_INIT(10000000);

	for (size_t i = 0; i < N_OF(cases); i++) {
		const struct path_case *c = &cases[i];
		size_t end = c->in.n - c->rest.n;

		for (size_t n = 0; n < end; n++) {
			char *copy = malloc(n + 1);
			struct address addr;
			struct str rest;

			memcpy(copy + 1, c->in.p, n);
			if (c->want == ADDRESS_OK)
				assert_int_not_equal(
					address_parse_path(str_of(copy + 1, n),
							   c->flags, &addr, &a,
							   &rest),
					ADDRESS_OK);
			else if (address_parse_path(str_of(copy + 1, n), 0,
						    &addr, &a,
						    &rest) == ADDRESS_OK)
				fail_msg("%s, %zu", c->name, n);
			free(copy);
		}
	}
	arena_release(&a);
}

static void
formatting_and_parsing_are_inverse(void **state UNUSED)
{
	static const struct {
		struct str local, domain, want;
	} formats[] = {
		{ STR_INIT("joe"), STR_INIT("d.e"), STR_INIT("joe@d.e") },
		{ STR_INIT("a b"), STR_INIT("d"), STR_INIT("\"a b\"@d") },
		{ STR_INIT("a\"\\"), STR_INIT("d"),
		  STR_INIT("\"a\\\"\\\\\"@d") },
		{ STR_INIT(".a"), STR_INIT("d"), STR_INIT("\".a\"@d") },
		{ STR_INIT("a."), STR_INIT("d"), STR_INIT("\"a.\"@d") },
		{ STR_INIT("u@evil"), STR_INIT("us"),
		  STR_INIT("\"u@evil\"@us") },
		{ STR_INIT("postmaster"), STR_INIT(""),
		  STR_INIT("postmaster") },
		{ STR_INIT(""), STR_INIT(""), STR_INIT("") },
	};
	struct arena a = ARENA_INIT(100000);

	for (size_t i = 0; i < N_OF(formats); i++) {
		struct address addr = { formats[i].local, formats[i].domain };
		struct address again;
		struct buf b = BUF_INIT(200);

		assert_int_equal(address_format(&b, &addr), OK);
		assert_str_eq(buf_str(&b), formats[i].want);
		assert_int_equal(address_parse(buf_str(&b), NULL_OK | POST_OK,
					       &again, &a),
				 ADDRESS_OK);
		assert_str_eq(again.local, addr.local);
		assert_str_eq(again.domain, addr.domain);
		buf_release(&b);
	}
	arena_release(&a);
}

static void
formatting_into_a_full_buffer_fails_at_each_length(void **state UNUSED)
{
	struct address addr = { S("a b\""), S("d") };

	for (size_t max = 0; max < sizeof("\"a b\\\"\"@d") - 1; max++) {
		struct buf b = BUF_INIT(max);

		assert_int_equal(address_format(&b, &addr), ERR_LIMIT);
		buf_release(&b);
	}
}

static void
plain_addresses_of_maps_and_logins(void **state UNUSED)
{
	static const struct {
		struct str in;
		unsigned flags;
		enum address_result want;
	} plain[] = {
		{ STR_INIT("joe@d.e"), 0, ADDRESS_OK },
		{ STR_INIT("\"a b\"@d.e"), 0, ADDRESS_OK },
		{ STR_INIT("joe"), 0, ADDRESS_SYNTAX },
		{ STR_INIT(""), 0, ADDRESS_SYNTAX },
		{ STR_INIT("@d.e"), 0, ADDRESS_SYNTAX },
		{ STR_INIT("<joe@d.e>"), 0, ADDRESS_SYNTAX },
		{ STR_INIT("joe@d.e "), 0, ADDRESS_SYNTAX },
		{ STR_INIT("joe@d.e\n"), 0, ADDRESS_SYNTAX },
		{ STR_INIT("joe@d\0"), 0, ADDRESS_SYNTAX },
		{ STR_INIT("j\xc3\xb6@d"), 0, ADDRESS_NON_ASCII },
		{ STR_INIT("j\xc3\xb6@d"), ADDRESS_UTF8, ADDRESS_OK },
		{ STR_INIT("@a:joe@d.e"), 0, ADDRESS_SYNTAX },
		{ STR_INIT(X64 "x@d"), 0, ADDRESS_TOO_LONG },
	};
	struct arena a = ARENA_INIT(10000);
	struct address addr;

	for (size_t i = 0; i < N_OF(plain); i++)
		assert_int_equal(
			address_parse(plain[i].in, plain[i].flags, &addr, &a),
			plain[i].want);
	arena_release(&a);
}

static void
domains(void **state UNUSED)
{
	assert_true(address_is_domain(S("mail.example.org"), 0));
	assert_true(address_is_domain(S("localhost"), 0));
	assert_true(address_is_domain(S("[127.0.0.1]"), 0));
	assert_false(address_is_domain(S("[127.0.0.1] "), 0));
	assert_false(address_is_domain(S(""), 0));
	assert_false(address_is_domain(S("a b"), 0));
	assert_false(address_is_domain(S("../etc"), 0));
	assert_false(address_is_domain(S("b\xc3\xbc.de"), 0));
	assert_true(address_is_domain(S("b\xc3\xbc.de"), ADDRESS_UTF8));
	assert_true(address_is_domain(
		S(X63 "." X63 "." X63 "." X16 X16 X16 "xxxxxxxxxxxxxxx"), 0));
	assert_false(address_is_domain(S(X63 "." X63 "." X63 "." X63 ".x"), 0));
}

/* S17: linear, and no recursion to overflow. */
static void
bombs_end_soon(void **state UNUSED)
{
	static const struct str units[] = {
		STR_INIT("("),	STR_INIT("\\"),	 STR_INIT(","),
		STR_INIT("\""), STR_INIT("@a,"), STR_INIT("<"),
		STR_INIT("a."), STR_INIT("["),	 STR_INIT("\\\""),
		STR_INIT("@"),
	};
	enum { N = 100000 };
	struct arena a = ARENA_INIT(4000000);

	for (size_t i = 0; i < N_OF(units); i++) {
		for (int quoted = 0; quoted < 2; quoted++) {
			struct buf b = BUF_INIT(10 * N);
			struct address addr;
			struct str rest;

			buf_put(&b, quoted ? S("<\"") : S("<"));
			for (size_t n = 0; n < N; n++)
				buf_put(&b, units[i]);
			buf_put(&b, S("u@d>"));
			assert_int_not_equal(address_parse_path(buf_str(&b), 0,
								&addr, &a,
								&rest),
					     ADDRESS_OK);
			buf_release(&b);
		}
	}
	arena_release(&a);
}

static void
a_full_arena_is_told_from_a_bad_address(void **state UNUSED)
{
	struct arena none = ARENA_INIT(0);
	struct address addr;
	struct str rest;

	assert_int_equal(
		address_parse_path(S("<\"a\\b\"@d>"), 0, &addr, &none, &rest),
		ADDRESS_NO_MEMORY);
	assert_int_equal(
		address_parse_path(S("<\"a b\"@d>"), 0, &addr, &none, &rest),
		ADDRESS_OK);
}

static void
test_host_names(void **state UNUSED)
{
	static const struct {
		struct str name;
		bool is_host;
	} names[] = {
		{ STR_INIT("mx"), true },
		{ STR_INIT("a.b-c.d_e.9"), true },
		{ STR_INIT("b\xc3\xbc"
			   "cher.example"),
		  true },
		{ STR_INIT(""), false },
		{ STR_INIT("a."), false },
		{ STR_INIT(".a"), false },
		{ STR_INIT("a..b"), false },
		{ STR_INIT("-a"), false },
		{ STR_INIT("a b"), false },
		{ STR_INIT("a\0b"), false },
		{ STR_INIT("[1.2.3.4]"), false },
		{ STR_INIT("a:25"), false },
	};
	char long_one[256];

	for (size_t i = 0; i < N_OF(names); i++)
		if (address_is_host(names[i].name) != names[i].is_host)
			fail_msg("%.*s", STR(names[i].name));
	memset(long_one, 'a', sizeof(long_one));
	assert_true(address_is_host(str_of(long_one, 63)));
	assert_false(address_is_host(str_of(long_one, 64)));
	for (size_t i = 50; i < sizeof(long_one); i += 51)
		long_one[i] = '.';
	assert_true(address_is_host(str_of(long_one, 253)));
	assert_false(address_is_host(str_of(long_one, 254)));
}

static void
test_sides_of_the_last_at(void **state UNUSED)
{
	static const struct {
		struct str text, local, domain;
	} sides[] = {
		{ STR_INIT("a@b"), STR_INIT("a"), STR_INIT("b") },
		{ STR_INIT("\"a@b\"@c"), STR_INIT("\"a@b\""), STR_INIT("c") },
		{ STR_INIT("@c"), STR_INIT(""), STR_INIT("c") },
		{ STR_INIT("a@"), STR_INIT("a"), STR_INIT("") },
		{ STR_INIT("postmaster"), STR_INIT("postmaster"),
		  STR_INIT("") },
		{ STR_INIT(""), STR_INIT(""), STR_INIT("") },
	};

	for (size_t i = 0; i < N_OF(sides); i++) {
		assert_str_eq(address_local_of(sides[i].text), sides[i].local);
		assert_str_eq(address_domain_of(sides[i].text),
			      sides[i].domain);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths),
		cmocka_unit_test(every_prefix_is_refused_without_reading_on),
		cmocka_unit_test(formatting_and_parsing_are_inverse),
		cmocka_unit_test(
			formatting_into_a_full_buffer_fails_at_each_length),
		cmocka_unit_test(plain_addresses_of_maps_and_logins),
		cmocka_unit_test(domains),
		cmocka_unit_test(bombs_end_soon),
		cmocka_unit_test(a_full_arena_is_told_from_a_bad_address),
		cmocka_unit_test(test_sides_of_the_last_at),
		cmocka_unit_test(test_host_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
