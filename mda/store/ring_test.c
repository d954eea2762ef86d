/* SPDX-License-Identifier: MIT
 * mda/store/ring_test.c - the ring of delivered ids: what is in it is found,
 * what a crash or somebody else left in its file is not. */
#include "mda/store/ring.c"

#include "tests/unit/unit.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

static const struct str user = STR_INIT("user1@example1.local");
static char root[] = "/tmp/ring_test.XXXXXX";
static int root_fd;

static void
append_raw(const char *name, struct str bytes)
{
	int fd = openat(root_fd, name, O_WRONLY | O_CREAT | O_APPEND, 0600);

	assert_true(fd >= 0);
	assert_int_equal(OK, fs_write_all(fd, bytes));
	close(fd);
}

static void
found_and_not_found(struct co *co, void *arg UNUSED)
{
	struct ring *r = ring_open(root_fd, 3);

	assert_non_null(r);
	assert_false(ring_has(co, r, user, S("QaR0")));
	ring_add(r, user, S("QaR0"));
	ring_add_file(r, user, S("1700000000.QbR1.host,S=5"));
	ring_add_file(r, user, S("1700000000.E77N1.host,S=5")); // an APPEND
	assert_true(ring_has(co, r, user, S("QaR0")));
	assert_true(ring_has(co, r, user, S("QbR1")));
	assert_false(ring_has(co, r, user, S("E77N1")));
	assert_false(ring_has(co, r, user, S("R0"))); // the end of one
	assert_false(ring_has(co, r, user, S("QaR")));
	assert_false(ring_has(co, r, S("user2@example1.local"), S("QaR0")));
	assert_int_equal(OK, ring_flush(co, r));
	assert_false(r->is_dirty);
	ring_close(&r);
	assert_null(r);
	ring_close(&r);
}

static off_t
octets_of(const char *name)
{
	struct stat st;

	assert_int_equal(0, fstatat(root_fd, name, &st, 0));
	return st.st_size;
}

/* Those of one message's readers are one write; whoever must have them on the
 * disk, or looks, has them written. */
static void
records_wait_for_each_other(struct co *co, void *arg UNUSED)
{
	static const char name[] = ".estafeta.delivered.9";
	struct ring *r = ring_open(root_fd, 9);
	off_t first;

	assert_non_null(r);
	ring_add(r, user, S("QaR0"));
	ring_add(r, user, S("QaR1"));
	assert_int_equal(octets_of(name), 0);
	ring_write(r);
	first = octets_of(name);
	assert_true(first > 0);
	ring_write(r);
	assert_int_equal(octets_of(name), first);
	ring_add(r, user, S("QaR2"));
	assert_int_equal(OK, ring_flush(co, r));
	assert_int_equal(octets_of(name), first / 2 * 3);
	ring_add(r, user, S("QaR3"));
	assert_true(ring_has(co, r, user, S("QaR3")));
	ring_add(r, user, S("QaR4"));
	ring_close(&r);
	assert_int_equal(octets_of(name), first / 2 * 5);
	ring_write(NULL);
}

/* A full disk takes a part of a record: what is behind it, and what comes
 * later, waits for room. Without room for long, the oldest go. */
static void
a_full_disk_cuts_no_record(struct co *co, void *arg UNUSED)
{
	static const char name[] = ".estafeta.delivered.11";
	struct rlimit before, full;
	struct ring *r = ring_open(root_fd, 11);

	assert_non_null(r);
	ring_add(r, user, S("QaR0"));
	ring_write(r);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	full = before;
	full.rlim_cur = (rlim_t)octets_of(name) + 20;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
	ring_add(r, user, S("QbR0"));
	ring_add(r, user, S("QcR0"));
	ring_write(r);
	assert_int_equal(octets_of(name), full.rlim_cur);
	assert_int_equal(OK, ring_flush(co, r)); // EXPUNGE makes room
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	ring_add(r, user, S("QdR0"));
	assert_int_equal(OK, ring_flush(co, r));
	assert_int_equal(r->octets, octets_of(name));
	assert_true(ring_has(co, r, user, S("QaR0")));
	assert_true(ring_has(co, r, user, S("QbR0")));
	assert_true(ring_has(co, r, user, S("QcR0")));
	assert_true(ring_has(co, r, user, S("QdR0")));
	full.rlim_cur = (rlim_t)octets_of(name) + 20;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
	for (int i = 0; i < 2 * PENDING_OCTETS / 40; i++)
		ring_add(r, user, S("QeR0"));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	ring_add(r, user, S("QfR0"));
	assert_true(ring_has(co, r, user, S("QfR0")));
	assert_false(r->is_broken);
	ring_close(&r);
}

