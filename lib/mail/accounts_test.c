/* SPDX-License-Identifier: MIT
 * lib/mail/accounts_test.c */
#include "lib/mail/accounts.c"

#include "tests/unit/unit.h"

/* A whole SHA512-CRYPT hash is $6$salt$ and 86 characters (crypt(5)). */
#define D86                                                                    \
	"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggg" \
	"gghhhhhhhhhhiiiiii"
#define D86B                                                                   \
	"zaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggg" \
	"gghhhhhhhhhhiiiiii"

static struct arena arena;
static struct diag diag;
static struct accounts got;

static enum err
parse(struct str bytes)
{
	arena_release(&arena);
	diag_release(&diag);
	arena_init(&arena, 1 << 20);
	diag_init(&diag, 1 << 20);
	return accounts_parse(&arena, S("accounts.cf"), bytes, &diag, &got);
}

static int
release(void **state UNUSED)
{
	arena_release(&arena);
	diag_release(&diag);
	return 0;
}

static void
the_three_fields_are_cut_at_the_first_two_bars(void **state UNUSED)
{
	assert_int_equal(
		parse(S("# comment\n\n"
			"User1@Localhost.localdomain|{SHA512-CRYPT}$6$s$" D86
			"\r\n"
			"user3@localhost.localdomain|{SHA512-CRYPT}$6$s$" D86B
			"|userdb_mail=mbox:~/mail:INBOX=~/inbox|x=y")),
		OK);
	assert_int_equal(diag.n_errors + diag.n_warnings, 0);
	assert_int_equal(got.n, 2);
	assert_str(got.list[0].login, "user1@localhost.localdomain");
	assert_str(got.list[0].local, "user1");
	assert_str(got.list[0].domain, "localhost.localdomain");
	assert_str(got.list[0].hash, "$6$s$" D86);
	assert_str(got.list[0].extra, "");
	assert_int_equal(got.list[0].line, 3);
	assert_str(got.list[1].extra,
		   "userdb_mail=mbox:~/mail:INBOX=~/inbox|x=y");
	assert_int_equal(got.list[1].line, 4);
}

