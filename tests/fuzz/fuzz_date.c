/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_date.c - what is read as a date is one that libc can write,
 * and reading that again gives the same. */
#include "lib/base/check.h"
#include "lib/mail/date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct date d = { 0, 0 }, again = { 0, 0 };
	struct tm tm;
	char text[100];
	time_t local;
	int zone;

	if (!date_parse(str_of(data, size), &d))
		return 0;
	local = d.unix_s + (int64_t)d.offset_min * 60;
	check(gmtime_r(&local, &tm) != NULL);
	check(date_day(d) ==
	      date_day_of(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday));
	zone = d.offset_min < 0 ? -d.offset_min : d.offset_min;
	snprintf(text, sizeof(text), "%d %.3s %04d %02d:%02d:%02d %c%02d%02d",
		 tm.tm_mday, &months[3 * tm.tm_mon], tm.tm_year + 1900,
		 tm.tm_hour, tm.tm_min, tm.tm_sec, d.offset_min < 0 ? '-' : '+',
		 zone / 60, zone % 60);
	check(date_parse(str_c(text), &again));
	check(again.unix_s == d.unix_s && again.offset_min == d.offset_min);
	return 0;
}