/* A torn end swallows no later record; a line whose checksum is not right,
 * whether damaged or forged, counts for nothing. */
static void
damage(struct co *co, void *arg UNUSED)
{
	static const char name[] = ".estafeta.delivered.4";
	struct buf line = BUF_INIT(4096);
	struct ring *r;

	put_record(&line, user, S("QcR0"));
	append_raw(name, str_first(buf_str(&line), line.n - 1));
	line.p[0] = line.p[0] == '0' ? '1' : '0';
	append_raw(name, S("\n"));
	append_raw(name, buf_str(&line));
	append_raw(name, S("00000000\t1\tuser1@example1.local\tQdR0\n\n\t\n"));
	buf_clear(&line);
	put_record(&line, user, S("QeR0"));
	append_raw(name, str_first(buf_str(&line), line.n / 2));
	r = ring_open(root_fd, 4);
	assert_non_null(r);
	ring_add(r, user, S("QfR0"));
	assert_true(ring_has(co, r, user, S("QcR0")));
	assert_false(ring_has(co, r, user, S("QdR0")));
	assert_false(ring_has(co, r, user, S("QeR0")));
	assert_true(ring_has(co, r, user, S("QfR0")));
	ring_close(&r);
	buf_release(&line);
}

/* Full: it becomes the old one, and is still looked into. */
static void
turns(struct co *co, void *arg UNUSED)
{
	struct ring *r = ring_open(root_fd, 5);

	assert_non_null(r);
	ring_add(r, user, S("QgR0"));
	r->octets = RING_MAX_OCTETS + 1;
	assert_int_equal(OK, ring_flush(co, r));
	assert_int_equal(
		0, faccessat(root_fd, ".estafeta.delivered.5.old", F_OK, 0));
	assert_int_equal(0, r->octets);
	ring_add(r, user, S("QhR0"));
	assert_true(ring_has(co, r, user, S("QgR0")));
	assert_true(ring_has(co, r, user, S("QhR0")));
	ring_close(&r);
}

/* Wherever the pieces end that the file is read in. */
static void
more_than_a_piece(struct co *co, void *arg UNUSED)
{
	enum { N = 12000 };
	static const char name[] = ".estafeta.delivered.7";
	struct buf noise = BUF_INIT(2 * PIECE_OCTETS);
	struct ring *r = ring_open(root_fd, 7);
	char unique[20];

	assert_non_null(r);
	for (int i = 0; i < N; i++) {
		snprintf(unique, sizeof(unique), "Q%dR0", i);
		ring_add(r, user, str_c(unique));
		if (i != N / 2)
			continue;
		while (noise.n < PIECE_OCTETS + 7)
			buf_put(&noise, S("noise"));
		buf_putc(&noise, '\n');
		append_raw(name, buf_str(&noise));
	}
	assert_true(r->octets > 2 * PIECE_OCTETS);
	for (int i = 0; i < N; i += 97) {
		snprintf(unique, sizeof(unique), "Q%dR0", i);
		assert_true(ring_has(co, r, user, str_c(unique)));
	}
	assert_true(ring_has(co, r, user, S("Q11999R0")));
	assert_false(ring_has(co, r, user, S("Q12000R0")));
	ring_close(&r);
	buf_release(&noise);
}

/* A look notes what it has read, and the next one reads what is new; a file
 * that is another by now, or shorter, is read again. */
