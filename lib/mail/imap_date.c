/* SPDX-License-Identifier: MIT
 * lib/mail/imap_date.c - dates of IMAP to numbers and back. */
#include "lib/mail/imap_date.h"

enum {
	DAY_S = 86400,
	HOUR_S = 3600,
	MINUTE_S = 60,
	MONTHS = 12,
	ERA_DAYS = 146097,   // 400 years
	EPOCH_DAYS = 719468, // 1970-01-01 from 0000-03-01
};

static const char month_names[MONTHS][4] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun",
	"Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
};

struct civil {
	int year, month, day; // month from 1
};

static int
days_of_month(int year, int month)
{
	static const int days[MONTHS] = { 31, 28, 31, 30, 31, 30,
					  31, 31, 30, 31, 30, 31 };
	bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && is_leap);
}

/* Takes between min and max digits; -1 when there are fewer. */
static int
take_digits(struct str *s, size_t min, size_t max)
{
	int value = 0;
	size_t n = 0;

	while (n < max && n < s->n && ascii_is_digit(s->p[n]))
		value = value * 10 + (s->p[n++] - '0');
	*s = str_from(*s, n);
	return n < min ? -1 : value;
}

static bool
take(struct str *s, char c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = str_from(*s, 1);
	return true;
}

/* 1 to 12, or 0. */
static int
take_month(struct str *s)
{
	struct str name = str_first(*s, 3);

	*s = str_from(*s, 3);
	for (int i = 0; i < MONTHS; i++)
		if (str_ieq(name, str_c(month_names[i])))
			return i + 1;
	return 0;
}

static bool
take_date(struct str *s, struct civil *out)
{
	out->day = take_digits(s, 1, 2);
	if (!take(s, '-'))
		return false;
	out->month = take_month(s);
	if (out->month == 0 || !take(s, '-'))
		return false;
	out->year = take_digits(s, 4, 4);
	return out->year >= 1 && out->day >= 1 &&
	       out->day <= days_of_month(out->year, out->month);
}

bool
imap_date_parse(struct str s, int64_t *day_out)
{
	struct civil c;

	if (!take_date(&s, &c) || s.n > 0)
		return false;
	*day_out = date_day_of(c.year, c.month, c.day);
	return true;
}

/* "hh:mm:ss" as seconds of the day, or -1. */
static int
take_time(struct str *s)
{
	int hour = take_digits(s, 2, 2), minute = -1, second = -1;

	if (take(s, ':'))
		minute = take_digits(s, 2, 2);
	if (take(s, ':'))
		second = take_digits(s, 2, 2);
	if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
	    second > 60)
		return -1;
	return hour * HOUR_S + minute * MINUTE_S + (second == 60 ? 59 : second);
}

static bool
take_zone(struct str *s, int *offset_min_out)
{
	bool is_west = take(s, '-');
	int hours, minutes;

	if (!is_west && !take(s, '+'))
		return false;
	hours = take_digits(s, 2, 2);
	minutes = take_digits(s, 2, 2);
	*offset_min_out = (hours * 60 + minutes) * (is_west ? -1 : 1);
	return hours >= 0 && hours < 24 && minutes >= 0 && minutes < 60;
}

bool
imap_date_time_parse(struct str s, struct date *out)
{
	struct civil c;
	int second, offset_min;

	take(&s, ' ');
	if (!take_date(&s, &c) || !take(&s, ' '))
		return false;
	second = take_time(&s);
	if (second < 0 || !take(&s, ' ') || !take_zone(&s, &offset_min) ||
	    s.n > 0)
		return false;
	out->unix_s = date_day_of(c.year, c.month, c.day) * DAY_S + second -
		      offset_min * MINUTE_S;
	out->offset_min = offset_min;
	return true;
}

/* The calendar repeats every 400 years; counted from March, the leap day is
 * the last of its year. */
static struct civil
civil_of(int64_t day)
{
	int64_t z = day + EPOCH_DAYS; // >= 0 from the year 1 on
	int64_t era = z / ERA_DAYS, in_era = z % ERA_DAYS;
	int64_t year =
		(in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) /
		365;
	int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
	int64_t from_march = (5 * in_year + 2) / 153;
	int month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);

	return (struct civil) {
		.year = (int)(year + era * 400 + (month <= 2)),
		.month = month,
		.day = (int)(in_year - (153 * from_march + 2) / 5 + 1),
	};
}

static int64_t
clamp(int64_t value, int64_t low, int64_t high)
{
	return value < low ? low : value > high ? high : value;
}

enum err
imap_date_time_write(struct buf *b, struct date d)
{
	int offset = (int)clamp(d.offset_min, -23 * 60 - 59, 23 * 60 + 59);
	int64_t low = date_day_of(1, 1, 1) * DAY_S;
	int64_t high = (date_day_of(9999, 12, 31) + 1) * DAY_S - 1;
	int64_t margin = DAY_S; // so that the sum cannot overflow
	int64_t local = clamp(clamp(d.unix_s, low - margin, high + margin) +
				      offset * MINUTE_S,
			      low, high);
	int64_t second = (local - low) % DAY_S;
	struct civil c = civil_of((local - second) / DAY_S);
	int zone = offset < 0 ? -offset : offset;

	return buf_addf(
		b, "\"%2d-%s-%04d %02d:%02d:%02d %c%02d%02d\"", c.day,
		month_names[c.month - 1], c.year, (int)(second / HOUR_S),
		(int)(second % HOUR_S / MINUTE_S), (int)(second % MINUTE_S),
		offset < 0 ? '-' : '+', zone / 60, zone % 60);
}
