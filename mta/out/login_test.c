/* SPDX-License-Identifier: MIT
 * mta/out/login_test.c - the examples of the RFCs; servers that lie. */
#include "mta/out/login.c"

#include "tests/unit/unit.h"

#define NONCE "rOprNGfwEbeRWgbNEkqO"
#define SERVER_FIRST                                            \
	"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0," \
	"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"

static enum err
step(struct login *l, struct str challenge, const char *want)
{
	struct buf out = BUF_INIT(LOGIN_MAX_OCTETS);
	enum err e = login_answer(l, challenge, &out);

	if (e == OK)
		assert_str_eq(buf_str(&out), str_c(want));
	buf_release(&out);
	return e;
}

/* RFC 7677 3. */
static void
test_scram(void **state UNUSED)
{
	static const struct str bad[] = {
		STR_INIT("v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="),
		STR_INIT("v="),
		STR_INIT("e=other-error"),
		STR_INIT(""),
	};
	struct login l;

	for (size_t i = 0; i <= N_OF(bad); i++) {
		login_init(&l, LOGIN_SCRAM, S("user"), S("pencil"), NONCE);
		assert_true(login_begins(&l));
		assert_int_equal(step(&l, S(""), "n,,n=user,r=" NONCE), OK);
		assert_int_equal(
			step(&l, S(SERVER_FIRST),
			     "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfux"
			     "FIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgs"
			     "qmmiz7AndVQ="),
			OK);
		assert_false(l.is_server_proved);
		if (i < N_OF(bad)) {
			assert_int_equal(step(&l, bad[i], ""), ERR_REFUSED);
			assert_false(l.is_server_proved);
		} else {
			assert_int_equal(step(&l,
					      S("v=6rriTRBi23WpRR/wtup+mMhUZUn/"
						"dB5nLTJRsjl95G4="),
					      ""),
					 OK);
			assert_true(l.is_server_proved);
		}
		login_release(&l);
	}
}

static void
test_scram_challenges(void **state UNUSED)
{
	static const struct str bad[] = {
		STR_INIT(""),
		STR_INIT("r=" NONCE ",s=QQ==,i=4096"), // nothing added
		STR_INIT("r=someothernonce12345,s=QQ==,i=4096"),
		STR_INIT("r=" NONCE "x,s=QQ==,i=0"),
		STR_INIT("r=" NONCE "x,s=QQ==,i=100001"),
		STR_INIT("r=" NONCE "x,s=QQ==,i=99999999999999999999"),
		STR_INIT("r=" NONCE "x,s=Q,i=4096"),
		STR_INIT("r=" NONCE "x,s=,i=4096"),
		STR_INIT("r=" NONCE "x,i=4096,s=QQ=="),
		STR_INIT("m=x,r=" NONCE "x,s=QQ==,i=4096"), // 5802 5.1
	};

	for (size_t i = 0; i < N_OF(bad); i++) {
		struct login l;

		print_message("%.*s\n", STR(bad[i]));
		login_init(&l, LOGIN_SCRAM, S("a=b,c"), S("p"), NONCE);
		assert_int_equal(step(&l, S(""), "n,,n=a=3Db=2Cc,r=" NONCE),
				 OK);
		assert_int_equal(step(&l, bad[i], ""), ERR_FORMAT);
		login_release(&l);
	}
}

/* RFC 4616 4, RFC 2195 2. */
static void
test_others(void **state UNUSED)
{
	struct login l;
	struct buf out = BUF_INIT(LOGIN_MAX_OCTETS);

	login_init(&l, LOGIN_PLAIN, S("tim"), S("tanstaaftanstaaf"), "");
	assert_int_equal(login_answer(&l, S(""), &out), OK);
	assert_str_eq(buf_str(&out), S("\0tim\0tanstaaftanstaaf"));
	assert_int_equal(step(&l, S("more"), ""), ERR_FORMAT);
	login_release(&l);
	buf_release(&out);

	login_init(&l, LOGIN_CRAM, S("tim"), S("tanstaaftanstaaf"), "");
	assert_false(login_begins(&l));
	assert_int_equal(step(&l,
			      S("<1896.697170952@postoffice.reston.mci.net>"),
			      "tim b913a602c7eda7a495b4e6e7334d3890"),
			 OK);
	login_release(&l);

	login_init(&l, LOGIN_LOGIN, S("u"), S("p"), "");
	assert_int_equal(step(&l, S("Username:"), "u"), OK);
	assert_int_equal(step(&l, S("Password:"), "p"), OK);
	assert_int_equal(step(&l, S("Again:"), ""), ERR_FORMAT);
	login_release(&l);

	login_init(&l, LOGIN_PLAIN, S("u"), S("p\0q"), "");
	assert_int_equal(step(&l, S(""), ""), ERR_REFUSED);
	login_release(&l);
}

static void
test_choice(void **state UNUSED)
{
	static const struct {
		struct str words, filter;
		bool is_tls;
		enum login_mechanism want;
	} cases[] = {
		{ STR_INIT("LOGIN plain CRAM-MD5"), STR_INIT(""), true,
		  LOGIN_PLAIN },
		{ STR_INIT("LOGIN PLAIN CRAM-MD5"), STR_INIT(""), false,
		  LOGIN_CRAM },
		{ STR_INIT("CRAM-MD5 SCRAM-SHA-256"), STR_INIT(""), true,
		  LOGIN_SCRAM },
		{ STR_INIT("LOGIN PLAIN"), STR_INIT("!plain, static:rest"),
		  true, LOGIN_LOGIN },
		{ STR_INIT("LOGIN PLAIN"), STR_INIT("login"), true,
		  LOGIN_LOGIN },
		{ STR_INIT("LOGIN PLAIN"), STR_INIT("cram-md5"), true,
		  LOGIN_NONE },
		{ STR_INIT("GSSAPI XOAUTH2"), STR_INIT(""), true, LOGIN_NONE },
		{ STR_INIT("SCRAM-SHA-256-PLUS"), STR_INIT(""), true,
		  LOGIN_NONE },
	};

	for (size_t i = 0; i < N_OF(cases); i++)
		assert_int_equal(login_choose(login_offers(cases[i].words),
					      cases[i].filter, cases[i].is_tls),
				 cases[i].want);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scram),
		cmocka_unit_test(test_scram_challenges),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_choice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
