/* SPDX-License-Identifier: MIT
 * tests/measure.h - what programs share that keep a server busy and time it.
 * They use none of the code that they test. */
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static inline int64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static inline int
compare_times(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* The shortest first, so that the median is in the middle. */
static inline void
sort_times(int64_t *times_us, size_t n)
{
	qsort(times_us, n, sizeof(*times_us), compare_times);
}

/* Takes as many descriptors as the system grants; how many that is. */
static inline rlim_t
take_all_descriptors(void)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	return files.rlim_max;
}
