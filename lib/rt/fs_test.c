/* SPDX-License-Identifier: MIT
 * lib/rt/fs_test.c - the steps of durability, and what is never followed. */
#define fsync test_fsync
#define syncfs test_syncfs
#define fstatvfs test_fstatvfs
int test_fsync(int fd);
int test_syncfs(int fd);
struct statvfs;
int test_fstatvfs(int fd, struct statvfs *out);
#include "lib/rt/fs.c"
#undef fsync
#undef syncfs
#undef fstatvfs

#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdlib.h>

/* ---- fsync as the tests want it ---- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int n_begun, n_ended;
	int n_may_end; // the threads wait for it
	int failure;   // errno
} disk = { .lock = PTHREAD_MUTEX_INITIALIZER,
	   .changed = PTHREAD_COND_INITIALIZER };

int
test_fsync(int fd UNUSED)
{
	int no;

	pthread_mutex_lock(&disk.lock);
	disk.n_begun++;
	while (disk.n_ended >= disk.n_may_end)
		pthread_cond_wait(&disk.changed, &disk.lock);
	disk.n_ended++;
	no = disk.failure;
	pthread_mutex_unlock(&disk.lock);
	errno = no;
	return no == 0 ? 0 : -1;
}

static struct {
	int sync_errno, stat_errno;
	unsigned long flags;
} whole;

int
test_syncfs(int fd UNUSED)
{
	errno = whole.sync_errno;
	return errno == 0 ? 0 : -1;
}

int
test_fstatvfs(int fd UNUSED, struct statvfs *out)
{
	*out = (struct statvfs) { .f_flag = whole.flags };
	errno = whole.stat_errno;
	return errno == 0 ? 0 : -1;
}

static void
let_end(int n)
{
	pthread_mutex_lock(&disk.lock);
	disk.n_may_end = n;
	pthread_cond_broadcast(&disk.changed);
	pthread_mutex_unlock(&disk.lock);
}

static int
n_begun(void)
{
	int n;

	pthread_mutex_lock(&disk.lock);
	n = disk.n_begun;
	pthread_mutex_unlock(&disk.lock);
	return n;
}

static char dir_path[] = "/tmp/fs_test.XXXXXX";
static int dir;

static int
begin(void **state UNUSED)
{
	disk.n_begun = disk.n_ended = disk.failure = 0;
	disk.n_may_end = INT32_MAX;
	snprintf(dir_path, sizeof(dir_path), "/tmp/fs_test.XXXXXX");
	assert_non_null(mkdtemp(dir_path));
	dir = fs_open_dir(AT_FDCWD, dir_path);
	assert_true(dir >= 0);
	loop_init();
	return 0;
}

static int
end(void **state UNUSED)
{
	static const char *const names[] = { "a", "b", "c", "fifo", "link" };

	loop_close();
	for (size_t i = 0; i < N_OF(names); i++)
		unlinkat(dir, names[i], 0);
	unlinkat(dir, "sub", AT_REMOVEDIR);
	close(dir);
	return rmdir(dir_path); // fails when a temporary file was left
}

static int
create(const char *name, struct str content)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fs_write_all(fd, content), OK);
	return fd;
}

static void
assert_content(const char *name, struct str want)
{
	struct buf b = BUF_INIT(1000);

	assert_int_equal(fs_read_file(dir, name, &b), OK);
	assert_str_eq(buf_str(&b), want);
	buf_release(&b);
}

/* ---- files ---- */

static void
publish_moves_and_never_replaces(void **state UNUSED)
{
	int fd = create("a", S("one"));

	assert_int_equal(fs_publish(fd, dir, "a", dir, "b"), OK);
	assert_int_equal(disk.n_ended, 1);
	assert_content("b", S("one"));
	close(fd);
	fd = create("a", S("two"));
	assert_int_equal(fs_publish(fd, dir, "a", dir, "b"), ERR_EXISTS);
	assert_content("b", S("one"));
	assert_content("a", S("two"));
	assert_int_equal(fs_publish(fd, dir, "c", dir, "d"), ERR_NOT_FOUND);
	close(fd);
}

static void
publish_needs_the_flush(void **state UNUSED)
{
	int fd = create("a", S("one"));

	disk.failure = EIO;
	assert_int_equal(fs_publish(fd, dir, "a", dir, "b"), ERR_IO);
	assert_int_equal(faccessat(dir, "b", F_OK, 0), -1);
	disk.failure = ENOSPC;
	assert_int_equal(fs_publish(fd, dir, "a", dir, "b"), ERR_FULL);
	close(fd);
}

