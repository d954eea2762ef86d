/* SPDX-License-Identifier: MIT
 * lib/rt/clock.h - monotonic time decides, wall time is shown. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Microseconds on the monotonic clock. Deadlines are such values. */
int64_t now_us(void);
/* Wall clock, microseconds since 1970. */
int64_t wall_us(void);
/* Wall clock, seconds since 1970. */
int64_t wall_s(void);
/* The local zone's distance from UTC at that time, minutes east. */
int utc_offset_minutes(int64_t at_s);

#define US_PER_S 1000000ll
#define US_PER_MS 1000ll
#define NEVER_US INT64_MAX

/* now_us() + seconds. */
int64_t in_s(int64_t seconds);
int64_t in_ms(int64_t ms);

/* To the nanosecond: a file's time, now and before. */
static inline bool
is_same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}
