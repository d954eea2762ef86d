/* SPDX-License-Identifier: MIT
 * tests/clock/moved.c - clocks that a test sets: loaded before libc, it adds
 * what the file CLOCK_FILE says, in microseconds: two native int64_t, for the
 * wall clock and the monotonic one. The file is mapped before any rights are
 * given up, so it can change at any time. A loop that sleeps learns of a jump
 * when something wakes it. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { US_PER_S = 1000000, NS_PER_US = 1000 };

enum { WALL, MONOTONIC, CLOCKS };

static const volatile int64_t *ahead_us;
static int (*real_clock)(clockid_t, struct timespec *);

__attribute__((constructor)) static void
load(void)
{
	const char *path = getenv("CLOCK_FILE");
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = MAP_FAILED;

	real_clock = (int (*)(clockid_t, struct timespec *))dlsym(
		RTLD_NEXT, "clock_gettime");
	if (fd >= 0)
		map = mmap(NULL, CLOCKS * sizeof(*ahead_us), PROT_READ,
			   MAP_SHARED, fd, 0);
	if (map != MAP_FAILED)
		ahead_us = map;
	if (fd >= 0)
		close(fd);
}

static int
which(clockid_t id)
{
	if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
		return WALL;
	if (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE)
		return MONOTONIC;
	return CLOCKS;
}

int
clock_gettime(clockid_t id, struct timespec *out)
{
	int result = real_clock(id, out), clock = which(id);

	if (result == 0 && ahead_us != NULL && clock != CLOCKS) {
		int64_t us = out->tv_sec * (int64_t)US_PER_S +
			     out->tv_nsec / NS_PER_US + ahead_us[clock];

		out->tv_sec = us / US_PER_S;
		out->tv_nsec = us % US_PER_S * NS_PER_US;
	}
	return result;
}

int
gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	out->tv_sec = now.tv_sec;
	out->tv_usec = now.tv_nsec / NS_PER_US;
	return 0;
}

time_t
time(time_t *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}
