/* SPDX-License-Identifier: MIT
 * mda/store/dir_time.c - has a directory changed since it was read? */
#include "mda/store/dir_time.h"

#include "lib/rt/clock.h"

#include <sys/stat.h>

enum {
	FINE_GRAIN_US = 20000,	   // clocks of file systems tick at 4 to 10 ms
	COARSE_GRAIN_US = 2000000, // or count seconds
};

static int64_t
us_of(struct timespec at)
{
	return at.tv_sec * US_PER_S + at.tv_nsec / 1000;
}

static int64_t
grain_us(struct timespec at)
{
	return at.tv_nsec == 0 ? COARSE_GRAIN_US : FINE_GRAIN_US;
}

/* A change gives the time of the clock, so it could not be met if it came when
 * the clock shows the time that is known. That may lie ahead: the clock was set
 * back, or a backup put the times there. */
bool
dir_time_take(int fd, struct dir_time *out)
{
	struct stat st;
	int64_t age_us;

	if (fstat(fd, &st) != 0)
		return false;
	out->at = st.st_mtim;
	age_us = wall_us() - us_of(st.st_mtim);
	out->is_ahead = age_us <= -grain_us(st.st_mtim);
	out->is_settled = out->is_ahead || age_us >= grain_us(st.st_mtim);
	return true;
}

bool
dir_time_is_changed(int fd, const struct dir_time *known)
{
	struct stat st;

	if (known->is_ahead &&
	    wall_us() - us_of(known->at) > -grain_us(known->at))
		return true;
	return fstat(fd, &st) != 0 || !known->is_settled ||
	       !is_same_time(st.st_mtim, known->at);
}
