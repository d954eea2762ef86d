/* SPDX-License-Identifier: MIT
 * lib/mail/xclient_test.c - after Postfix's XCLIENT_README (S25). */
#include "lib/mail/xclient.c"

#include "tests/unit/unit.h"

static const struct {
	const char *name;
	struct str in;
	enum err want;
	enum xclient_name which;
	enum xclient_state state;
	const char *value;
} cases[] = {
	{ "example of the README",
	  STR_INIT("NAME=spike.porcupine.org ADDR=168.100.189.2"), OK,
	  XCLIENT_ADDR, XCLIENT_GIVEN, "168.100.189.2" },
	{ "name", STR_INIT("NAME=spike.porcupine.org ADDR=168.100.189.2"), OK,
	  XCLIENT_NAME, XCLIENT_GIVEN, "spike.porcupine.org" },
	{ "any case", STR_INIT("helo=spike proto=Smtp"), OK, XCLIENT_HELO,
	  XCLIENT_GIVEN, "spike" },
	{ "ipv6", STR_INIT("ADDR=IPV6:2001:db8::1"), OK, XCLIENT_ADDR,
	  XCLIENT_GIVEN, "2001:db8::1" },
	{ "unavailable", STR_INIT("NAME=[UNAVAILABLE]"), OK, XCLIENT_NAME,
	  XCLIENT_UNAVAILABLE, "" },
	{ "not now", STR_INIT("REVERSE_NAME=[TEMPUNAVAIL]"), OK,
	  XCLIENT_REVERSE_NAME, XCLIENT_TEMPUNAVAIL, "" },
	{ "xtext", STR_INIT("LOGIN=joe+2Bx@example.org"), OK, XCLIENT_LOGIN,
	  XCLIENT_GIVEN, "joe+x@example.org" },
	{ "port", STR_INIT("PORT=65535 DESTPORT=25"), OK, XCLIENT_DESTPORT,
	  XCLIENT_GIVEN, "25" },
	{ "not given", STR_INIT("PORT=1"), OK, XCLIENT_LOGIN, XCLIENT_NOT_GIVEN,
	  "" },
	{ "port too big", STR_INIT("PORT=65536"), ERR_FORMAT, 0, 0, "" },
	{ "port empty", STR_INIT("PORT="), ERR_FORMAT, 0, 0, "" },
	{ "address in brackets", STR_INIT("ADDR=[192.0.2.1]"), ERR_FORMAT, 0, 0,
	  "" },
	{ "no address", STR_INIT("ADDR=example.org"), ERR_FORMAT, 0, 0, "" },
	{ "address with garbage", STR_INIT("ADDR=192.0.2.1+00"), ERR_FORMAT, 0,
	  0, "" },
	{ "line in a login", STR_INIT("LOGIN=a+0D+0Ab"), ERR_FORMAT, 0, 0, "" },
	{ "control in a login", STR_INIT("LOGIN=a+01b"), ERR_FORMAT, 0, 0, "" },
	{ "blank in helo", STR_INIT("HELO=a+20b"), ERR_FORMAT, 0, 0, "" },
	{ "literal as a name", STR_INIT("NAME=[192.0.2.1]"), ERR_FORMAT, 0, 0,
	  "" },
	{ "other protocol", STR_INIT("PROTO=LMTP"), ERR_FORMAT, 0, 0, "" },
	{ "twice", STR_INIT("PORT=1 PORT=2"), ERR_FORMAT, 0, 0, "" },
	{ "unknown attribute", STR_INIT("COLOUR=red"), ERR_FORMAT, 0, 0, "" },
	{ "no value", STR_INIT("NAME"), ERR_FORMAT, 0, 0, "" },
	{ "nothing", STR_INIT(""), ERR_FORMAT, 0, 0, "" },
	{ "bad xtext", STR_INIT("HELO=a+2"), ERR_FORMAT, 0, 0, "" },
};

static void
test_cases(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena arena;
		struct xclient x;

		print_message("%s\n", cases[i].name);
		arena_init(&arena, 4096);
		assert_int_equal(xclient_parse(cases[i].in, &arena, &x),
				 cases[i].want);
		if (cases[i].want == OK) {
			assert_int_equal(x.attributes[cases[i].which].state,
					 cases[i].state);
			if (cases[i].state == XCLIENT_GIVEN)
				assert_true(str_eq(
					x.attributes[cases[i].which].value,
					str_c(cases[i].value)));
		}
		for (size_t n = 0; n < cases[i].in.n; n++)
			(void)!xclient_parse(str_first(cases[i].in, n), &arena,
					     &x);
		arena_release(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
