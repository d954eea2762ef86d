/* SPDX-License-Identifier: MIT
 * lib/mail/date.h - the Date field to numbers (IMAP's dates: imap_date.h).
 *
 * Years 1 to 9999 of the Gregorian calendar. Days count from 1 January 1970.
 * No clock, no zone database. A false result leaves the outputs untouched. */
#pragma once

#include "lib/base/buf.h"

struct date {
	int64_t unix_s;
	int offset_min; // east of Greenwich; unix_s does not include it
};

/* Date field (RFC 5322 3.3, 4.3): weekday, seconds and zone may be missing
 * (zone then +0000), years of two or three digits, named zones, comments and
 * folds anywhere; also dashes in the date, and the order of asctime.
 * A wrong weekday is ignored. Second 60 counts as 59. */
bool date_parse(struct str value, struct date *out);

/* The day a date falls on in its own zone: what SENTON and ON compare
 * ("disregarding time and timezone", RFC 9051 6.4.4). */
int64_t date_day(struct date d);

/* Day number of a date of the calendar; it must exist (check). */
int64_t date_day_of(int year, int month, int day);
