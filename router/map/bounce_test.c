/* SPDX-License-Identifier: MIT
 * router/map/bounce_test.c - expected texts: what `postconf -b` of Postfix 3.7
 * gives for the same files. */
#include "router/map/bounce.c"

#include "tests/unit/unit.h"

static const char main_cf[] = "delay_warning_time = 90m\n"
			      "maximal_queue_lifetime = 36h\n"
			      "my_own = own thing\nmyhostname = h.d.e\n";

static const struct {
	const char *name, *text, *want;
	size_t n_warnings, n_errors;
} cases[] = {
	{ "times, rounded down",
	  "hours $delay_warning_time_hours minutes "
	  "${delay_warning_time_minutes} days $maximal_queue_lifetime_days "
	  "hours $(maximal_queue_lifetime_hours)\n",
	  "hours 1 minutes 90 days 1 hours 36\n", 0, 0 },
	{ "a time of nothing", "$delay_warning_time_days\n", "0\n", 1, 0 },
	{ "settings", "$my_own at $myhostname by $mail_name ${my_own?yes}\n",
	  "own thing at h.d.e by Estafeta yes\n", 0, 0 },
	{ "the sign itself", "$$5\n", "$5\n", 0, 0 },
	{ "what cannot be", "$ a\n", "", 0, 1 },
	{ "no unit of that name", "[$delay_warning_time_years]\n", "[]\n", 1,
	  0 },
};

static void
names_are_expanded(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena arena = ARENA_INIT(1 << 20);
		struct bounce_words words[BOUNCE_VERIFY];
		struct buf file = BUF_INIT(1 << 16);
		struct settings s;
		struct diag d;
		size_t n_warnings;

		diag_init(&d, 1 << 20);
		settings_init(&s, &arena);
		assert_int_equal(
			settings_read(&s, S("main.cf"), str_c(main_cf), &d),
			OK);
		s.elsewhere = S("$my_own");
		assert_int_equal(settings_finish(&s, &d), OK);
		n_warnings = d.n_warnings;
		buf_putf(&file, "delay_template = <<X\nSubject: $s\n\n%sX\n",
			 cases[i].text);
		assert_int_equal(bounce_words_make(&arena, &s, S("b"),
						   buf_str(&file), &d, words),
				 OK);
		if (!str_eq(words[BOUNCE_DELAY].text, str_c(cases[i].want)) ||
		    d.n_warnings - n_warnings != cases[i].n_warnings ||
		    d.n_errors != cases[i].n_errors)
			fail_msg("%s: \"%.*s\", %zu %zu", cases[i].name,
				 STR(words[BOUNCE_DELAY].text), d.n_warnings,
				 d.n_errors);
		if (cases[i].n_errors == 0) // headers have no names
			assert_str(words[BOUNCE_DELAY].subject, "$s");
		assert_int_equal(words[BOUNCE_FAILURE].text.n, 0);
		settings_release(&s);
		diag_release(&d);
		buf_release(&file);
		arena_release(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_expanded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
