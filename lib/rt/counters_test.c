/* SPDX-License-Identifier: MIT
 * lib/rt/counters_test.c - what is counted is what a reader sees. */
#include "lib/rt/counters.c"

#include "tests/unit/unit.h"

#include <stdlib.h>
#include <sys/stat.h>

static char dir[] = "/tmp/counters-XXXXXX";

static int
open_stats(void)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/stats", dir);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void
test_a_reader_sees_the_counts(void **state UNUSED)
{
	struct counters_page seen;
	int stats;

	counter_add(COUNT_SMTP_ACCEPTED, 5); // nobody sees these
	counters_open(dir, "in", 0);
	stats = open_stats();
	assert_int_equal(counters_read(stats, "in.0", &seen), OK);
	assert_int_equal(seen.value[COUNT_SMTP_ACCEPTED], 0);
	counter_add(COUNT_SMTP_ACCEPTED, 2);
	counter_up(COUNT_SMTP_SESSIONS_NOW);
	counter_up(COUNT_SMTP_SESSIONS_NOW);
	counter_down(COUNT_SMTP_SESSIONS_NOW);
	counter_set(COUNT_QUEUE_MESSAGES_NOW, 7);
	assert_int_equal(counters_read(stats, "in.0", &seen), OK);
	assert_int_equal(seen.value[COUNT_SMTP_ACCEPTED], 2);
	assert_int_equal(seen.value[COUNT_SMTP_SESSIONS_NOW], 1);
	assert_int_equal(seen.value[COUNT_QUEUE_MESSAGES_NOW], 7);
	counters_open(dir, "in", 0); // the role began again
	assert_int_equal(counters_read(stats, "in.0", &seen), OK);
	assert_int_equal(seen.value[COUNT_SMTP_ACCEPTED], 0);
	close(stats);
}

static void
test_other_files_are_refused(void **state UNUSED)
{
	static const struct {
		const char *name;
		size_t n;
		size_t at; // this octet is another one
	} rows[] = {
		{ "empty", 0, 0 },
		{ "short", sizeof(struct counters_page) - 1, 0 },
		{ "long", sizeof(struct counters_page) + 1, 0 },
		{ "magic", sizeof(struct counters_page), 0 },
		{ "version", sizeof(struct counters_page), 8 },
		{ "number", sizeof(struct counters_page), 12 },
	};
	char bytes[sizeof(struct counters_page) + 1];
	struct counters_page seen;
	int stats;

	counters_open(dir, "in", 0);
	stats = open_stats();
	assert_int_equal(counters_read(stats, "none", &seen), ERR_NOT_FOUND);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		memset(bytes, 0, sizeof(bytes));
		memcpy(bytes, page, sizeof(*page));
		bytes[rows[i].at] ^= 1;
		assert_int_equal(fs_replace(stats, rows[i].name,
					    str_of(bytes, rows[i].n), 0600),
				 OK);
		if (counters_read(stats, rows[i].name, &seen) != ERR_FORMAT)
			fail_msg("%s", rows[i].name);
		unlinkat(stats, rows[i].name, 0);
	}
	close(stats);
}

static void
test_every_counter_has_a_name(void **state UNUSED)
{
	for (enum counter c = 0; c < COUNTERS; c++)
		assert_non_null(counter_name(c));
	assert_true(counter_is_gauge(COUNT_SMTP_SESSIONS_NOW));
	assert_false(counter_is_gauge(COUNT_SMTP_SESSIONS));
}

static int
make_dir(void **state UNUSED)
{
	return mkdtemp(dir) == NULL;
}

static int
remove_dir(void **state UNUSED)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/stats/in.0", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/stats", dir);
	rmdir(path);
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_reader_sees_the_counts),
		cmocka_unit_test(test_other_files_are_refused),
		cmocka_unit_test(test_every_counter_has_a_name),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
