/* SPDX-License-Identifier: MIT
 * lib/mail/intl_test.c - NFC and A-labels (S14). */
#include "lib/mail/intl.c"

#include "tests/unit/unit.h"

/* Domains as Python's idna and whois registries have them; NFC of RFC 5198. */
static const struct {
	const char *name;
	struct str in, want;
} cases[] = {
	{ "ascii stays", STR_INIT("Joe@Example.ORG"),
	  STR_INIT("Joe@Example.ORG") },
	{ "u-label",
	  STR_INIT("info@b\xc3\xbc"
		   "cher.example"),
	  STR_INIT("info@xn--bcher-kva.example") },
	{ "case of a u-label is folded",
	  STR_INIT("info@B\xc3\x9c"
		   "CHER.example"),
	  STR_INIT("info@xn--bcher-kva.example") },
	{ "decomposed domain",
	  STR_INIT("info@bu\xcc\x88"
		   "cher.example"),
	  STR_INIT("info@xn--bcher-kva.example") },
	{ "sharp s is kept apart",
	  STR_INIT("a@stra\xc3\x9f"
		   "e.example"),
	  STR_INIT("a@xn--strae-oqa.example") },
	{ "japanese",
	  STR_INIT("a@\xe4\xbe\x8b\xe3\x81\x88.\xe3\x83\x86\xe3\x82"
		   "\xb9\xe3\x83\x88"),
	  STR_INIT("a@xn--r8jz45g.xn--zckzah") },
	{ "decomposed local part", STR_INIT("jo\xcc\x88rg@example.org"),
	  STR_INIT("j\xc3\xb6rg@example.org") },
	{ "composed local part", STR_INIT("j\xc3\xb6rg@example.org"),
	  STR_INIT("j\xc3\xb6rg@example.org") },
	{ "case of a local part stays", STR_INIT("J\xc3\x96rg@x"),
	  STR_INIT("J\xc3\x96rg@x") },
	{ "no domain", STR_INIT("jo\xcc\x88rg"), STR_INIT("j\xc3\xb6rg") },
	{ "the last @ divides",
	  STR_INIT("\"a@\xc3\xb6\"@b\xc3\xbc"
		   "cher.example"),
	  STR_INIT("\"a@\xc3\xb6\"@xn--bcher-kva.example") },
};

static const struct {
	const char *name;
	struct str in;
} bad[] = {
	{ "nothing is left of a byte order mark", STR_INIT("a@\xef\xbb\xbf") },
	{ "wide dots", STR_INIT("a@\xef\xbc\x8e\xef\xbc\x8e") },
	{ "a wide slash", STR_INIT("a@b\xef\xbc\x8f"
				   "c.example") },
	{ "NUL", STR_INIT("a@b.example\0\xc3\xbc") },
	{ "overlong", STR_INIT("a@\xc0\xaf.example") },
	{ "surrogate", STR_INIT("a\xed\xa0\x80@x.example") },
	{ "cut short", STR_INIT("a@b\xc3") },
	{ "bidi control in a label", STR_INIT("a@b\xe2\x80\xae.example") },
	{ "a combining mark first", STR_INIT("a@\xcc\x88"
					     "b.example") },
	{ "NUL", STR_INIT("a@\xc3\xbc\0.example") },
};

static void
test_cases(void **state UNUSED)
{
	struct arena arena;
	struct str got;

	arena_init(&arena, 65536);
	for (size_t i = 0; i < N_OF(cases); i++) {
		print_message("%s\n", cases[i].name);
		assert_int_equal(intl_address(cases[i].in, &arena, &got), OK);
		assert_true(str_eq(got, cases[i].want));
		/* What is in its form stays so. */
		assert_int_equal(intl_address(got, &arena, &got), OK);
		assert_true(str_eq(got, cases[i].want));
	}
	arena_release(&arena);
}

static void
test_bad(void **state UNUSED)
{
	struct arena arena;
	struct str got;

	arena_init(&arena, 65536);
	for (size_t i = 0; i < N_OF(bad); i++) {
		print_message("%s\n", bad[i].name);
		assert_int_equal(intl_address(bad[i].in, &arena, &got),
				 ERR_FORMAT);
	}
	arena_release(&arena);
}

static void
test_every_prefix_and_long_input(void **state UNUSED)
{
	struct buf label = BUF_INIT(4096);
	struct arena arena;
	struct str got;

	arena_init(&arena, 65536);
	for (size_t i = 0; i < N_OF(cases); i++)
		for (size_t n = 0; n < cases[i].in.n; n++) {
			enum err e = intl_address(str_first(cases[i].in, n),
						  &arena, &got);

			assert_true(e == OK || e == ERR_FORMAT);
		}
	buf_put(&label, S("a@"));
	while (label.n < 900)
		buf_put(&label, S("\xc3\xbc")); // Punycode of a huge label
	assert_int_equal(intl_address(buf_str(&label), &arena, &got),
			 ERR_FORMAT);
	while (label.n < 1100)
		buf_put(&label, S("\xc3\xbc"));
	assert_int_equal(intl_address(buf_str(&label), &arena, &got),
			 ERR_LIMIT);
	buf_release(&label);
	arena_release(&arena);
}

/* RFC 8265 4.3, and NFC. */
static void
test_passwords(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct str in, want;
		enum err e;
	} all[] = {
		{ "spaces stay", STR_INIT("correct horse"),
		  STR_INIT("correct horse"), OK },
		{ "case counts", STR_INIT("Correct Horse"),
		  STR_INIT("Correct Horse"), OK },
		{ "Greek", STR_INIT("\xcf\x80\xc3\x9f\xc3\xa5"),
		  STR_INIT("\xcf\x80\xc3\x9f\xc3\xa5"), OK },
		{ "a symbol", STR_INIT("Jack of \xe2\x99\xa6s"),
		  STR_INIT("Jack of \xe2\x99\xa6s"), OK },
		{ "ogham space",
		  STR_INIT("foo\xe1\x9a\x80"
			   "bar"),
		  STR_INIT("foo bar"), OK },
		{ "composed", STR_INIT("u\xcc\x88"), STR_INIT("\xc3\xbc"), OK },
		{ "not mapped by NFKC", STR_INIT("\xef\xac\x81"),
		  STR_INIT("\xef\xac\x81"), OK },
		{ "tab", STR_INIT("my cat is a \tby"), STR_INIT(""),
		  ERR_FORMAT },
		{ "latin1", STR_INIT("\xfc"), STR_INIT(""), ERR_FORMAT },
		{ "empty", STR_INIT(""), STR_INIT(""), OK },
	};
	struct buf b = BUF_INIT(4096), huge = BUF_INIT(4096);

	for (size_t i = 0; i < N_OF(all); i++) {
		buf_clear(&b);
		print_message("%s\n", all[i].name);
		assert_int_equal(intl_password(&b, all[i].in), all[i].e);
		if (all[i].e == OK)
			assert_true(str_eq(buf_str(&b), all[i].want));
	}
	while (huge.n < 1025)
		buf_putc(&huge, 'a');
	assert_int_equal(intl_password(&b, buf_str(&huge)), ERR_LIMIT);
	buf_release(&b);
	buf_release(&huge);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_passwords),
		cmocka_unit_test(test_every_prefix_and_long_input),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
