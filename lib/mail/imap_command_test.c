/* SPDX-License-Identifier: MIT
 * lib/mail/imap_command_test.c */
#include "lib/mail/imap_command.c"

#include "tests/unit/unit.h"

#include <stdlib.h>

static const struct imap_command_limits roomy = { .octets_max = 65536,
						  .literal_max = 65536,
						  .nonsync_max = UINT64_MAX,
						  .has_message = true };
static const struct imap_command_limits minus = {
	.octets_max = 65536,
	.literal_max = 65536,
	.nonsync_max = IMAP_LITERAL_MINUS_MAX,
	.has_message = true
};
/* Before login: literals of at most 1 KB, none without permission. */
static const struct imap_command_limits stranger = { .octets_max = 8192,
						     .literal_max = 1024 };

/* Runs to the first answer that is neither MORE nor LITERAL, step bytes at a
 * time, from memory of just the right size. */
static enum imap_command_status
run(struct imap_command *c, const struct imap_command_limits *limits,
    struct str in, size_t step, unsigned *n_granted)
{
	enum imap_command_status status = IMAP_COMMAND_MORE;

	imap_command_init(c, limits);
	for (size_t n = step; status == IMAP_COMMAND_MORE;) {
		status = imap_command_scan(c, str_first(in, n));
		if (status == IMAP_COMMAND_LITERAL) {
			(*n_granted)++;
			status = IMAP_COMMAND_MORE;
			continue;
		}
		if (n >= in.n)
			break;
		n += step;
	}
	return status;
}

