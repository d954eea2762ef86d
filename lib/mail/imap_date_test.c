/* SPDX-License-Identifier: MIT
 * lib/mail/imap_date_test.c */
#include "lib/mail/imap_date.c"

#include "tests/unit/unit.h"

/* Numbers from date(1): date -u -d '...' +%s */
static void
date_times_there_and_back(void **state UNUSED)
{
	static const struct {
		struct str in;
		int64_t unix_s;
		int offset_min;
	} cases[] = {
		{ STR_INIT("17-Jul-1996 02:44:25 -0700"), 837596665, -420 },
		{ STR_INIT(" 1-Jan-1970 00:00:00 +0000"), 0, 0 },
		{ STR_INIT("31-Dec-1969 23:59:59 +0000"), -1, 0 },
		{ STR_INIT("29-Feb-2024 12:00:00 +0530"), 1709188200, 330 },
		{ STR_INIT("29-Feb-2000 00:00:00 +0000"), 951782400, 0 },
		{ STR_INIT(" 1-Mar-1900 00:00:00 +0000"), -2203891200, 0 },
		{ STR_INIT(" 1-Jan-0001 00:00:00 +0000"), -62135596800, 0 },
		{ STR_INIT("31-Dec-9999 23:59:59 +0000"), 253402300799, 0 },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf b = BUF_INIT(100);
		struct date d;

		assert_true(imap_date_time_parse(cases[i].in, &d));
		assert_int_equal(d.unix_s, cases[i].unix_s);
		assert_int_equal(d.offset_min, cases[i].offset_min);
		assert_int_equal(imap_date_time_write(&b, d), OK);
		assert_str_eq(str_sub(buf_str(&b), 1, b.n - 2), cases[i].in);
		assert_int_equal(b.p[0], '"');
		assert_int_equal(b.p[b.n - 1], '"');
		buf_release(&b);
	}
}

static void
every_day_of_the_calendar_comes_back(void **state UNUSED)
{
	struct buf b = BUF_INIT(100);
	int64_t last = date_day_of(9999, 12, 31);

	for (int64_t day = date_day_of(1, 1, 1); day <= last; day += 13) {
		struct date d = { .unix_s = day * DAY_S }, got;
		int64_t got_day;

		buf_clear(&b);
		assert_int_equal(imap_date_time_write(&b, d), OK);
		assert_true(imap_date_time_parse(
			str_sub(buf_str(&b), 1, b.n - 2), &got));
		assert_int_equal(got.unix_s, d.unix_s);
		assert_true(imap_date_parse(
			str_ltrim(str_sub(buf_str(&b), 1, 11)), &got_day));
		assert_int_equal(got_day, day);
	}
	buf_release(&b);
}

/* I11 and others */
static void
what_is_no_date_is_refused(void **state UNUSED)
{
	static const struct str in[] = {
		STR_INIT(""),
		STR_INIT("17-Jul-1996"),
		STR_INIT("17-Jul-0000 02:44:25 -0700"),
		STR_INIT("17-Jul--001 02:44:25 -0700"),
		STR_INIT("17-Jul-10000 02:44:25 -0700"),
		STR_INIT("17-Jul-96 02:44:25 -0700"),
		STR_INIT("00-Jul-1996 02:44:25 -0700"),
		STR_INIT("32-Jul-1996 02:44:25 -0700"),
		STR_INIT("31-Jun-1996 02:44:25 -0700"),
		STR_INIT("29-Feb-1900 02:44:25 -0700"),
		STR_INIT("17-Jux-1996 02:44:25 -0700"),
		STR_INIT("17-7-1996 02:44:25 -0700"),
		STR_INIT("17-Jul-1996 24:00:00 -0700"),
		STR_INIT("17-Jul-1996 02:60:25 -0700"),
		STR_INIT("17-Jul-1996 02:44:61 -0700"),
		STR_INIT("17-Jul-1996 02:44:25 -0760"),
		STR_INIT("17-Jul-1996 02:44:25 -2400"),
		STR_INIT("17-Jul-1996 02:44:25 0700"),
		STR_INIT("17-Jul-1996 02:44:25"),
		STR_INIT("17-Jul-1996 02:44:25 -070"),
		STR_INIT("17-Jul-1996 02:44:25 -07000"),
		STR_INIT("  7-Jul-1996 02:44:25 -0700"),
		STR_INIT("17-Jul-1996\0 02:44:25 -0700"),
	};
	struct str good = S("17-Jul-1996 02:44:25 -0700");
	struct date d;
	int64_t day;

	for (size_t i = 0; i < N_OF(in); i++)
		if (imap_date_time_parse(in[i], &d))
			fail_msg("%.*s", STR(in[i]));
	for (size_t n = 0; n < good.n; n++)
		assert_false(imap_date_time_parse(str_first(good, n), &d));
	assert_false(imap_date_parse(S("\"1-Feb-1994\""), &day));
	assert_false(imap_date_parse(S("1-Feb-1994 "), &day));
	assert_false(imap_date_parse(S(" 1-Feb-1994"), &day));
	assert_true(imap_date_parse(S("1-feb-1994"), &day));
	assert_int_equal(day, 8797);
	assert_true(imap_date_parse(S("01-FEB-1994"), &day));
	assert_int_equal(day, 8797);
}

static void
numbers_beyond_the_calendar_are_moved_inside(void **state UNUSED)
{
	static const struct {
		struct date in;
		struct str want;
	} cases[] = {
		{ { INT64_MAX, INT32_MAX },
		  STR_INIT("\"31-Dec-9999 23:59:59 +2359\"") },
		{ { INT64_MIN, INT32_MIN },
		  STR_INIT("\" 1-Jan-0001 00:00:00 -2359\"") },
		{ { 253402300799, 60 },
		  STR_INIT("\"31-Dec-9999 23:59:59 +0100\"") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf b = BUF_INIT(100);

		assert_int_equal(imap_date_time_write(&b, cases[i].in), OK);
		assert_str_eq(buf_str(&b), cases[i].want);
		buf_release(&b);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(date_times_there_and_back),
		cmocka_unit_test(every_day_of_the_calendar_comes_back),
		cmocka_unit_test(what_is_no_date_is_refused),
		cmocka_unit_test(numbers_beyond_the_calendar_are_moved_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
