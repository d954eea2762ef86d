/* SPDX-License-Identifier: MIT
 * mda/store/dir_time_test.c - a directory whose time is past, now, or ahead. */
#include "mda/store/dir_time.c"

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static char path[] = "/tmp/dir_time_test-XXXXXX";

static int
set_up(void **state UNUSED)
{
	return mkdtemp(path) == NULL;
}

static int
tear_down(void **state UNUSED)
{
	return rmdir(path);
}

static void
set_time(int fd, int64_t us)
{
	struct timespec at = { us / US_PER_S, us % US_PER_S * 1000 };
	struct timespec times[] = { at, at };

	assert_int_equal(futimens(fd, times), 0);
}

static void
change(int fd)
{
	assert_int_equal(mkdirat(fd, "x", 0700), 0);
	assert_int_equal(unlinkat(fd, "x", AT_REMOVEDIR), 0);
}

static void
only_what_may_come_at_the_same_time_is_unsettled(void **state UNUSED)
{
	static const struct {
		const char *name;
		int64_t ahead_us;
		bool is_changed;
	} cases[] = {
		{ "an hour ago", -3600 * US_PER_S, false },
		{ "a second ago", -US_PER_S, false },
		{ "now", 0, true },
		{ "soon", 15000, true },
		{ "in a minute", 60 * US_PER_S, false },
		{ "in a year", 365 * 86400 * US_PER_S, false },
	};
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct dir_time t;
		int64_t began_us;
		bool is_changed;

		print_message("# %s\n", cases[i].name);
		do { // again if we were kept from it meanwhile
			began_us = wall_us();
			set_time(fd, began_us + cases[i].ahead_us);
			assert_true(dir_time_take(fd, &t));
			is_changed = dir_time_is_changed(fd, &t);
		} while (wall_us() - began_us > FINE_GRAIN_US / 4);
		assert_int_equal(is_changed, cases[i].is_changed);
		change(fd);
		assert_true(dir_time_is_changed(fd, &t));
	}
	close(fd);
}

/* Then a change may have that very time. */
static void
a_time_ahead_is_looked_at_again_when_it_comes(void **state UNUSED)
{
	enum { AHEAD_US = 100000 };
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int64_t at_us = wall_us() + AHEAD_US;
	struct dir_time t;

	set_time(fd, at_us);
	assert_true(dir_time_take(fd, &t));
	assert_true(t.is_settled);
	while (wall_us() < at_us)
		usleep(1000);
	assert_true(dir_time_is_changed(fd, &t));
	while (wall_us() < at_us + FINE_GRAIN_US)
		usleep(1000);
	assert_true(dir_time_take(fd, &t));
	assert_false(dir_time_is_changed(fd, &t));
	close(fd);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			only_what_may_come_at_the_same_time_is_unsettled),
		cmocka_unit_test(a_time_ahead_is_looked_at_again_when_it_comes),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
