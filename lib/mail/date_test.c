/* SPDX-License-Identifier: MIT
 * lib/mail/date_test.c */
#include "lib/mail/date.c"

#include "tests/unit/unit.h"

static void
dates_are_read(void **state UNUSED)
{
	static const struct { // seconds from Python's email.utils
		struct str in;
		int64_t unix_s;
		int offset_min;
	} cases[] = {
		/* RFC 5322 A.1.1, A.5, A.6.2. */
		{ STR_INIT("Fri, 21 Nov 1997 09:55:06 -0600"), 880127706,
		  -360 },
		{ STR_INIT("Thu,\r\n      13\r\n        Feb\r\n          1969"
			   "\r\n      23:32\r\n               -0330 "
			   "(Newfoundland Time)"),
		  -27723480, -210 },
		{ STR_INIT("21 Nov 97 09:55:06 GMT"), 880106106, 0 },
		{ STR_INIT("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600"),
		  880127706, -360 },
		{ STR_INIT("Tue, 1 Jul 2003 10:52:37 +0200"), 1057049557, 120 },
		{ STR_INIT("Thu, 29 Feb 2024 23:59:59 +1400"), 1709200799,
		  840 },
		{ STR_INIT("Mon, 1 Jan 0001 00:00:00 +0000"), -62135596800, 0 },
		{ STR_INIT("Fri, 31 Dec 9999 23:59:60 +0000"), 253402300799,
		  0 },
		/* RFC 5322 4.3: years and zones. */
		{ STR_INIT("21 Nov 49 00:00:00 Z"), 2521065600, 0 },
		{ STR_INIT("21 Nov 50 00:00:00 A"), -603158400, 0 },
		{ STR_INIT("21 Nov 097 09:55:06 CST"), 880127706, -360 },
		{ STR_INIT("1 Jan 2024 10:00:00 PDT"), 1704128400, -420 },
		/* What occurs. */
		{ STR_INIT("Fri Nov 21 09:55:06 1997"), 880106106, 0 },
		{ STR_INIT("Fri Nov 21 09:55:06 CST 1997"), 880127706, -360 },
		{ STR_INIT("21-Nov-1997 09:55"), 880106100, 0 },
		{ STR_INIT("Friday, 21 November 1997 09:55:06.123 +00:00"),
		  880106106, 0 },
		{ STR_INIT("21 Nov 1997 09:55:06 GMT+0100"), 880102506, 60 },
		{ STR_INIT("21 Nov 1997 09:55:06 +9999"), 880106106, 0 },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct date d = { 0, 0 };

		assert_true(date_parse(cases[i].in, &d));
		assert_int_equal(d.unix_s, cases[i].unix_s);
		assert_int_equal(d.offset_min, cases[i].offset_min);
	}
}

static void
what_is_no_date_changes_nothing(void **state UNUSED)
{
	static const struct str cases[] = {
		STR_INIT(""),
		STR_INIT("Fri"),
		STR_INIT("Fri, 21 Nov 1997"),
		STR_INIT("32 Nov 1997 00:00"),
		STR_INIT("31 Nov 1997 00:00"),
		STR_INIT("29 Feb 2023 00:00"),
		STR_INIT("29 Feb 1900 00:00"),
		STR_INIT("0 Jan 2023 00:00"),
		STR_INIT("1 Foo 2023 00:00"),
		STR_INIT("1 Jan 2023 24:00"),
		STR_INIT("1 Jan 2023 00:60"),
		STR_INIT("1 Jan 2023 00:00:61"),
		STR_INIT("1 Jan 20230 00:00"),
		STR_INIT("1 Jan 0000 00:00"),
		STR_INIT("(((1 Jan 2023 00:00"),
		STR_INIT("1 Jan 2023 (\\"),
		STR_INIT("\0001 Jan 2023 00:00"),
		STR_INIT("99999999999999999999 Jan 2023 00:00"),
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct date d = { 7, 8 };

		assert_false(date_parse(cases[i], &d));
		assert_int_equal(d.unix_s, 7);
		assert_int_equal(d.offset_min, 8);
	}
}

static void
no_prefix_is_read_beyond_its_end(void **state UNUSED)
{
	struct str whole = S("Fri, 21 (a\\) Nov 1997 09:55:06.1 -0600 (x");

	for (size_t n = 1; n <= whole.n; n++) {
		char *exact = must_alloc(n);
		struct date d;

		memcpy(exact, whole.p, n);
		(void)date_parse(str_of(exact, n), &d);
		free(exact);
	}
}

static void
days_fall_in_the_zone_of_the_date(void **state UNUSED)
{
	struct date d;

	assert_int_equal(date_day_of(1970, 1, 1), 0);
	assert_int_equal(date_day_of(1969, 12, 31), -1);
	assert_int_equal(date_day_of(2000, 3, 1), 11017);
	assert_true(date_parse(S("1 Jan 1970 00:30 +0100"), &d));
	assert_int_equal(date_day(d), 0);
	assert_true(date_parse(S("31 Dec 1969 23:30 -0100"), &d));
	assert_int_equal(date_day(d), -1);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates_are_read),
		cmocka_unit_test(what_is_no_date_changes_nothing),
		cmocka_unit_test(no_prefix_is_read_beyond_its_end),
		cmocka_unit_test(days_fall_in_the_zone_of_the_date),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