static const struct {
	const char *name;
	const struct imap_command_limits *limits;
	struct str in;
	enum imap_command_status want;
	struct str tag, verb, args;
	size_t n;
	unsigned n_granted;
	bool is_uid;
} cases[] = {
	{ "no arguments", &roomy, STR_INIT("a NOOP\r\nb X\r\n"),
	  IMAP_COMMAND_DONE, STR_INIT("a"), STR_INIT("NOOP"), STR_INIT(""),
	  .n = 8 },
	{ "arguments", &roomy, STR_INIT("a1 LOGIN x y\r\n"), IMAP_COMMAND_DONE,
	  STR_INIT("a1"), STR_INIT("LOGIN"), STR_INIT("x y"), .n = 14 },
	{ "uid in lower case", &roomy, STR_INIT("7 uid fetch 1 FLAGS\r\n"),
	  IMAP_COMMAND_DONE, STR_INIT("7"), STR_INIT("fetch"),
	  STR_INIT("1 FLAGS"), .n = 21, .is_uid = true },
	{ "uid alone", &roomy, STR_INIT("7 UID\r\n"), IMAP_COMMAND_DONE,
	  STR_INIT("7"), STR_INIT("UID"), STR_INIT(""), .n = 7 },
	{ "uid and nothing", &roomy, STR_INIT("7 UID \r\n"), IMAP_COMMAND_BAD,
	  STR_INIT("7"), STR_INIT(""), STR_INIT(""), .n = 8 },
	{ "literal that asks", &roomy,
	  STR_INIT("a LOGIN {1}\r\nx {2}\r\nyz\r\n"), IMAP_COMMAND_DONE,
	  STR_INIT("a"), STR_INIT("LOGIN"), STR_INIT("{1}\r\nx {2}\r\nyz"),
	  .n = 24, .n_granted = 2 },
	{ "literal that does not ask", &roomy,
	  STR_INIT("a LOGIN {1+}\r\n\n {0+}\r\n\r\n"), IMAP_COMMAND_DONE,
	  STR_INIT("a"), STR_INIT("LOGIN"), STR_INIT("{1+}\r\n\n {0+}\r\n"),
	  .n = 24 },
	{ "literal content that looks like a literal", &roomy,
	  STR_INIT("a X {8+}\r\na {9+}\r\n\r\n"), IMAP_COMMAND_DONE,
	  STR_INIT("a"), STR_INIT("X"), STR_INIT("{8+}\r\na {9+}\r\n"),
	  .n = 20 },
	{ "quoted brace is no literal", &roomy, STR_INIT("a X \"{5}\"\r\n"),
	  IMAP_COMMAND_DONE, STR_INIT("a"), STR_INIT("X"), STR_INIT("\"{5}\""),
	  .n = 11 },
	{ "atom with a closing brace", &roomy, STR_INIT("a X p5}\r\n"),
	  IMAP_COMMAND_DONE, STR_INIT("a"), STR_INIT("X"), STR_INIT("p5}"),
	  .n = 9 },
	{ "sign in size is left to the arguments' parser", &roomy,
	  STR_INIT("a X {-1}\r\n"), IMAP_COMMAND_DONE, STR_INIT("a"),
	  STR_INIT("X"), STR_INIT("{-1}"), .n = 10 },
	{ "empty line", &roomy, STR_INIT("\r\n"), IMAP_COMMAND_BAD,
	  STR_INIT(""), STR_INIT(""), STR_INIT(""), .n = 2 },
	{ "tag alone", &roomy, STR_INIT("a\r\n"), IMAP_COMMAND_BAD,
	  STR_INIT(""), STR_INIT(""), STR_INIT(""), .n = 3 },
	{ "plus in tag", &roomy, STR_INIT("a+ NOOP\r\n"), IMAP_COMMAND_BAD,
	  STR_INIT(""), STR_INIT(""), STR_INIT(""), .n = 9 },
	{ "two spaces", &roomy, STR_INIT("a  NOOP\r\n"), IMAP_COMMAND_BAD,
	  STR_INIT("a"), STR_INIT(""), STR_INIT(""), .n = 9 },
	{ "verb glued to a literal", &roomy, STR_INIT("a LOGIN{1}\r\n"),
	  IMAP_COMMAND_BAD, STR_INIT("a"), STR_INIT("LOGIN"), STR_INIT(""),
	  .n = 12 },
	{ "NUL", &roomy, STR_INIT("a NO\0OP\r\n"), IMAP_COMMAND_BAD,
	  STR_INIT("a"), STR_INIT("NO"), STR_INIT(""), .n = 9 },
	{ "bare CR", &roomy, STR_INIT("a NOOP \rb\r\n"), IMAP_COMMAND_BAD,
	  STR_INIT("a"), STR_INIT("NOOP"), STR_INIT(""), .n = 11 },
	{ "bare LF", &roomy, STR_INIT("a NOOP\nb LOGOUT\r\n"),
	  IMAP_COMMAND_FATAL, STR_INIT(""), STR_INIT(""), STR_INIT(""),
	  .n = 7 },
	{ "LF right behind a literal that ends with CR", &roomy,
	  STR_INIT("a X {1+}\r\n\r\n"), IMAP_COMMAND_FATAL, STR_INIT("a"),
	  STR_INIT("X"), STR_INIT(""), .n = 12 },
	{ "bad line with a literal that does not ask", &roomy,
	  STR_INIT("+ LOGIN {12+}\r\nb DELETE x\r\n\r\n"), IMAP_COMMAND_FATAL,
	  STR_INIT(""), STR_INIT(""), STR_INIT(""), .n = 15 },
	/* I01 */
	{ "2^31-1", &roomy, STR_INIT("a X {2147483647}\r\n"),
	  IMAP_COMMAND_TOO_BIG, STR_INIT("a"), STR_INIT("X"), STR_INIT(""),
	  .n = 18 },
	{ "2^32", &roomy, STR_INIT("a X {4294967296}\r\n"),
	  IMAP_COMMAND_TOO_BIG, STR_INIT("a"), STR_INIT("X"), STR_INIT(""),
	  .n = 18 },
	{ "2^64-1", &roomy, STR_INIT("a X {18446744073709551615}\r\n"),
	  IMAP_COMMAND_TOO_BIG, STR_INIT("a"), STR_INIT("X"), STR_INIT(""),
	  .n = 28 },
	{ "2^64", &roomy, STR_INIT("a X {18446744073709551616}\r\n"),
	  IMAP_COMMAND_TOO_BIG, STR_INIT("a"), STR_INIT("X"), STR_INIT(""),
	  .n = 28 },
	{ "2^64+5 does not wrap", &roomy,
	  STR_INIT("a X {18446744073709551621+}\r\nabcde\r\n"),
	  IMAP_COMMAND_FATAL, STR_INIT("a"), STR_INIT("X"), STR_INIT(""),
	  .n = 29 },
	{ "2^64-7 plus what stands before does not wrap", &roomy,
	  STR_INIT("a X {18446744073709551609+}\r\n"), IMAP_COMMAND_FATAL,
	  STR_INIT("a"), STR_INIT("X"), STR_INIT(""), .n = 29 },
	{ "literal+ before login", &stranger, STR_INIT("a X {5+}\r\nabcde\r\n"),
	  IMAP_COMMAND_FATAL, STR_INIT("a"), STR_INIT("X"), STR_INIT(""),
	  .n = 10 },
	{ "large literal before login", &stranger, STR_INIT("a X {1025}\r\n"),
	  IMAP_COMMAND_TOO_BIG, STR_INIT("a"), STR_INIT("X"), STR_INIT(""),
	  .n = 12 },
	{ "append before login", &stranger, STR_INIT("a APPEND x {9999}\r\n"),
	  IMAP_COMMAND_TOO_BIG, STR_INIT("a"), STR_INIT("APPEND"),
	  STR_INIT("x "), .n = 19 },
	{ "4097 under LITERAL-", &minus, STR_INIT("a X {4097+}\r\n"),
	  IMAP_COMMAND_FATAL, STR_INIT("a"), STR_INIT("X"), STR_INIT(""),
	  .n = 13 },
	{ "message of 4097 under LITERAL-", &minus,
	  STR_INIT("a APPEND x {4097+}\r\n"), IMAP_COMMAND_FATAL, STR_INIT("a"),
	  STR_INIT("APPEND"), STR_INIT("x "), .n = 20 },
	{ "4097 that asks under LITERAL-", &minus, STR_INIT("a X {4097}\r\n"),
	  IMAP_COMMAND_MORE, STR_INIT("a"), STR_INIT("X"), STR_INIT(""),
	  .n = 12, .n_granted = 1 },
};