static void
replace_is_old_or_new(void **state UNUSED)
{
	struct stat st;

	assert_int_equal(fs_replace(dir, "a", S("one"), 0640), OK);
	assert_int_equal(disk.n_ended, 2); // file and directory
	assert_content("a", S("one"));
	assert_int_equal(fs_replace(dir, "a", STR_NONE, 0600), OK);
	assert_content("a", STR_NONE);
	assert_int_equal(fstatat(dir, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	disk.failure = EIO;
	assert_int_equal(fs_replace(dir, "a", S("two"), 0600), ERR_IO);
	assert_content("a", STR_NONE);
}

static void
replace_a_link_not_what_it_points_to(void **state UNUSED)
{
	close(create("a", S("target")));
	assert_int_equal(symlinkat("a", dir, "link"), 0);
	assert_int_equal(fs_replace(dir, "link", S("new"), 0600), OK);
	assert_content("a", S("target"));
	assert_content("link", S("new"));
}

/* A directory that others can write: the next names are easy to guess. */
static void
replace_writes_nothing_through_its_temporary_name(void **state UNUSED)
{
	close(create("a", S("target")));
	for (unsigned i = 0; i < 1000; i++) {
		char name[64];

		snprintf(name, sizeof(name), "b.tmp.%d.%u", (int)getpid(), i);
		assert_int_equal(linkat(dir, "a", dir, name, 0), 0);
	}
	assert_int_equal(fs_replace(dir, "b", S("new"), 0600), OK);
	assert_content("a", S("target"));
	assert_content("b", S("new"));
	for (unsigned i = 0; i < 1000; i++) {
		char name[64];

		snprintf(name, sizeof(name), "b.tmp.%d.%u", (int)getpid(), i);
		unlinkat(dir, name, 0);
	}
}

static void
only_regular_files_open(void **state UNUSED)
{
	struct buf b = BUF_INIT(10);
	int fd;

	close(create("a", S("x")));
	assert_int_equal(symlinkat("a", dir, "link"), 0);
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	assert_int_equal(fs_make_dir(dir, "sub", 0700), OK);
	assert_int_equal(fs_make_dir(dir, "sub", 0700), ERR_EXISTS);
	assert_int_equal(fs_open_regular(dir, "link"), -1);
	assert_int_equal(errno, ELOOP);
	assert_int_equal(fs_open_regular(dir, "fifo"), -1);
	assert_int_equal(fs_open_regular(dir, "sub"), -1);
	assert_int_equal(fs_open_regular(dir, "none"), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(fs_read_file(dir, "none", &b), ERR_NOT_FOUND);
	assert_int_equal(fs_read_file(dir, "link", &b), ERR_IO);
	assert_int_equal(fs_open_dir(dir, "a"), -1);
	fd = fs_open_regular(dir, "a");
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

/* Where the kernel cannot tell (before 5.12) nothing opens so. */
static void
what_is_in_memory_opens_without_waiting(void **state UNUSED)
{
	char one[1] = "?";
	struct stat st;
	int fd;

	close(create("a", S("x")));
	assert_int_equal(symlinkat("a", dir, "link"), 0);
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	assert_int_equal(fs_open_regular_now(dir, "link", &st), -1);
	assert_int_equal(fs_open_regular_now(dir, "fifo", &st), -1);
	assert_int_equal(fs_open_regular_now(dir, "none", &st), -1);
	fd = fs_open_regular_now(dir, "a", &st);
	if (fd < 0) {
		assert_true(errno == EINVAL || errno == ENOSYS ||
			    errno == EAGAIN);
		return;
	}
	assert_int_equal(st.st_size, 1);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	if (fs_read_now(fd, one, 1, 0)) // not every file system can
		assert_int_equal(one[0], 'x');
	assert_false(fs_read_now(fd, one, 1, 1));
	close(fd);
}

static void
reading_stops_at_the_limit(void **state UNUSED)
{
	struct buf b = BUF_INIT(4);
	char four[4];
	int fd = create("a", S("1234"));

	assert_int_equal(fs_read_fd(fd, &b), OK);
	assert_str(buf_str(&b), "1234");
	assert_int_equal(fs_read_at(fd, four, 4, 0), OK);
	assert_int_equal(fs_read_at(fd, four, 4, 1), ERR_EOF);
	assert_int_equal(fs_write_all_at(fd, S("45"), 3), OK);
	assert_int_equal(lseek(fd, 2, SEEK_SET), 2);
	assert_int_equal(fs_write_both(fd, S("ab"), S("c")), OK);
	assert_int_equal(fs_read_at(fd, four, 4, 1), OK);
	assert_memory_equal(four, "2abc", 4);
	buf_clear(&b);
	assert_int_equal(fs_read_fd(fd, &b), ERR_LIMIT);
	buf_release(&b);
	close(fd);
}

/* ---- shared_sync ---- */

enum { WAITERS = 200 };

static struct {
	struct shared_sync sync;
	int n_ok, n_failed;
} sh;

static void
sync_once(struct co *co, void *arg UNUSED)
{
	enum err e = shared_sync(co, &sh.sync, 0);

	sh.n_ok += e == OK;
	sh.n_failed += e == ERR_IO;
}

static void
until_begun(struct co *co, int n)
{
	while (n_begun() < n)
		assert_int_equal(co_sleep_until(co, in_ms(1)), OK);
}

static void
many_then_end(struct co *co, void *arg UNUSED)
{
	shared_sync_init(&sh.sync);
	let_end(0);
	assert_non_null(co_spawn(sync_once, NULL, "first"));
	until_begun(co, 1);
	for (int i = 0; i < WAITERS; i++)
		assert_non_null(co_spawn(sync_once, NULL, "later"));
	co_breathe(co);
	let_end(1); // what began before them
	until_begun(co, 2);
	assert_int_equal(sh.n_ok, 1);
	let_end(2); // what began for them
}

static void
a_flush_that_had_begun_does_not_count(void **state UNUSED)
{
	memset(&sh, 0, sizeof(sh));
	assert_non_null(co_spawn(many_then_end, NULL, "test"));
	loop_run();
	assert_int_equal(sh.n_ok, WAITERS + 1);
	assert_int_equal(n_begun(), 2); // one for all of them
}

static void
fail_then_again(struct co *co, void *arg UNUSED)
{
	shared_sync_init(&sh.sync);
	disk.failure = EIO;
	let_end(0);
	assert_non_null(co_spawn(sync_once, NULL, "first"));
	assert_non_null(co_spawn(sync_once, NULL, "second"));
	until_begun(co, 1);
	let_end(INT32_MAX);
	while (sh.n_failed < 2)
		assert_int_equal(co_sleep_until(co, in_ms(1)), OK);
	disk.failure = 0;
	assert_int_equal(shared_sync(co, &sh.sync, 0), ERR_IO);
	assert_int_equal(n_begun(), 1); // never tried again
}

static void
failure_is_final(void **state UNUSED)
{
	memset(&sh, 0, sizeof(sh));
	assert_non_null(co_spawn(fail_then_again, NULL, "test"));
	loop_run();
	assert_int_equal(sh.n_failed, 2);
	assert_int_equal(co_count(), 0);
}

/* The kernel skips what is read-only, and says 0: ext4 after its journal could
 * not be written has lost the names that wait for it. */
static void
a_flush_of_what_became_read_only_has_failed(void **state UNUSED)
{
	static const struct {
		int sync_errno, stat_errno;
		unsigned long flags;
		enum err want;
	} cases[] = {
		{ 0, 0, 0, OK },
		{ 0, 0, ST_NOSUID | ST_NODEV, OK },
		{ 0, 0, ST_RDONLY | ST_NOSUID, ERR_IO },
		{ 0, EIO, 0, ERR_IO },
		{ EIO, 0, 0, ERR_IO },
		{ ENOSPC, 0, 0, ERR_FULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		whole.sync_errno = cases[i].sync_errno;
		whole.stat_errno = cases[i].stat_errno;
		whole.flags = cases[i].flags;
		assert_int_equal(fs_sync_all(dir), cases[i].want);
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(publish_moves_and_never_replaces),
		T(publish_needs_the_flush),
		T(replace_is_old_or_new),
		T(replace_a_link_not_what_it_points_to),
		T(replace_writes_nothing_through_its_temporary_name),
		T(only_regular_files_open),
		T(what_is_in_memory_opens_without_waiting),
		T(reading_stops_at_the_limit),
		T(a_flush_that_had_begun_does_not_count),
		T(failure_is_final),
		T(a_flush_of_what_became_read_only_has_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
