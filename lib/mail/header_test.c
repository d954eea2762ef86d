/* SPDX-License-Identifier: MIT
 * lib/mail/header_test.c */
#include "lib/mail/header.c"

#include "lib/base/check.h"
#include "tests/unit/unit.h"

/* Writes "name=value|" for each field; checks that offsets are in order. */
static void
list_fields(struct buf *out, struct str message)
{
	struct header_iter it;
	struct header_field f;
	size_t last = 0, end = header_length(message);

	header_iter_init(&it, message);
	while (header_next(&it, &f)) {
		assert_true(f.at >= last && f.n > 0);
		last = f.at + f.n;
		assert_true(last <= end);
		assert_true(f.name.n > 0);
		assert_ptr_equal(f.name.p, message.p + f.at);
		assert_true(f.value.p + f.value.n <= message.p + last);
		buf_put(out, f.name);
		buf_putc(out, '=');
		buf_put(out, f.value);
		buf_putc(out, '|');
	}
}

static void
fields_are_cut_whatever_the_line_end(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct str in, want;
		size_t length;
	} cases[] = {
		{ "empty", STR_INIT(""), STR_INIT(""), 0 },
		{ "no header", STR_INIT("\r\nbody: x"), STR_INIT(""), 2 },
		{ "crlf", STR_INIT("A: b\r\nC:d\r\n\r\nE: f"),
		  STR_INIT("A=b|C=d|"), 13 },
		{ "lf", STR_INIT("A: b\nC:d\n\nE: f"), STR_INIT("A=b|C=d|"),
		  10 },
		{ "fold is kept in the raw value",
		  STR_INIT("A: b\r\n c\r\n\td\r\nE: f\r\n\r\n"),
		  STR_INIT("A=b\r\n c\r\n\td|E=f|"), 22 },
		{ "blank line of blanks continues the field",
		  STR_INIT("A: b\r\n \r\nC: d\r\n"), STR_INIT("A=b|C=d|"), 15 },
		{ "blanks before the colon (RFC 5322 4.5)",
		  STR_INIT("Subject \t: x\r\n"), STR_INIT("Subject=x|"), 14 },
		{ "no end", STR_INIT("A: b"), STR_INIT("A=b|"), 4 },
		{ "line without colon", STR_INIT("A: b\njunk\nC: d\n"),
		  STR_INIT("A=b|C=d|"), 15 },
		{ "mbox line has a colon too late to matter",
		  STR_INIT("From a Mon\nA: b\n"), STR_INIT("A=b|"), 16 },
		{ "empty name", STR_INIT(": b\nC: d\n"), STR_INIT("C=d|"), 9 },
		{ "begins with a fold", STR_INIT(" x: b\nC: d\n"),
		  STR_INIT("C=d|"), 11 },
		{ "colon in the fold only", STR_INIT("A\n x: b\nC: d\n"),
		  STR_INIT("C=d|"), 13 },
		{ "bare cr is data", STR_INIT("A: b\rC: d\r\r\n\r\n"),
		  STR_INIT("A=b\rC: d|"), 14 },
		{ "nul is data", STR_INIT("A: \0b\r\n"), STR_INIT("A=\0b|"),
		  7 },
		{ "lone cr at the end", STR_INIT("A: b\r\n\r"),
		  STR_INIT("A=b|"), 7 },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf b = BUF_INIT(200);

		list_fields(&b, cases[i].in);
		assert_str_eq(buf_str(&b), cases[i].want);
		assert_int_equal(header_length(cases[i].in), cases[i].length);
		buf_release(&b);
	}
}

/* Each prefix in memory of exactly its size: ASan sees any over-read. */
static void
no_prefix_is_read_beyond_its_end(void **state UNUSED)
{
	struct str whole =
		S("A : b\r\n c\r\njunk\r\n: x\r\nD:\r\n \r\n\r\nbody");

	for (size_t n = 0; n <= whole.n; n++) {
		char *copy = must_alloc(n + 1);
		struct buf b = BUF_INIT(200);
		char *exact = must_realloc(copy, n == 0 ? 1 : n);

		memcpy(exact, whole.p, n);
		list_fields(&b, str_of(exact, n));
		buf_release(&b);
		free(exact);
	}
}

static void
finding_takes_the_first_of_that_name(void **state UNUSED)
{
	struct header_field f;
	struct str m = S("To: a\r\nX: 1\r\nsubject: one\r\nSubject: two\r\n"
			 "\r\nDate: in the body\r\n");

	assert_true(header_find(m, S("SUBJECT"), &f));
	assert_str(f.value, "one");
	assert_int_equal(f.at, 13);
	assert_int_equal(f.n, 14);
	assert_false(header_find(m, S("Date"), &f));
	assert_false(header_find(m, S("Sub"), &f));
}

static void
limits_of_count_and_length_hold(void **state UNUSED)
{
	struct buf b = BUF_INIT(8 << 20);
	struct header_iter it;
	struct header_field f;
	unsigned n = 0;

	for (int i = 0; i < HEADER_FIELDS_MAX + 5; i++)
		buf_put(&b, S("a:b\n"));
	header_iter_init(&it, buf_str(&b));
	while (header_next(&it, &f))
		n++;
	assert_int_equal(n, HEADER_FIELDS_MAX);
	assert_int_equal(header_length(buf_str(&b)), b.n);

	buf_clear(&b);
	buf_put(&b, S("A: "));
	for (int i = 0; i < 200000; i++)
		buf_put(&b, S("12345678\n "));
	buf_put(&b, S("\nB: c\n"));
	header_iter_init(&it, buf_str(&b));
	assert_true(header_next(&it, &f));
	assert_int_equal(f.value.n, HEADER_VALUE_MAX_OCTETS);
	assert_true(header_next(&it, &f));
	assert_str(f.name, "B");
	buf_release(&b);
}

static void
unfolding_removes_line_ends_and_nothing_else(void **state UNUSED)
{
	struct buf b = BUF_INIT(20);

	/* RFC 5322 2.2.3: the CRLF goes, the blank behind it stays. */
	assert_int_equal(header_unfold(&b, S("This\r\n is a\n\ttest")), OK);
	assert_str(buf_str(&b), "This is a\ttest");
	buf_clear(&b);
	assert_int_equal(header_unfold(&b, S("a\0b\rc")), OK);
	assert_str(buf_str(&b), "abc");
	assert_int_equal(header_unfold(&b, S("123456789012345678")), ERR_LIMIT);
	buf_release(&b);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_cut_whatever_the_line_end),
		cmocka_unit_test(no_prefix_is_read_beyond_its_end),
		cmocka_unit_test(finding_takes_the_first_of_that_name),
		cmocka_unit_test(limits_of_count_and_length_hold),
		cmocka_unit_test(unfolding_removes_line_ends_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
