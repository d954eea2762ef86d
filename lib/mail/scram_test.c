/* SPDX-License-Identifier: MIT
 * lib/mail/scram_test.c - the exchange of RFC 7677 3, secrets that doveadm
 * 2.3.19 made, and clients that lie (A03, A07). */
#include "lib/mail/scram.c"

#include "tests/unit/unit.h"

/* RFC 7677 3: user "user", password "pencil". */
#define FIRST "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
#define SERVER_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define CHALLENGE                                           \
	"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF" \
	"$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define LAST_BEGIN                                                 \
	"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF" \
	"$k0,p="
#define PROOF "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define SERVER_LAST "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static struct {
	struct arena arena;
	struct scram_secret secret;
	struct scram_first first;
	struct buf out;
} t;

static int
begin(void **state UNUSED)
{
	struct buf salt = BUF_INIT(64);

	arena_init(&t.arena, 65536);
	t.out = (struct buf)BUF_INIT(4096);
	assert_int_equal(base64_decode(&salt, S("W22ZaJ0SNY7soEsUEjb6gQ==")),
			 OK);
	assert_true(scram_secret_make(S("pencil"), buf_str(&salt), 4096,
				      &t.secret));
	assert_int_equal(
		scram_first_parse(S(FIRST), false, false, &t.arena, &t.first),
		SCRAM_OK);
	buf_release(&salt);
	return 0;
}

static int
end(void **state UNUSED)
{
	arena_release(&t.arena);
	buf_release(&t.out);
	return 0;
}

static void
test_exchange_of_the_rfc(void **state UNUSED)
{
	assert_true(str_eq(t.first.user, S("user")));
	assert_int_equal(
		scram_challenge(&t.out, &t.first, S(SERVER_NONCE), &t.secret),
		OK);
	assert_true(str_eq(buf_str(&t.out), S(CHALLENGE)));
	buf_clear(&t.out);
	assert_int_equal(scram_verify(S(LAST_BEGIN PROOF), &t.first,
				      S(CHALLENGE), S(""), &t.secret, &t.out),
			 SCRAM_OK);
	assert_true(str_eq(buf_str(&t.out), S(SERVER_LAST)));
}

static void
test_secret_of_doveadm(void **state UNUSED)
{
	static const struct str text =
		STR_INIT("4096,kLiUbLU0rNwHvsYLme4iKg==,jrRSCKYXdErnUlZfZ5ZdZy"
			 "N8GvkxBAN6IFrtlcarGHQ=,qzU0dueMA3uxt53ET6+XGp9XWhSE"
			 "fUoxUpGCPGLJOdI=");
	struct scram_secret read, made;

	assert_true(scram_secret_read(text, &read));
	assert_true(scram_secret_make(S("secret p\xc3\xa4ssword"),
				      str_of(read.salt, read.n_salt),
				      read.iterations, &made));
	assert_memory_equal(made.stored_key, read.stored_key, 32);
	assert_memory_equal(made.server_key, read.server_key, 32);
	assert_int_equal(scram_secret_format(&t.out, &made), OK);
	assert_true(str_eq(buf_str(&t.out), text));
	for (size_t n = 0; n < text.n; n++)
		assert_false(scram_secret_read(str_first(text, n), &read));
}

static void
test_bad_secrets(void **state UNUSED)
{
	static const struct str bad[] = {
		STR_INIT(""),
		STR_INIT("0,AA==,AA==,AA=="),
		STR_INIT("4096,AA==,AA==,AA=="),
		STR_INIT("1000001,AA==,AA==,AA=="),
		STR_INIT("-1,AA==,AA==,AA=="),
	};
	struct scram_secret s;

	for (size_t i = 0; i < N_OF(bad); i++)
		assert_false(scram_secret_read(bad[i], &s));
}

