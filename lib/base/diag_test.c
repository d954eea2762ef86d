/* SPDX-License-Identifier: MIT
 * lib/base/diag_test.c */
#include "lib/base/diag.c"

#include "tests/unit/unit.h"

static void
entries_come_out_in_order_with_file_and_line(void **state UNUSED)
{
	struct diag d;
	struct buf out = BUF_INIT(4096);

	diag_init(&d, 65536);
	diag_error(&d, S("a.cf"), 3, "no %s", "value");
	diag_warn(&d, S("a.cf"), 0, "odd");
	diag_note(&d, S(""), 0, "fine");
	assert_int_equal(d.n_errors, 1);
	assert_int_equal(d.n_warnings, 1);
	assert_int_equal(d.n_notes, 1);
	assert_int_equal(diag_format_all(&d, &out), OK);
	assert_str(buf_str(&out), "a.cf:3: error: no value\n"
				  "a.cf: warning: odd\n"
				  "note: fine\n");
	buf_release(&out);
	diag_release(&d);
}

static void
control_bytes_never_reach_a_terminal(void **state UNUSED)
{
	struct diag d;

	diag_init(&d, 65536);
	diag_error(&d, S("f"), 1, "key \"%s\"", "a\033[2Jb\n");
	assert_str(d.first->text, "key \"a?[2Jb?\"");
	diag_release(&d);
}

static void
what_does_not_fit_is_counted(void **state UNUSED)
{
	struct diag d;
	struct buf out = BUF_INIT(1 << 20);

	diag_init(&d, 8192);
	for (uint32_t i = 1; i <= 1000; i++)
		diag_error(&d, S("f"), i, "wrong");
	assert_int_equal(d.n_errors, 1000);
	assert_true(d.n_dropped > 0 && d.n_dropped < 1000);
	assert_int_equal(diag_format_all(&d, &out), OK);
	assert_true(str_ends(buf_str(&out), S(" more not shown\n")));
	buf_release(&out);
	diag_release(&d);
}

static void
long_texts_are_cut_and_a_missing_collector_is_no_crash(void **state UNUSED)
{
	struct diag d;
	char text[3000];

	memset(text, 'x', sizeof(text));
	diag_init(&d, 65536);
	diag_error(&d, S("f"), 1, "%.*s", (int)sizeof(text), text);
	assert_int_equal(d.first->text.n, TEXT_MAX_OCTETS - 1);
	diag_error(NULL, S("f"), 1, "nobody listens");
	diag_release(&d);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_come_out_in_order_with_file_and_line),
		cmocka_unit_test(control_bytes_never_reach_a_terminal),
		cmocka_unit_test(what_does_not_fit_is_counted),
		cmocka_unit_test(
			long_texts_are_cut_and_a_missing_collector_is_no_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