static void
schemes_are_recognised(void **state UNUSED)
{
	static const struct {
		struct str in;
		bool ok;
		enum account_scheme want;
		struct str hash;
	} cases[] = {
		{ STR_INIT("{SHA512-CRYPT}$6$x"), true, ACCOUNT_SHA512_CRYPT,
		  STR_INIT("$6$x") },
		{ STR_INIT("{sha512-crypt}$6$x"), true, ACCOUNT_SHA512_CRYPT,
		  STR_INIT("$6$x") },
		{ STR_INIT("$6$x"), true, ACCOUNT_SHA512_CRYPT,
		  STR_INIT("$6$x") },
		{ STR_INIT("$y$j9T$x"), true, ACCOUNT_CRYPT,
		  STR_INIT("$y$j9T$x") },
		{ STR_INIT("{SHA256-CRYPT}$5$x"), true, ACCOUNT_SHA256_CRYPT,
		  STR_INIT("$5$x") },
		{ STR_INIT("{CRYPT}$7$x"), true, ACCOUNT_CRYPT,
		  STR_INIT("$7$x") },
		{ STR_INIT("{BLF-CRYPT}$2y$x"), true, ACCOUNT_BLF_CRYPT,
		  STR_INIT("$2y$x") },
		{ STR_INIT("{MD5-CRYPT}$1$x"), true, ACCOUNT_MD5_CRYPT,
		  STR_INIT("$1$x") },
		{ STR_INIT("{SSHA}x"), true, ACCOUNT_SSHA, STR_INIT("x") },
		{ STR_INIT("{SSHA256}x"), true, ACCOUNT_SSHA256,
		  STR_INIT("x") },
		{ STR_INIT("{SSHA512}x"), true, ACCOUNT_SSHA512,
		  STR_INIT("x") },
		{ STR_INIT("{PLAIN}p{}q"), true, ACCOUNT_PLAIN,
		  STR_INIT("p{}q") },
		{ STR_INIT("{SCRAM-SHA-256}4096,s,k,k"), true,
		  ACCOUNT_SCRAM_SHA_256, STR_INIT("4096,s,k,k") },
		{ STR_INIT("{NTLM}x"), false, 0, STR_INIT("") },
		{ STR_INIT("{}x"), false, 0, STR_INIT("") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		enum account_scheme scheme;
		struct str hash;

		assert_int_equal(account_scheme_of(cases[i].in, &scheme, &hash),
				 cases[i].ok);
		if (!cases[i].ok)
			continue;
		assert_int_equal(scheme, cases[i].want);
		assert_str_eq(hash, cases[i].hash);
	}
}

static void
bad_lines_are_errors_that_say_what_to_write(void **state UNUSED)
{
	static const struct {
		struct str in;
		struct str says;
	} cases[] = {
		{ STR_INIT("user1"), STR_INIT("no '|'") },
		{ STR_INIT("user1|$6$x"), STR_INIT("no '@'") },
		{ STR_INIT("@d.e|$6$x"), STR_INIT("before the '@'") },
		{ STR_INIT("a@|$6$x"), STR_INIT("not a host name") },
		{ STR_INIT("a@b@c|$6$x"), STR_INIT("not a host name") },
		{ STR_INIT("a@../../x|$6$x"), STR_INIT("not a host name") },
		{ STR_INIT("..@d.e|$6$x"), STR_INIT("dot") },
		{ STR_INIT("../x@d.e|$6$x"), STR_INIT("dot") },
		{ STR_INIT("x/y@d.e|$6$x"), STR_INIT("'/'") },
		{ STR_INIT(" a@d.e|$6$x"), STR_INIT("blank") },
		{ STR_INIT("a\0@d.e|$6$x"), STR_INIT("control") },
		{ STR_INIT("a@d.e|"), STR_INIT("no hash") },
		{ STR_INIT("a@d.e|{SHA512-CRYPT}"), STR_INIT("no hash") },
		{ STR_INIT("a@d.e|{ROT13}x"), STR_INIT("scheme") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		assert_int_equal(parse(cases[i].in), OK);
		assert_int_equal(got.n, 0);
		assert_int_equal(diag.n_errors, 1);
		assert_int_equal(diag.first->line, 1);
		if (str_find(diag.first->text, cases[i].says) < 0)
			fail_msg("case %zu: %.*s", i, STR(diag.first->text));
	}
}

static void
a_login_with_two_passwords_is_an_error_naming_both(void **state UNUSED)
{
	assert_int_equal(parse(S("a@d.e|$6$s$" D86 "\n"
				 "b@d.e|$6$t$" D86 "\n"
				 "A@D.E|$6$u$" D86 "\n")),
			 OK);
	assert_int_equal(got.n, 2);
	assert_int_equal(diag.n_errors, 1);
	assert_int_equal(diag.first->line, 3);
	assert_true(str_find(diag.first->text, S("lines 1 and 3")) >= 0);
}

static void
a_repeated_line_is_skipped_with_a_warning(void **state UNUSED)
{
	assert_int_equal(parse(S("a@d.e|$6$s$" D86 "\na@d.e|$6$s$" D86 "\n")),
			 OK);
	assert_int_equal(got.n, 1);
	assert_int_equal(diag.n_errors, 0);
	assert_int_equal(diag.n_warnings, 1);
}

static void
a_hash_shared_by_two_is_warned_of_but_not_shown(void **state UNUSED)
{
	assert_int_equal(parse(S("a@d.e|$6$s$" D86 "\nb@d.e|$6$s$" D86 "\n")),
			 OK);
	assert_int_equal(got.n, 2);
	assert_int_equal(diag.n_warnings, 1);
	assert_true(str_find(diag.first->text, S("identical hash")) >= 0);
	assert_true(str_find(diag.first->text, S("$6$")) < 0);
}

static void
many_with_one_hash_are_counted(void **state UNUSED)
{
	struct buf text = BUF_INIT(1 << 20);

	for (int i = 0; i < 1000; i++)
		buf_putf(&text, "user%d@d.e|{SHA512-CRYPT}$6$salt$%s\n", i,
			 "abcdefghijabcdefghijabcdefghijabcdefghijabcd"
			 "efghijabcdefghijabcdefghijabcdefghijabcdef");
	assert_int_equal(parse(buf_str(&text)), OK);
	assert_int_equal(got.n, 1000);
	assert_int_equal(diag.n_warnings, 11);
	assert_true(str_find(diag.last->text, S("989 accounts more")) >= 0);
	assert_int_equal(diag.last->line, 1000);
	buf_release(&text);
}

static void
a_cut_hash_and_a_clear_password_are_warned_of(void **state UNUSED)
{
	assert_int_equal(parse(S("a@d.e|{SHA512-CRYPT}$6$salt$abc\n"
				 "b@d.e|{PLAIN}secret\n"
				 "c@d.e|{MD5-CRYPT}$6$x\n")),
			 OK);
	assert_int_equal(got.n, 3);
	assert_int_equal(diag.n_warnings, 3);
	assert_true(str_find(diag.first->next->text, S("secret")) < 0);
}

static void
many_accounts_keep_their_order(void **state UNUSED)
{
	struct buf in = BUF_INIT(1 << 20);

	for (int i = 0; i < 500; i++)
		buf_putf(&in, "user%d@d.e|{PLAIN}p%d\n", i, i);
	assert_int_equal(parse(buf_str(&in)), OK);
	assert_int_equal(got.n, 500);
	assert_str(got.list[499].login, "user499@d.e");
	buf_release(&in);
	release(NULL);
	arena_init(&arena, 4096);
	assert_int_equal(
		accounts_parse(&arena, S("f"), S("a@b|{PLAIN}x"), NULL, &got),
		ERR_LIMIT);
}

static void
every_prefix_is_read_without_harm(void **state UNUSED)
{
	struct str in = S("a@d.e|{SHA512-CRYPT}$6$s$" D86 "|x=y\n"
			  "b@d.e|$6$t$" D86 "\n");

	for (size_t n = 0; n <= in.n; n++) {
		assert_int_equal(parse(str_first(in, n)), OK);
		assert_true(got.n <= 2);
	}
}

/* By crypt(3) of libxcrypt 4.4 and by doveadm pw 2.3.19. */
static const char *const whole_hashes[] = {
	"{CRYPT}$7$CU..../....abcdefghijk$v/D4.1QCBontVr3X/.p6ZUgDeRT6QaIkOy7a9"
	"/EN4R9",
	"{CRYPT}$gy$j9T$abcdefghijklmnop$mixfBgwqRYkgJa0E4eWmDF3HC/BbYXm8ztA717"
	"oxvqD",
	"{CRYPT}$y$j9T$F5Jx5fExrKuPp53xLKQ..1$GmcwIgvdUC9qLWcKCi6gklUa1dM3ziD43"
	"YxYNURLKy0",
	"{CRYPT}$sha1$1000$abcdefgh$ji8ESnkwjcTjo4hThodnLYyi.3yG",
	"{CRYPT}$md5,rounds=10$abcdefgh$$8ilunLmR980Ls26AwIcTK/",
	"{CRYPT}$md5$abcdefgh$$TFWU.dlIfuoAjNld5IaX3.",
	"{CRYPT}$3$$878d8014606cda29677a44efa1353fc7",
	"{CRYPT}_J9..abcd/H6HLCcf7nw",
	"{CRYPT}abNANd1rDfiNc",
	"{CRYPT}$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
	"{BLF-CRYPT}$2y$05$Q801dLSS2VTDcZqtzpguN.8syKRZv9sEFnkefUHNeuN/FxZKXDI4"
	"m",
	"{SHA512-CRYPT}$6$rounds=5000$abc$IdWKNKTJEb8LxY7CGg8YBXlvtfZzFw7Mp/r6n"
	"iK9YB2mdvgY..TKjv1T..8RadRt2qvUHYRLr/TsVArtr91iR1",
	"{SHA256-CRYPT}$5$hX99X4tBFvN1a4Sy$jC5AJV05uJfeaANBNu2ZZsFQjIec5me3tyoc"
	"xI3Oki9",
	"{MD5-CRYPT}$1$HH71KmR/$aU75/wW83039jwl.jib3E0",
	"{SSHA}gcWRSx0ZEjAFGfr3wYIeUnbmaHdNnHzj",
	"{SSHA256}GHkVMU8nZARK+dICgtl8JeCik2NGa0SrgVjLU0XFf/TrsaOn",
	"{SSHA512}yfhxzWTTq4M69F2wmDHYj996pKAbZJidxHpbkeo6eZJgW4sksP6MTGsuFYaPU"
	"YYSRPIOrblSta761Qg6oTP7nFo8cQE=",
};

static size_t
warnings_of(const char *before, struct str hash, const char *behind)
{
	struct buf line = BUF_INIT(1000);

	buf_putf(&line, "a@b.test|%s%.*s%s\n", before, STR(hash), behind);
	assert_int_equal(parse(buf_str(&line)), OK);
	buf_release(&line);
	assert_int_equal(diag.n_errors, 0);
	return diag.n_warnings;
}

/* Who cannot log in because a hash was cut is told where. */
static void
hashes_that_are_not_whole_are_told(void **state UNUSED)
{
	static const struct str broken[] = {
		STR_INIT("{CRYPT}*0"),
		STR_INIT("{CRYPT}!"),
		STR_INIT("{CRYPT}$99$abc$def"),
		STR_INIT("{CRYPT}:::::::::::::"),
		STR_INIT("{BLF-CRYPT}$2$05$x"),
		STR_INIT("{SSHA256}!!!!"),
		STR_INIT("{SSHA256}AAAA"),
		STR_INIT("{MD5-CRYPT}$5$hX99X4tBFvN1a4Sy$jC5AJV05uJfeaANBNu2ZZs"
			 "FQjIec5me3tyocxI3Oki9"),
	};
	const char *app = "$6$s$" D86 "|app_x=imap:";

	for (size_t i = 0; i < N_OF(whole_hashes); i++) {
		struct str hash = str_c(whole_hashes[i]);

		print_message("%s\n", whole_hashes[i]);
		assert_int_equal(warnings_of("", hash, ""), 0);
		assert_int_equal(warnings_of(app, hash, ""), 0);
		assert_int_equal(warnings_of("", hash, "x"), 1);
		hash.n--;
		assert_int_equal(warnings_of("", hash, ""), 1);
		assert_int_equal(warnings_of(app, hash, ""), 1);
		assert_int_equal(warnings_of("", hash, "!"), 1);
		hash.n /= 2;
		assert_int_equal(warnings_of("", hash, ""), 1);
	}
	for (size_t i = 0; i < N_OF(broken); i++)
		assert_int_equal(warnings_of("", broken[i], ""), 1);
}

static void
masters_have_no_domain(void **state UNUSED)
{
	struct accounts masters;

	parse(S(""));
	assert_int_equal(masters_parse(&arena, S("masters.cf"),
				       S("Admin|{SHA512-CRYPT}$6$s$" D86 "\n"),
				       &diag, &masters),
			 OK);
	assert_int_equal(diag.n_errors + diag.n_warnings, 0);
	assert_int_equal(masters.n, 1);
	assert_str(masters.list[0].login, "admin");
	assert_int_equal(masters_parse(&arena, S("masters.cf"),
				       S("a@b.test|{PLAIN}x\na*b|{PLAIN}x\n"
					 "|{PLAIN}x\n"),
				       &diag, &masters),
			 OK);
	assert_int_equal(diag.n_errors, 3);
	assert_int_equal(masters.n, 0);
}

static void
logins_of_masters_are_cut_at_the_star(void **state UNUSED)
{
	static const struct {
		struct str login;
		const char *user, *master; // NULL: an ordinary login
	} cases[] = {
		{ STR_INIT("u@d.test*admin"), "u@d.test", "admin" },
		{ STR_INIT("a*b@d.test*x"), "a*b@d.test", "x" },
		{ STR_INIT("a*b@d.test"), NULL, NULL },
		{ STR_INIT("u@d.test"), NULL, NULL },
		{ STR_INIT("u@d.test*"), NULL, NULL },
		{ STR_INIT("u*admin"), NULL, NULL },
		{ STR_INIT("*"), NULL, NULL },
		{ STR_INIT(""), NULL, NULL },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct str user, master;
		bool is_cut = masters_split(cases[i].login, &user, &master);

		print_message("%.*s\n", STR(cases[i].login));
		assert_int_equal(is_cut, cases[i].user != NULL);
		if (!is_cut)
			continue;
		assert_true(str_eq(user, str_c(cases[i].user)));
		assert_true(str_eq(master, str_c(cases[i].master)));
	}
}

static void
names_of_plain_make_a_master_login(void **state UNUSED)
{
	static const struct {
		const char *authzid, *authcid, *want; // NULL: none
	} cases[] = {
		{ "u@b.test", "boss", "u@b.test*boss" },
		{ "u@b.test", "u@b.test", NULL }, // no master's name
		{ "u@b.test", "u@b.test*boss", NULL },
		{ "u@b.test", "a*b", NULL },
		{ "u@b.test", "a b", NULL },
		{ "u@b.test", "", NULL },
		{ "u@b.test*x", "boss", NULL }, // whose would it be?
		{ "u", "boss", NULL },
		{ "user@a-name-that-is-long.test", "boss", NULL },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf out = BUF_INIT(20);
		bool ok = masters_join(str_c(cases[i].authzid),
				       str_c(cases[i].authcid), &out);

		print_message("%s %s\n", cases[i].authzid, cases[i].authcid);
		assert_int_equal(ok, cases[i].want != NULL);
		if (ok)
			assert_true(
				str_eq(buf_str(&out), str_c(cases[i].want)));
		buf_release(&out);
	}
}

static void
passwords_of_applications(void **state UNUSED)
{
	static const struct str bad[] = {
		STR_INIT("a@b.test|{PLAIN}x|app_=imap:{PLAIN}y"),
		STR_INIT("a@b.test|{PLAIN}x|app_p=imap"),
		STR_INIT("a@b.test|{PLAIN}x|app_p"),
		STR_INIT("a@b.test|{PLAIN}x|app_p=imap:"),
		STR_INIT("a@b.test|{PLAIN}x|app_p=:{PLAIN}y"),
		STR_INIT("a@b.test|{PLAIN}x|app_p=imap,ftp:{PLAIN}y"),
		STR_INIT("a@b.test|{PLAIN}x|app_p=imap:{ROT13}y"),
		STR_INIT("a@b.test|{PLAIN}x|app_p=imap:{PLAIN}y "
			 "app_p=pop3:{PLAIN}z"),
	};
	const struct account_app *app;

	assert_int_equal(parse(S("a@b.test|{PLAIN}x|userdb_mail=mbox:~/m "
				 "app_phone=imap,smtp:{SSHA256}abc= "
				 "app_all=all:$6$salt$"
				 "hash\n")),
			 OK);
	assert_int_equal(diag.n_errors, 0);
	assert_int_equal(got.list[0].n_apps, 2);
	app = got.list[0].apps;
	assert_str(app->name, "phone");
	assert_int_equal(app->protocols, ACCOUNT_FOR_IMAP | ACCOUNT_FOR_SMTP);
	assert_int_equal(app->scheme, ACCOUNT_SSHA256);
	assert_str(app->hash, "abc=");
	assert_int_equal(app->next->protocols, ACCOUNT_FOR_ALL);
	assert_int_equal(app->next->scheme, ACCOUNT_SHA512_CRYPT);
	for (size_t i = 0; i < N_OF(bad); i++) {
		assert_int_equal(parse(bad[i]), OK);
		if (diag.n_errors == 0)
			fail_msg("case %zu", i);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			the_three_fields_are_cut_at_the_first_two_bars),
		cmocka_unit_test(schemes_are_recognised),
		cmocka_unit_test(bad_lines_are_errors_that_say_what_to_write),
		cmocka_unit_test(
			a_login_with_two_passwords_is_an_error_naming_both),
		cmocka_unit_test(a_repeated_line_is_skipped_with_a_warning),
		cmocka_unit_test(
			a_hash_shared_by_two_is_warned_of_but_not_shown),
		cmocka_unit_test(many_with_one_hash_are_counted),
		cmocka_unit_test(a_cut_hash_and_a_clear_password_are_warned_of),
		cmocka_unit_test(hashes_that_are_not_whole_are_told),
		cmocka_unit_test(masters_have_no_domain),
		cmocka_unit_test(logins_of_masters_are_cut_at_the_star),
		cmocka_unit_test(names_of_plain_make_a_master_login),
		cmocka_unit_test(passwords_of_applications),
		cmocka_unit_test(many_accounts_keep_their_order),
		cmocka_unit_test(every_prefix_is_read_without_harm),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
