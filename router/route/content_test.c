/* SPDX-License-Identifier: MIT
 * router/route/content_test.c - expected values: header_checks(5). */
#include "router/route/content.c"

#include "tests/unit/unit.h"

static const struct {
	const char *name, *rules, *header, *want;
	unsigned code;
	int effect; // of the first, or -1
} cases[] = {
	{ "nothing matches", "/^X:/ REJECT\n", "A: b\r\n\r\n", "A: b\r\n\r\n",
	  0, -1 },
	{ "REJECT", "/^A:/ REJECT\n", "A: b\r\n\r\n", NULL, 550, -1 },
	{ "REJECT with a status", "/^A:/ REJECT 5.7.9 no\n", "A: b\r\n\r\n",
	  NULL, 550, -1 },
	{ "folds are one string", "/^A: b.c$/ IGNORE\n",
	  "A: b\r\n\tc\r\nB: d\r\n\r\n", NULL, 0, -1 },
	{ "a fold is LF and its blank", "/^A: b\\n c$/ IGNORE\n",
	  "A: b\r\n c\r\nB: d\r\n\r\n", "B: d\r\n\r\n", 0, -1 },
	{ "IGNORE one of two", "/^A:/ IGNORE\n", "A: 1\r\nB: 2\r\nA: 3\r\n\r\n",
	  "B: 2\r\n\r\n", 0, -1 },
	{ "REPLACE", "/^A: (.*)/ REPLACE C: $1!\n", "A: 1\r\n\r\n",
	  "C: 1!\r\n\r\n", 0, -1 },
	{ "PREPEND", "/^A:/ PREPEND C: d\n", "B: 0\r\nA: 1\r\n\r\n",
	  "B: 0\r\nC: d\r\nA: 1\r\n\r\n", 0, -1 },
	{ "REPLACE with no field", "/^A:/ REPLACE text\n", "A: 1\r\n\r\n", NULL,
	  451, EFFECT_NOTE },
	{ "HOLD", "/^A:/ HOLD x\n", "A: 1\r\n\r\n", "A: 1\r\n\r\n", 0,
	  EFFECT_HOLD },
	{ "STRIP tells", "/^A:/ STRIP x\n", "A: 1\r\n\r\n", "\r\n", 0,
	  EFFECT_NOTE },
	{ "BCC to nobody", "/^A:/ BCC x\n", "A: 1\r\n\r\n", NULL, 451,
	  EFFECT_NOTE },
	{ "an action that is none", "/^A:/ PERHAPS\n", "A: 1\r\n\r\n", NULL,
	  451, EFFECT_NOTE },
	{ "no empty line", "/^B:/ IGNORE\n", "A: 1\r\nB: 2\r\n", "A: 1\r\n", 0,
	  -1 },
	{ "a line that is no field stays", "/^x/ IGNORE\n",
	  "From x\r\nA: 1\r\n\r\n", "From x\r\nA: 1\r\n\r\n", 0, -1 },
};

static void
rules_do_what_they_say(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		const struct table_variable files[] = {
			{ S("main.cf"), S("header_checks = pcre:h\n") },
			{ S("h"), str_c(cases[i].rules) },
		};
		struct config_input in = { .dir = S("/d"),
					   .files = files,
					   .n_files = N_OF(files) };
		struct arena arena = ARENA_INIT(1 << 20);
		uint64_t left = CONTENT_MAX_STEPS;
		struct buf out = BUF_INIT(4096);
		struct access_result r;
		struct config *c;
		struct diag d;

		diag_init(&d, 1 << 20);
		assert_int_equal(config_load(&in, &d, &c), OK);
		assert_int_equal(content_check_header(c, str_c(cases[i].header),
						      &arena, NULL, &left, &out,
						      &r),
				 OK);
		if (r.reply.code != cases[i].code ||
		    (cases[i].want != NULL &&
		     !str_eq(buf_str(&out), str_c(cases[i].want))) ||
		    (cases[i].effect >= 0) != (r.n_effects > 0) ||
		    (r.n_effects > 0 &&
		     (int)r.effects[0].kind != cases[i].effect))
			fail_msg("%s: %u \"%.*s\"", cases[i].name, r.reply.code,
				 (int)out.n, out.p);
		config_free(&c);
		diag_release(&d);
		buf_release(&out);
		arena_release(&arena);
	}
}

/* Each field stays below the bound of one lookup; all of them must not take as
 * long as there are fields. */
static void
a_header_has_a_bound_of_its_own(void **state UNUSED)
{
	const struct table_variable files[] = {
		{ S("main.cf"), S("header_checks = pcre:h\n") },
		{ S("h"), S("/^X: (a+)+$/ REJECT\n") },
	};
	struct config_input in = { .dir = S("/d"),
				   .files = files,
				   .n_files = N_OF(files) };
	struct arena arena = ARENA_INIT(1 << 20);
	struct buf out = BUF_INIT(1 << 16), header = BUF_INIT(1 << 16);
	struct access_result r;
	struct config *c;
	struct diag d;

	diag_init(&d, 1 << 20);
	assert_int_equal(config_load(&in, &d, &c), OK);
	for (int n = 1; n <= 900; n += 899) {
		buf_clear(&header);
		buf_clear(&out);
		for (int i = 0; i < n; i++)
			buf_put(&header, S("X: aaaaaaaaaaaaaab\r\n"));
		buf_put(&header, S("\r\n"));
		uint64_t left = CONTENT_MAX_STEPS;
		assert_int_equal(content_check_header(c, buf_str(&header),
						      &arena, NULL, &left, &out,
						      &r),
				 OK);
		assert_int_equal(r.reply.code, n == 1 ? 0 : 451);
	}
	config_free(&c);
	diag_release(&d);
	buf_release(&header);
	buf_release(&out);
	arena_release(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_do_what_they_say),
		cmocka_unit_test(a_header_has_a_bound_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
