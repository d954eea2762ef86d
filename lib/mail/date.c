/* SPDX-License-Identifier: MIT
 * lib/mail/date.c - reads the Date field (RFC 5322 3.3, 4.3), tolerant.
 *
 * The value is cut into words, numbers, and signs; comments and commas are
 * passed over. Then: [weekday] day month year time [zone], or the same with
 * the month first (asctime). */
#include "lib/mail/date.h"

#include "lib/base/check.h"

enum {
	SECONDS_PER_DAY = 86400,
	MINUTES_PER_HOUR = 60,
	VALUE_MAX_OCTETS = 1000, // a date is short; comments may not hide it
	YEAR_MAX = 9999,
};

struct scan {
	struct str in;
	size_t at;
};

static void
skip_blanks(struct scan *s)
{
	size_t depth = 0;

	for (; s->at < s->in.n; s->at++) {
		char c = s->in.p[s->at];

		if (c == '\\' && depth > 0)
			s->at++;
		else if (c == '(')
			depth++;
		else if (c == ')' && depth > 0)
			depth--;
		else if (depth == 0 && !ascii_is_space(c))
			return;
	}
}

/* The letters here, perhaps none. */
static struct str
take_word(struct scan *s)
{
	size_t from;

	skip_blanks(s);
	from = s->at;
	while (s->at < s->in.n && ascii_is_alpha(s->in.p[s->at]))
		s->at++;
	return str_sub(s->in, from, s->at - from);
}

/* One to max_digits digits, no more. */
static bool
take_number(struct scan *s, size_t max_digits, int *out, size_t *n_digits_out)
{
	struct str digits;
	uint64_t n;
	size_t from;

	skip_blanks(s);
	from = s->at;
	while (s->at < s->in.n && ascii_is_digit(s->in.p[s->at]))
		s->at++;
	digits = str_sub(s->in, from, s->at - from);
	if (digits.n > max_digits || !str_to_u64(digits, INT32_MAX, &n))
		return false;
	*out = (int)n;
	*n_digits_out = digits.n;
	return true;
}

static bool
take_sign(struct scan *s, char c)
{
	skip_blanks(s);
	if (s->at >= s->in.n || s->in.p[s->at] != c)
		return false;
	s->at++;
	return true;
}

static void
skip_sign(struct scan *s, char c)
{
	while (take_sign(s, c))
		;
}

/* 1 to 12, or 0. "September" and "Sept" count as "Sep". */
static int
month_of(struct str word)
{
	static const struct str months = STR_INIT("jan"
						  "feb"
						  "mar"
						  "apr"
						  "may"
						  "jun"
						  "jul"
						  "aug"
						  "sep"
						  "oct"
						  "nov"
						  "dec");

	if (word.n < 3)
		return 0;
	for (int i = 0; i < 12; i++)
		if (str_ieq(str_first(word, 3),
			    str_sub(months, (size_t)i * 3, 3)))
			return i + 1;
	return 0;
}

static bool
is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int
days_in(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30,
				    31, 31, 30, 31, 30, 31 };

	return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

static bool
is_in_calendar(int year, int month, int day)
{
	return year >= 1 && year <= YEAR_MAX && month >= 1 && month <= 12 &&
	       day >= 1 && day <= days_in(year, month);
}

int64_t
date_day_of(int year, int month, int day)
{
	int64_t years, days;

	check(is_in_calendar(year, month, day));
	years = year - 1;
	days = years * 365 + years / 4 - years / 100 + years / 400;
	for (int m = 1; m < month; m++)
		days += days_in(year, m);
	return days + day - 1 - 719162; // days from 1-1-1 to 1970-1-1
}

int64_t
date_day(struct date d)
{
	int64_t local_s = d.unix_s + (int64_t)d.offset_min * 60;
	int64_t day = local_s / SECONDS_PER_DAY;

	return local_s % SECONDS_PER_DAY < 0 ? day - 1 : day;
}

/* RFC 5322 4.3: 00 to 49 are 2000 to 2049; other short ones follow 1900. */
static int
full_year(int year, size_t n_digits)
{
	if (n_digits <= 2)
		return year < 50 ? year + 2000 : year + 1900;
	return n_digits == 3 ? year + 1900 : year;
}