static void
commands_are_split_the_same_in_any_pieces(void **state UNUSED)
{
	static const size_t steps[] = { 1, 2, 3, 7, SIZE_MAX };

	for (size_t i = 0; i < N_OF(cases) * N_OF(steps); i++) {
		size_t k = i / N_OF(steps);
		struct str in = cases[k].in;
		size_t step = steps[i % N_OF(steps)];
		struct imap_command c;
		unsigned n_granted = 0;

		if (step > in.n)
			step = in.n;
		enum imap_command_status got =
			run(&c, cases[k].limits, in, step, &n_granted);

		if (got != cases[k].want || c.n != cases[k].n ||
		    n_granted != cases[k].n_granted)
			fail_msg("%s, %zu at a time: %d n=%zu granted=%u",
				 cases[k].name, step, got, c.n, n_granted);
		assert_str_eq(c.tag, cases[k].tag);
		if (got == IMAP_COMMAND_DONE) {
			assert_str_eq(c.verb, cases[k].verb);
			assert_str_eq(c.args, cases[k].args);
			assert_int_equal(c.is_uid, cases[k].is_uid);
		}
		assert_int_equal(c.text != NULL, got >= IMAP_COMMAND_BAD);
	}
}

static void
every_prefix_asks_for_more(void **state UNUSED)
{
	struct str in = S("a LOGIN {1+}\r\nx \"{3}\" {4+}\r\n\r\n\r\n\r\n");

	for (size_t n = 0; n < in.n; n++) {
		struct imap_command c;
		char *copy = malloc(n + !n);

		memcpy(copy, in.p, n);
		imap_command_init(&c, &roomy);
		assert_int_equal(imap_command_scan(&c, str_of(copy, n)),
				 IMAP_COMMAND_MORE);
		free(copy);
	}
}

