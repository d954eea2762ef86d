/* SPDX-License-Identifier: MIT
 * lib/mail/pop3_test.c - commands of RFC 1939, unique-ids of Dovecot 2.3, TOP.
 */
#include "lib/mail/pop3.c"

#include "tests/unit/unit.h"

static void
test_commands(void **state UNUSED)
{
	static const struct {
		const char *line;
		enum pop3_verb verb;
		int n_args; // -1: refused
		const char *first;
	} rows[] = {
		{ "USER mrose", POP3_USER, 1, "mrose" },
		{ "user mrose", POP3_USER, 1, "mrose" },
		{ "USER", POP3_USER, -1, NULL },
		{ "USER a b", POP3_USER, -1, NULL },
		{ "PASS tan staaf ", POP3_PASS, 1, "tan staaf " },
		{ "PASS ", POP3_PASS, 1, "" },
		{ "PASS", POP3_PASS, -1, NULL },
		{ "STAT", POP3_STAT, 0, NULL },
		{ "STAT ", POP3_STAT, -1, NULL },
		{ "STAT 1", POP3_STAT, -1, NULL },
		{ "LIST", POP3_LIST, 0, NULL },
		{ "LIST 2", POP3_LIST, 1, "2" },
		{ "TOP 1 10", POP3_TOP, 2, "1" },
		{ "TOP 1", POP3_TOP, -1, NULL },
		{ "TOP  1 10", POP3_TOP, -1, NULL },
		{ "UIDL 2", POP3_UIDL, 1, "2" },
		{ "AUTH", POP3_AUTH, 0, NULL },
		{ "AUTH PLAIN =", POP3_AUTH, 2, "PLAIN" },
		{ "RETRY 1", POP3_UNKNOWN, -1, NULL },
		{ "", POP3_UNKNOWN, -1, NULL },
		{ " STAT", POP3_UNKNOWN, -1, NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct pop3_command c;
		bool ok = pop3_command_parse(str_c(rows[i].line), &c);

		if (c.verb != rows[i].verb || ok != (rows[i].n_args >= 0) ||
		    (ok && c.n_args != (size_t)rows[i].n_args) ||
		    (ok && rows[i].first != NULL &&
		     !str_eq(c.args[0], str_c(rows[i].first))))
			fail_msg("'%s'", rows[i].line);
	}
}

/* P01: numbers that do not fit are refused. */
static void
test_numbers(void **state UNUSED)
{
	static const char *const bad[] = { "",
					   "-1",
					   "+1",
					   "1 ",
					   "0x1",
					   "4294967296",
					   "99999999999999999999" };
	uint32_t n;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(pop3_number(str_c(bad[i]), &n));
	assert_true(pop3_number(S("4294967295"), &n));
	assert_int_equal(n, UINT32_MAX);
}

/* As Debian's Dovecot answers UIDL for UID 3 and UIDVALIDITY 1795219922. */
static void
test_uidls(void **state UNUSED)
{
	char uidl[POP3_UIDL_MAX + 1];
	char long_one[POP3_UIDL_MAX + 2];

	pop3_uidl(uidl, 3, 1795219922);
	assert_string_equal(uidl, "000000036b00e1d2");
	assert_true(pop3_is_uidl(str_c(uidl)));
	memset(long_one, 'a', sizeof(long_one));
	assert_true(pop3_is_uidl(str_of(long_one, POP3_UIDL_MAX)));
	assert_false(pop3_is_uidl(str_of(long_one, POP3_UIDL_MAX + 1)));
	assert_false(pop3_is_uidl(S("")));
	assert_false(pop3_is_uidl(S("a b")));
	assert_false(pop3_is_uidl(S("a\r\n.")));
	assert_false(pop3_is_uidl(S("\xc3\xa9")));
}

static const struct {
	const char *name, *content;
	uint32_t lines;
	const char *want;
} tops[] = {
	{ "no lines", "A: b\r\n\r\none\r\ntwo\r\n", 0, "A: b\r\n\r\n" },
	{ "one line", "A: b\r\n\r\none\r\ntwo\r\n", 1, "A: b\r\n\r\none\r\n" },
	{ "as many as there are", "A: b\r\n\r\none\r\n", 1,
	  "A: b\r\n\r\none\r\n" },
	{ "more than there are", "A: b\r\n\r\none", 9, "A: b\r\n\r\none" },
	{ "an empty line in the body", "A: b\r\n\r\n\r\nx\r\n", 1,
	  "A: b\r\n\r\n\r\n" },
	{ "no header", "\r\none\r\ntwo\r\n", 1, "\r\none\r\n" },
	{ "no body", "A: b\r\nC: d\r\n", 5, "A: b\r\nC: d\r\n" },
	{ "a bare CR is no end", "A: b\r\r\n\r\none\r\n", 0, "A: b\r\r\n\r\n" },
	{ "a file with LF, no lines", "A: b\nC: d\n\none\ntwo\n", 0,
	  "A: b\nC: d\n\n" },
	{ "a file with LF, one line", "A: b\n\none\ntwo\n", 1,
	  "A: b\n\none\n" },
	{ "LF and CRLF", "A: b\n\r\none\r\ntwo\n", 1, "A: b\n\r\none\r\n" },
	{ "LF, no header", "\none\ntwo\n", 1, "\none\n" },
	{ "nothing", "", 3, "" },
};

static void
test_top_in_any_pieces(void **state UNUSED)
{
	for (size_t i = 0; i < sizeof(tops) / sizeof(*tops); i++)
		for (size_t step = 1; step < 30; step++) {
			struct str rest = str_c(tops[i].content);
			char got[100];
			size_t n = 0;
			struct pop3_top t;

			pop3_top_init(&t, tops[i].lines);
			while (rest.n > 0) {
				struct str piece = str_first(rest, step);
				size_t taken = pop3_top_feed(&t, piece);

				assert_true(taken <= piece.n);
				assert_true(taken == piece.n || t.is_full);
				memcpy(got + n, piece.p, taken);
				n += taken;
				rest = str_from(rest, piece.n);
			}
			if (!str_eq(str_of(got, n), str_c(tops[i].want)))
				fail_msg("%s, step %zu", tops[i].name, step);
		}
}

/* RFC 1939 3. What Dovecot 2.3 sends, but for a message whose first octet is a
 * dot: it sends that as it is. */
static void
test_messages_as_lines(void **state UNUSED)
{
	static const struct {
		struct str in, want;
	} rows[] = {
		{ STR_INIT(""), STR_INIT(".\r\n") },
		{ STR_INIT("a\r\n"), STR_INIT("a\r\n.\r\n") },
		{ STR_INIT("a\n"), STR_INIT("a\r\n.\r\n") },
		{ STR_INIT("a"), STR_INIT("a\r\n.\r\n") },
		{ STR_INIT("a\n\nb"), STR_INIT("a\r\n\r\nb\r\n.\r\n") },
		{ STR_INIT("."), STR_INIT("..\r\n.\r\n") },
		{ STR_INIT(".\n.\r\n..\n"),
		  STR_INIT("..\r\n..\r\n...\r\n.\r\n") },
		{ STR_INIT("a.b\n"), STR_INIT("a.b\r\n.\r\n") },
		{ STR_INIT("a\rb\r\n"), STR_INIT("a\rb\r\n.\r\n") },
		{ STR_INIT("a\r\r\nb"), STR_INIT("a\r\r\nb\r\n.\r\n") },
		{ STR_INIT("a\r.\r\n"), STR_INIT("a\r.\r\n.\r\n") },
		{ STR_INIT("end\r"), STR_INIT("end\r\r\n.\r\n") },
		{ STR_INIT("\r\n\n\r"), STR_INIT("\r\n\r\n\r\r\n.\r\n") },
		{ STR_INIT("a\0\xff\n"), STR_INIT("a\0\xff\r\n.\r\n") },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (size_t step = 1; step <= rows[i].in.n + 1; step++) {
			struct pop3_stuff s = POP3_STUFF_INIT;
			struct str rest = rows[i].in;
			struct buf b = BUF_INIT(100);

			while (rest.n > 0) {
				struct str piece = str_first(rest, step);

				assert_int_equal(pop3_stuff(&b, piece, &s), OK);
				rest = str_from(rest, piece.n);
			}
			assert_int_equal(pop3_stuff_end(&b, &s), OK);
			assert_str_eq(buf_str(&b), rows[i].want);
			buf_release(&b);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_uidls),
		cmocka_unit_test(test_top_in_any_pieces),
		cmocka_unit_test(test_messages_as_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
