/* SPDX-License-Identifier: MIT
 * mta/queue/spool_test.c - what a disk that fails may leave behind. Each start
 * is a child of its own, so that the lock and the loop are new. */
#include "lib/rt/fs.h"

static enum err flush(int fd);
#define fs_sync_data flush
#include "mta/queue/spool.c"
#undef fs_sync_data

#include "tests/unit/directory.h"
#include "tests/unit/in_process.h"

#include <sys/wait.h>

static int failing_from, failing_n; // flushes of this process
static int n_flushes;

static enum err
flush(int fd)
{
	int i = ++n_flushes;

	if (i >= failing_from && i < failing_from + failing_n)
		return ERR_IO;
	return fs_sync_data(fd);
}

struct seen {
	int n;
	struct buf bodies;
};

static struct spool *spool;

static void
found(void *arg, enum record_type type, struct str body, bool is_whole,
      uint64_t segment, uint64_t offset UNUSED)
{
	struct seen *seen = arg;

	if (type != RECORD_GONE)
		return;
	seen->n++;
	spool_hold(spool, segment, 0); // its file stays
	if (!is_whole)
		buf_putc(&seen->bodies, '!');
	buf_put(&seen->bodies, body);
	buf_putc(&seen->bodies, ' ');
}

static struct str
open_spool(void)
{
	static struct seen seen = { .bodies = BUF_INIT(65536) };

	check(spool_open(dir, found, &seen, &spool) == OK);
	return buf_str(&seen.bodies);
}

static void
fail_and_die(struct co *co, void *arg UNUSED)
{
	struct spool_place place;

	open_spool();
	check(spool_begin(co, spool) == OK);
	check(spool_append(co, spool, RECORD_GONE, S("kept"), &place) == OK);
	failing_from = n_flushes + 1;
	failing_n = 1;
	/* Its octets are in the file; only the flush failed. */
	check(spool_append(co, spool, RECORD_GONE, S("refused"), &place) ==
	      ERR_IO);
	_exit(0); // at once, as kill -9 would
}

static void
see_kept_alone(struct co *co UNUSED, void *arg UNUSED)
{
	check(str_eq(open_spool(), S("kept ")));
	_exit(0);
}

static void
what_was_refused_is_not_there_after_a_kill(void **state UNUSED)
{
	in_process(fail_and_die);
	in_process(see_kept_alone);
}

static void
fail_the_fence_too(struct co *co, void *arg UNUSED)
{
	struct spool_place place;
	int64_t began_us;

	open_spool();
	check(spool_begin(co, spool) == OK);
	check(spool_append(co, spool, RECORD_GONE, S("kept"), &place) == OK);
	failing_from = n_flushes + 1;
	failing_n = 2; // the flush, and the next segment's head
	began_us = now_us();
	check(spool_append(co, spool, RECORD_GONE, S("refused"), &place) ==
	      ERR_IO);
	/* Told only after the second try of a fence. */
	check(now_us() - began_us >= US_PER_S / 2);
	check(spool_append(co, spool, RECORD_GONE, S("after"), &place) == OK);
	_exit(0);
}

static void
see_kept_and_after(struct co *co UNUSED, void *arg UNUSED)
{
	check(str_eq(open_spool(), S("kept after ")));
	_exit(0);
}

static void
nobody_is_refused_before_the_fence_is_durable(void **state UNUSED)
{
	in_process(fail_the_fence_too);
	in_process(see_kept_and_after);
}

static void
write_three(struct co *co, void *arg UNUSED)
{
	struct spool_place place;

	open_spool();
	check(spool_begin(co, spool) == OK);
	check(spool_append(co, spool, RECORD_GONE, S("one"), &place) == OK);
	check(spool_append(co, spool, RECORD_GONE, S("two"), &place) == OK);
	check(spool_append(co, spool, RECORD_GONE, S("three"), &place) == OK);
	_exit(0);
}

static void
begin_another(struct co *co, void *arg UNUSED)
{
	open_spool();
	check(spool_begin(co, spool) == OK);
	_exit(0);
}

static void
damage(off_t at, unsigned char xor)
{
	char path[128];
	unsigned char c;
	int fd;

	snprintf(path, sizeof(path), "%s/0000000001.seg", dir);
	fd = open(path, O_RDWR);
	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= xor;
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

static void
see_damaged_two(struct co *co UNUSED, void *arg UNUSED)
{
	check(str_eq(open_spool(), S("one !tvo three ")));
	_exit(0);
}

static void
see_no_two(struct co *co UNUSED, void *arg UNUSED)
{
	check(str_eq(open_spool(), S("one three ")));
	_exit(0);
}

static void
see_one_and_two(struct co *co UNUSED, void *arg UNUSED)
{
	check(str_eq(open_spool(), S("one two ")));
	_exit(0);
}

enum { // a record of three octets has 16; before each but the first 24
	SECOND = SEGMENT_HEAD_OCTETS + 16 + 24,
	THIRD = SECOND + 16 + 24,
};

static void
damage_in_a_finished_segment_hides_nothing_behind_it(void **state UNUSED)
{
	in_process(write_three);
	in_process(begin_another);
	damage(SECOND + RECORD_HEAD_OCTETS + 1, 'w' ^ 'v');
	in_process(see_damaged_two);
	damage(SECOND + 2, 0x80); // its length is nonsense, too
	in_process(see_no_two);
}

static void
damage_of_what_was_durable_hides_nothing_in_the_last_one(void **state UNUSED)
{
	in_process(write_three);
	damage(SECOND + RECORD_HEAD_OCTETS + 1, 'w' ^ 'v');
	in_process(see_damaged_two);
}

static void
the_last_segment_ends_at_the_first_torn_record(void **state UNUSED)
{
	in_process(write_three);
	damage(THIRD + RECORD_HEAD_OCTETS, 1);
	in_process(see_one_and_two);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_was_refused_is_not_there_after_a_kill, make_dir,
			remove_dir),
		cmocka_unit_test_setup_teardown(
			nobody_is_refused_before_the_fence_is_durable, make_dir,
			remove_dir),
		cmocka_unit_test_setup_teardown(
			damage_in_a_finished_segment_hides_nothing_behind_it,
			make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(
			damage_of_what_was_durable_hides_nothing_in_the_last_one,
			make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(
			the_last_segment_ends_at_the_first_torn_record,
			make_dir, remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