static void
append_stops_before_each_message(void **state UNUSED)
{
	struct imap_command c;
	struct str head = S("a append {5+}\r\nSaved (\\Seen) ~{70000+}\r\n");
	struct str two = S("a append {5+}\r\nSaved (\\Seen) ~{70000+}\r\n"
			   " () \"date\" {9000000000}\r\n");
	struct str all = S("a append {5+}\r\nSaved (\\Seen) ~{70000+}\r\n"
			   " () \"date\" {9000000000}\r\n\r\nb NOOP\r\n");

	imap_command_init(&c, &roomy);
	assert_int_equal(imap_command_scan(&c, head), IMAP_COMMAND_MESSAGE);
	assert_int_equal(c.literal_octets, 70000);
	assert_true(c.is_binary);
	assert_false(c.is_sync);
	assert_int_equal(c.n, head.n);
	assert_str(c.args, "{5+}\r\nSaved (\\Seen) ");
	assert_str(c.part, "{5+}\r\nSaved (\\Seen) ");

	assert_int_equal(imap_command_scan(&c, two), IMAP_COMMAND_MESSAGE);
	assert_int_equal(c.literal_octets, 9000000000);
	assert_true(c.is_sync);
	assert_false(c.is_binary);
	assert_str(c.part, " () \"date\" ");

	assert_int_equal(imap_command_scan(&c, all), IMAP_COMMAND_DONE);
	assert_int_equal(c.n, two.n + 2);
	assert_str(c.part, "");
	assert_str(c.verb, "append");
}

/* RFC 8508 4: behind the number and the mailbox comes the message. */
static void
replace_stops_before_its_message(void **state UNUSED)
{
	static const struct {
		struct str in;
		enum imap_command_status want;
	} heads[] = {
		{ STR_INIT("a REPLACE 4 Drafts (\\Seen) {312}\r\n"),
		  IMAP_COMMAND_MESSAGE },
		{ STR_INIT("a UID REPLACE 2000 Drafts {312+}\r\n"),
		  IMAP_COMMAND_MESSAGE },
		{ STR_INIT("a REPLACE 4 {6}\r\n"), IMAP_COMMAND_LITERAL },
		{ STR_INIT("a REPLACE {1}\r\n"), IMAP_COMMAND_LITERAL },
		{ STR_INIT("a UID APPEND Drafts {312}\r\n"),
		  IMAP_COMMAND_LITERAL },
	};

	for (size_t i = 0; i < N_OF(heads); i++) {
		struct imap_command c;

		imap_command_init(&c, &roomy);
		if (imap_command_scan(&c, heads[i].in) != heads[i].want)
			fail_msg("%.*s", STR(heads[i].in));
	}
}

static void
the_mailbox_of_append_is_an_ordinary_literal(void **state UNUSED)
{
	struct imap_command c;

	imap_command_init(&c, &roomy);
	assert_int_equal(imap_command_scan(&c, S("a APPEND {5}\r\n")),
			 IMAP_COMMAND_LITERAL);
}

static void
the_budget_binds_lines_and_literals_together(void **state UNUSED)
{
	static const struct imap_command_limits limits = {
		.octets_max = 100, .literal_max = 100, .nonsync_max = UINT64_MAX
	};
	static const struct {
		const char *name;
		struct str in;
		enum imap_command_status want;
	} budget[] = {
		{ "17 octets, 81 and CRLF", STR_INIT("a X {1+}\r\n {81}\r\n"),
		  IMAP_COMMAND_LITERAL },
		{ "17 octets, 82 and CRLF", STR_INIT("a X {1+}\r\n {82}\r\n"),
		  IMAP_COMMAND_TOO_BIG },
		{ "literal that asks for all but the last CRLF",
		  STR_INIT("a X {89}\r\n"), IMAP_COMMAND_TOO_BIG },
		{ "one less", STR_INIT("a X {88}\r\n"), IMAP_COMMAND_LITERAL },
		{ "many small ones",
		  STR_INIT("a X {2+}\r\nab {2+}\r\nab {2+}\r\nab {2+}\r\nab "
			   "{2+}\r\nab"
			   " {2+}\r\nab {2+}\r\nab {2+}\r\nab {2+}\r\nab "
			   "{2+}\r\nab"
			   " {2+}\r\nab {2+}\r\nab {2+}\r\nab {2+}\r\nab "
			   "{2+}\r\nab"),
		  IMAP_COMMAND_FATAL },
	};

	for (size_t i = 0; i < N_OF(budget); i++) {
		struct imap_command c;

		imap_command_init(&c, &limits);
		if (imap_command_scan(&c, budget[i].in) != budget[i].want)
			fail_msg("%s: %s", budget[i].name,
				 c.text ? c.text : "");
	}
}

