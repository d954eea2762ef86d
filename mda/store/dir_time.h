/* SPDX-License-Identifier: MIT
 * mda/store/dir_time.h - the time of a directory, to see whether it has changed
 * since it was read. */
#pragma once

#include "lib/base/err.h"

#include <stdbool.h>
#include <time.h>

struct dir_time {
	struct timespec at;
	bool is_settled; // a later change cannot have the same time,
	bool is_ahead;	 // or not as long as the clock is before it
};

/* The time now, from before a reading; false: it cannot be told. */
bool dir_time_take(int fd, struct dir_time *out) MUST_USE;
/* May the directory have changed since then? */
bool dir_time_is_changed(int fd, const struct dir_time *known);