static const struct {
	const char *name;
	struct str message;
	bool is_plus, is_offered;
	enum scram_result want;
	const char *user;
} firsts[] = {
	{ "plain", STR_INIT("n,,n=user,r=abc"), false, false, SCRAM_OK,
	  "user" },
	{ "plain where -PLUS is offered", STR_INIT("n,,n=user,r=abc"), false,
	  true, SCRAM_OK, "user" },
	{ "y where none is offered", STR_INIT("y,,n=user,r=abc"), false, false,
	  SCRAM_OK, "user" },
	{ "y although it is offered: a downgrade", STR_INIT("y,,n=user,r=abc"),
	  false, true, SCRAM_WRONG, "" },
	{ "exporter", STR_INIT("p=tls-exporter,,n=user,r=abc"), true, true,
	  SCRAM_OK, "user" },
	{ "end point", STR_INIT("p=tls-server-end-point,,n=user,r=abc"), true,
	  true, SCRAM_OK, "user" },
	{ "unknown binding", STR_INIT("p=tls-unique,,n=user,r=abc"), true, true,
	  SCRAM_WRONG, "" },
	{ "binding without -PLUS", STR_INIT("p=tls-exporter,,n=user,r=abc"),
	  false, true, SCRAM_MALFORMED, "" },
	{ "-PLUS without binding", STR_INIT("n,,n=user,r=abc"), true, true,
	  SCRAM_MALFORMED, "" },
	{ "escapes", STR_INIT("n,,n=a=2Cb=3Dc,r=abc"), false, false, SCRAM_OK,
	  "a,b=c" },
	{ "other escape", STR_INIT("n,,n=a=2cb,r=abc"), false, false,
	  SCRAM_MALFORMED, "" },
	{ "escape cut short", STR_INIT("n,,n=a=2,r=abc"), false, false,
	  SCRAM_MALFORMED, "" },
	{ "same authzid", STR_INIT("n,a=user,n=user,r=abc"), false, false,
	  SCRAM_OK, "user" },
	{ "other authzid", STR_INIT("n,a=root,n=user,r=abc"), false, false,
	  SCRAM_WRONG, "" },
	{ "bad authzid", STR_INIT("n,user,n=user,r=abc"), false, false,
	  SCRAM_MALFORMED, "" },
	{ "extension", STR_INIT("n,,n=user,r=abc,x=y"), false, false, SCRAM_OK,
	  "user" },
	{ "mandatory extension", STR_INIT("n,,m=x,n=user,r=abc"), false, false,
	  SCRAM_MALFORMED, "" },
	{ "no nonce", STR_INIT("n,,n=user"), false, false, SCRAM_MALFORMED,
	  "" },
	{ "empty nonce", STR_INIT("n,,n=user,r="), false, false,
	  SCRAM_MALFORMED, "" },
	{ "blank in the nonce", STR_INIT("n,,n=user,r=a b"), false, false,
	  SCRAM_MALFORMED, "" },
	{ "empty user", STR_INIT("n,,n=,r=abc"), false, false, SCRAM_MALFORMED,
	  "" },
	{ "NUL in the user", STR_INIT("n,,n=a\0b,r=abc"), false, false,
	  SCRAM_MALFORMED, "" },
	{ "no UTF-8", STR_INIT("n,,n=\xff,r=abc"), false, false,
	  SCRAM_MALFORMED, "" },
	{ "empty", STR_INIT(""), false, false, SCRAM_MALFORMED, "" },
};

static void
test_first_messages(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(firsts); i++) {
		struct scram_first f;

		print_message("%s\n", firsts[i].name);
		assert_int_equal(
			scram_first_parse(firsts[i].message, firsts[i].is_plus,
					  firsts[i].is_offered, &t.arena, &f),
			firsts[i].want);
		if (firsts[i].want == SCRAM_OK)
			assert_true(str_eq(f.user, str_c(firsts[i].user)));
		for (size_t n = 0; n < firsts[i].message.n; n++)
			(void)!scram_first_parse(
				str_first(firsts[i].message, n),
				firsts[i].is_plus, firsts[i].is_offered,
				&t.arena, &f);
	}
}