static void
looks_once(struct co *co, void *arg UNUSED)
{
	enum { N = 30000 };
	static const char name[] = ".estafeta.delivered.8";
	struct ring *r = ring_open(root_fd, 8);
	struct buf line = BUF_INIT(4096);
	char unique[20];

	assert_non_null(r);
	for (int i = 0; i < N; i++) {
		snprintf(unique, sizeof(unique), "Q%dR0", i);
		ring_add(r, user, str_c(unique));
		if (i % (N / 3) == 5) { // some come between looks
			assert_true(ring_has(co, r, user, str_c(unique)));
			assert_int_equal((uint64_t)r->octets,
					 r->known[0]->index.octets);
		}
	}
	assert_true(r->octets > RING_PART_OCTETS);
	assert_false(ring_has(co, r, user, S("QnoneR0")));
	assert_int_equal((uint64_t)r->octets, r->known[0]->index.octets);
	for (int i = 0; i < N; i += 1501) {
		snprintf(unique, sizeof(unique), "Q%dR0", i);
		assert_true(ring_has(co, r, user, str_c(unique)));
		assert_false(ring_has(co, r, S("user2@example1.local"),
				      str_c(unique)));
	}
	/* Half a line is read again when it is whole. */
	put_record(&line, user, S("QhalfR0"));
	append_raw(name, str_first(buf_str(&line), 20));
	assert_false(ring_has(co, r, user, S("QhalfR0")));
	append_raw(name, str_from(buf_str(&line), 20));
	assert_true(ring_has(co, r, user, S("QhalfR0")));
	assert_true(ring_has(co, r, user, S("QhalfR0")));
	r->octets = RING_MAX_OCTETS + 1;
	r->is_dirty = true;
	assert_int_equal(OK, ring_flush(co, r));
	ring_add(r, user, S("QnewR0"));
	for (int i = 0; i < 2; i++) {
		assert_true(ring_has(co, r, user, S("QnewR0")));
		assert_true(ring_has(co, r, user, S("Q17R0")));
		assert_false(ring_has(co, r, user, S("QnoneR0")));
	}
	assert_int_equal(0, ftruncate(r->fd, 0));
	assert_false(ring_has(co, r, user, S("QnewR0")));
	buf_clear(&line);
	put_record(&line, user, S("QotherR0"));
	assert_int_equal(0, renameat(root_fd, name, root_fd, "gone"));
	append_raw(name, buf_str(&line));
	assert_true(ring_has(co, r, user, S("QotherR0")));
	assert_true(ring_has(co, r, user, S("Q17R0"))); // in the old one
	ring_close(&r);
	buf_release(&line);
}

/* Without a ring mail is taken all the same. */
static void
no_ring(struct co *co, void *arg UNUSED)
{
	assert_null(ring_open(-1, 0));
	ring_add(NULL, user, S("QaR0"));
	assert_int_equal(OK, ring_flush(co, NULL));
	assert_false(ring_has(co, NULL, user, S("QaR0")));
}

/* A flush that failed says nothing of what comes after it: the file is left,
 * and whoever wrote into it must write again. */
static void
failed_flush(struct co *co, void *arg UNUSED)
{
	struct ring *r = ring_open(root_fd, 6);
	int ends[2];

	assert_non_null(r);
	assert_int_equal(0, pipe(ends)); // it cannot be flushed
	close(r->fd);
	r->fd = ends[1];
	ring_add(r, user, S("QaR0"));
	assert_int_not_equal(OK, ring_flush(co, r));
	ring_add(r, user, S("QbR0")); // lost with it
	assert_int_not_equal(OK, ring_flush(co, r));
	ring_add(r, user, S("QcR0"));
	assert_int_equal(OK, ring_flush(co, r));
	assert_true(ring_has(co, r, user, S("QcR0")));
	close(ends[0]);
	ring_close(&r);
}

static void
in_loop(co_fn *run)
{
	loop_init();
	assert_non_null(co_spawn(run, NULL, "test"));
	loop_run();
	loop_close();
}

#define SCENARIO(name)                              \
	static void run_##name(void **state UNUSED) \
	{                                           \
		in_loop(name);                      \
	}
SCENARIO(found_and_not_found)
SCENARIO(records_wait_for_each_other)
SCENARIO(a_full_disk_cuts_no_record)
SCENARIO(damage)
SCENARIO(turns)
SCENARIO(more_than_a_piece)
SCENARIO(looks_once)
SCENARIO(no_ring)
SCENARIO(failed_flush)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_found_and_not_found),
		cmocka_unit_test(run_records_wait_for_each_other),
		cmocka_unit_test(run_a_full_disk_cuts_no_record),
		cmocka_unit_test(run_damage),
		cmocka_unit_test(run_turns),
		cmocka_unit_test(run_more_than_a_piece),
		cmocka_unit_test(run_looks_once),
		cmocka_unit_test(run_no_ring),
		cmocka_unit_test(run_failed_flush),
	};
	char command[64];
	int n_failed;

	if (mkdtemp(root) == NULL)
		return 1;
	root_fd = fs_open_dir(AT_FDCWD, root);
	n_failed = cmocka_run_group_tests(tests, NULL, NULL);
	close(root_fd);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return n_failed + (system(command) != 0);
}