static void
a_line_without_end_stops_at_the_budget(void **state UNUSED)
{
	static const struct imap_command_limits limits = { .octets_max = 1000 };
	char line[1001];
	struct imap_command c;

	memset(line, 'a', sizeof(line));
	imap_command_init(&c, &limits);
	assert_int_equal(imap_command_scan(&c, str_of(line, 999)),
			 IMAP_COMMAND_MORE);
	assert_int_equal(imap_command_scan(&c, str_of(line, 1000)),
			 IMAP_COMMAND_FATAL);
}

static void
a_long_tag_is_not_given_back(void **state UNUSED)
{
	char line[IMAP_TAG_MAX + 8];
	struct imap_command c;

	memset(line, 'a', sizeof(line));
	memcpy(line + IMAP_TAG_MAX + 1, " NOOP\r\n", 7);
	imap_command_init(&c, &roomy);
	assert_int_equal(imap_command_scan(&c, str_of(line, sizeof(line))),
			 IMAP_COMMAND_BAD);
	assert_int_equal(c.tag.n, 0);
	imap_command_init(&c, &roomy);
	assert_int_equal(
		imap_command_scan(&c, str_of(line + 1, sizeof(line) - 1)),
		IMAP_COMMAND_DONE);
	assert_int_equal(c.tag.n, IMAP_TAG_MAX);
}

/* The caller's buffer moves as it grows: what a scan gives lies in what it was
 * given, also when it ends the connection. */
static void
the_tag_lies_in_the_last_input(void **state UNUSED)
{
	static const struct imap_command_limits small = { .octets_max = 100,
							  .literal_max = 50,
							  .nonsync_max = 50 };
	static const struct {
		struct str in;
		enum imap_command_status want;
	} ends[] = {
		{ STR_INIT("a1 LOGIN {1}\r\nu\n"), IMAP_COMMAND_FATAL },
		{ STR_INIT("a1 LOGIN {1+}\r\nu\n"), IMAP_COMMAND_FATAL },
		{ STR_INIT("a1 LOGIN {1}\r\nu {60}\r\n"),
		  IMAP_COMMAND_TOO_BIG },
		{ STR_INIT("a1 LOGIN {1}\r\nu x\ry\r\n"), IMAP_COMMAND_BAD },
		{ STR_INIT("a1 LOGIN {1}\r\nu p\r\n"), IMAP_COMMAND_DONE },
	};

	for (size_t i = 0; i < N_OF(ends); i++) {
		enum imap_command_status got = IMAP_COMMAND_MORE;
		struct imap_command c;
		char *copy = NULL;

		imap_command_init(&c, &small);
		for (size_t n = 1; n <= ends[i].in.n; n++) {
			char *next = malloc(n);

			memcpy(next, ends[i].in.p, n);
			free(copy);
			copy = next;
			got = imap_command_scan(&c, str_of(copy, n));
			if (got == IMAP_COMMAND_LITERAL)
				got = imap_command_scan(&c, str_of(copy, n));
		}
		assert_int_equal(got, ends[i].want);
		assert_ptr_equal(c.tag.p, copy);
		assert_true(str_eq(c.tag, S("a1")));
		free(copy);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tag_lies_in_the_last_input),
		cmocka_unit_test(commands_are_split_the_same_in_any_pieces),
		cmocka_unit_test(every_prefix_asks_for_more),
		cmocka_unit_test(append_stops_before_each_message),
		cmocka_unit_test(replace_stops_before_its_message),
		cmocka_unit_test(the_mailbox_of_append_is_an_ordinary_literal),
		cmocka_unit_test(the_budget_binds_lines_and_literals_together),
		cmocka_unit_test(a_line_without_end_stops_at_the_budget),
		cmocka_unit_test(a_long_tag_is_not_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