static void
test_last_messages_that_lie(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct str message;
		enum scram_result want;
	} cases[] = {
		{ "other proof",
		  STR_INIT(LAST_BEGIN
			   "eHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
		  SCRAM_WRONG },
		{ "short proof", STR_INIT(LAST_BEGIN "dHzb"), SCRAM_MALFORMED },
		{ "no proof",
		  STR_INIT("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxF"
			   "Ilj)hNlF$k0"),
		  SCRAM_MALFORMED },
		{ "other nonce",
		  STR_INIT("c=biws,r=rOprNGfwEbeRWgbNEkqO,p=" PROOF),
		  SCRAM_WRONG },
		{ "header of y",
		  STR_INIT("c=eSws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxF"
			   "Ilj)hNlF$k0,p=" PROOF),
		  SCRAM_WRONG },
		{ "empty", STR_INIT(""), SCRAM_MALFORMED },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		print_message("%s\n", cases[i].name);
		assert_int_equal(scram_verify(cases[i].message, &t.first,
					      S(CHALLENGE), S(""), &t.secret,
					      &t.out),
				 cases[i].want);
		assert_int_equal(t.out.n, 0);
	}
	for (size_t n = 0; n < sizeof(LAST_BEGIN PROOF) - 1; n++)
		assert_int_not_equal(
			scram_verify(str_first(S(LAST_BEGIN PROOF), n),
				     &t.first, S(CHALLENGE), S(""), &t.secret,
				     &t.out),
			SCRAM_OK);
}

/* A proof that is right, of a client that saw another channel. */
static void
test_binding_must_be_ours(void **state UNUSED)
{
	struct buf all = BUF_INIT(4096), last = BUF_INIT(4096);
	struct buf bound = BUF_INIT(4096);
	uint8_t salted[32], client[32], stored[32], proof[32];
	struct str challenge = S("r=abcdef,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");

	assert_int_equal(scram_first_parse(S("p=tls-exporter,,n=user,r=abc"),
					   true, true, &t.arena, &t.first),
			 SCRAM_OK);
	buf_put(&bound, S("p=tls-exporter,,channel"));
	buf_put(&last, S("c="));
	assert_int_equal(base64_encode(&last, buf_str(&bound)), OK);
	buf_put(&last, S(",r=abcdef"));
	buf_putf(&all, "n=user,r=abc,%.*s,%.*s", STR(challenge),
		 STR(buf_str(&last)));
	PKCS5_PBKDF2_HMAC("pencil", 6, t.secret.salt, (int)t.secret.n_salt,
			  4096, EVP_sha256(), 32, salted);
	hmac(salted, S("Client Key"), client);
	digest(client, stored);
	hmac(stored, buf_str(&all), proof);
	for (int i = 0; i < 32; i++)
		proof[i] ^= client[i];
	buf_put(&last, S(",p="));
	assert_int_equal(base64_encode(&last, str_of(proof, 32)), OK);
	assert_int_equal(scram_verify(buf_str(&last), &t.first, challenge,
				      S("channel"), &t.secret, &t.out),
			 SCRAM_OK);
	buf_clear(&t.out);
	assert_int_equal(scram_verify(buf_str(&last), &t.first, challenge,
				      S("chanNel"), &t.secret, &t.out),
			 SCRAM_WRONG);
	assert_int_equal(scram_verify(buf_str(&last), &t.first, challenge,
				      S(""), &t.secret, &t.out),
			 SCRAM_WRONG);
	buf_release(&all);
	buf_release(&last);
	buf_release(&bound);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_exchange_of_the_rfc),
		T(test_secret_of_doveadm),
		T(test_bad_secrets),
		T(test_first_messages),
		T(test_last_messages_that_lie),
		T(test_binding_must_be_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
