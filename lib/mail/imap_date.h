/* SPDX-License-Identifier: MIT
 * lib/mail/imap_date.h - date and date-time of IMAP (RFC 9051 section 9).
 *
 * Years 1 to 9999; a date that the calendar lacks is refused. A false result
 * leaves the output untouched. */
#pragma once

#include "lib/base/buf.h"
#include "lib/mail/date.h"

/* "1-Feb-1994", without quotes: its day number. */
bool imap_date_parse(struct str s, int64_t *day_out);
/* "17-Jul-1996 02:44:25 -0700", without quotes; a day of one digit has a blank
 * before it, or nothing. Second 60 counts as 59. */
bool imap_date_time_parse(struct str s, struct date *out);
/* The same with its quotes, for INTERNALDATE. A date outside of the years
 * above, in its zone, is moved to the nearest inside. */
enum err imap_date_time_write(struct buf *b, struct date d) MUST_USE;
