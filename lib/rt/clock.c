/* SPDX-License-Identifier: MIT
 * lib/rt/clock.c - the two clocks. */
#include "lib/rt/clock.h"

#include <time.h>

static int64_t
read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * US_PER_S + ts.tv_nsec / 1000;
}

int64_t
now_us(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t
wall_us(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t
wall_s(void)
{
	return wall_us() / US_PER_S;
}

int
utc_offset_minutes(int64_t at_s)
{
	time_t t = at_s;
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL)
		return 0;
	return (int)(tm.tm_gmtoff / 60);
}

int64_t
in_s(int64_t seconds)
{
	return now_us() + seconds * US_PER_S;
}

int64_t
in_ms(int64_t ms)
{
	return now_us() + ms * US_PER_MS;
}