/* RFC 5322 4.3; unknown and military zones count as -0000. */
static int
zone_of(struct str word)
{
	static const struct {
		struct str name;
		int hours;
	} zones[] = {
		{ STR_INIT("EST"), -5 }, { STR_INIT("EDT"), -4 },
		{ STR_INIT("CST"), -6 }, { STR_INIT("CDT"), -5 },
		{ STR_INIT("MST"), -7 }, { STR_INIT("MDT"), -6 },
		{ STR_INIT("PST"), -8 }, { STR_INIT("PDT"), -7 },
	};

	for (size_t i = 0; i < sizeof(zones) / sizeof(*zones); i++)
		if (str_ieq(zones[i].name, word))
			return zones[i].hours * MINUTES_PER_HOUR;
	return 0;
}

/* "+0100", "GMT", "GMT+0100", nothing; whatever follows is ignored. */
static int
take_zone(struct scan *s)
{
	struct str word = take_word(s);
	bool is_east = take_sign(s, '+');
	int n, minutes;
	size_t n_digits;

	if (!is_east && !take_sign(s, '-'))
		return zone_of(word);
	if (!take_number(s, 4, &n, &n_digits) || n_digits < 3 ||
	    n % 100 >= MINUTES_PER_HOUR)
		return 0;
	minutes = n / 100 * MINUTES_PER_HOUR + n % 100;
	return is_east ? minutes : -minutes;
}

struct clock {
	int hour, minute, second;
};

/* hour ":" minute [":" second ["." digits]] */
static bool
take_clock(struct scan *s, struct clock *out)
{
	size_t n_digits;
	int fraction;

	out->second = 0;
	if (!take_number(s, 2, &out->hour, &n_digits) || !take_sign(s, ':') ||
	    !take_number(s, 2, &out->minute, &n_digits))
		return false;
	if (take_sign(s, ':') && !take_number(s, 2, &out->second, &n_digits))
		return false;
	if (s->at < s->in.n && s->in.p[s->at] == '.') {
		s->at++;
		(void)take_number(s, 9, &fraction, &n_digits);
	}
	if (out->second == 60)
		out->second = 59;
	return out->hour <= 23 && out->minute <= 59 && out->second <= 59;
}

struct day {
	int year, month, day;
};

static bool
take_year(struct scan *s, int *out)
{
	size_t n_digits;

	if (!take_number(s, 4, out, &n_digits))
		return false;
	*out = full_year(*out, n_digits);
	return true;
}

/* Behind the weekday: day month year time zone. */
static bool
take_date(struct scan *s, struct day *d, struct clock *t, int *zone_out)
{
	size_t n_digits;

	if (!take_number(s, 2, &d->day, &n_digits))
		return false;
	skip_sign(s, '-');
	d->month = month_of(take_word(s));
	skip_sign(s, '.');
	skip_sign(s, '-');
	if (!take_year(s, &d->year))
		return false;
	skip_sign(s, ',');
	if (!take_clock(s, t))
		return false;
	*zone_out = take_zone(s);
	return true;
}

/* "Nov 21 10:00:00 [zone] 1997 [zone]"; the month is already known. */
static bool
take_asctime(struct scan *s, struct day *d, struct clock *t, int *zone_out)
{
	size_t n_digits;
	struct str word;

	if (!take_number(s, 2, &d->day, &n_digits) || !take_clock(s, t))
		return false;
	word = take_word(s);
	if (!take_year(s, &d->year))
		return false;
	*zone_out = word.n > 0 ? zone_of(word) : take_zone(s);
	return true;
}

bool
date_parse(struct str value, struct date *out)
{
	struct scan s = { str_first(value, VALUE_MAX_OCTETS), 0 };
	struct day d = { 0 };
	struct clock t = { 0 };
	struct str word = take_word(&s);
	int zone;
	bool ok;

	skip_sign(&s, '.');
	skip_sign(&s, ',');
	d.month = month_of(word);
	if (word.n > 0 && d.month == 0) // a weekday; asctime's month may follow
		d.month = month_of(take_word(&s));
	ok = d.month != 0 ? take_asctime(&s, &d, &t, &zone)
			  : take_date(&s, &d, &t, &zone);
	if (!ok || !is_in_calendar(d.year, d.month, d.day))
		return false;
	out->offset_min = zone;
	out->unix_s = date_day_of(d.year, d.month, d.day) * SECONDS_PER_DAY +
		      t.hour * 3600 + t.minute * 60 + t.second -
		      (int64_t)zone * 60;
	return true;
}
