/* SPDX-License-Identifier: MIT
 * mta/queue/repeat_test.c - in a directory of its own: what was added is found
 * by the same peer alone, after a restart too. */
#include "mta/queue/repeat.c"

#include "tests/unit/directory.h"

#include <sys/stat.h>

static void
close_repeats(struct repeats *r)
{
	for (unsigned i = 0; i < N_FILES; i++)
		if (r->fds[i] >= 0)
			close(r->fds[i]);
	close(r->dir_fd);
	free(r->slots);
	map_release(&r->claims);
	free(r);
}

static struct repeat_digest
digest_of(struct str client, struct str helo, struct str xid)
{
	struct envelope e = { .client = client, .helo = helo, .xid = xid };
	struct repeat_digest d;

	repeats_digest(&e, &d);
	return d;
}

static void
test_peers(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct str client, helo, xid;
		uint32_t index;
		bool is_found;
	} cases[] = {
		{ "the same", STR_INIT("10.0.0.1"), STR_INIT("mta1"),
		  STR_INIT("4f2.9"), 1, true },
		{ "another recipient", STR_INIT("10.0.0.1"), STR_INIT("mta1"),
		  STR_INIT("4f2.9"), 2, false },
		{ "another address", STR_INIT("10.0.0.2"), STR_INIT("mta1"),
		  STR_INIT("4f2.9"), 1, false },
		{ "another name", STR_INIT("10.0.0.1"), STR_INIT("mta2"),
		  STR_INIT("4f2.9"), 1, false },
		{ "another id", STR_INIT("10.0.0.1"), STR_INIT("mta1"),
		  STR_INIT("4f2.8"), 1, false },
		{ "the same octets, cut elsewhere", STR_INIT("10.0.0.1m"),
		  STR_INIT("ta1"), STR_INIT("4f2.9"), 1, false },
	};
	struct repeat what = { "4f2zz", true }, got;
	struct repeats *r = repeats_open(dir);
	struct repeat_digest d =
		digest_of(S("10.0.0.1"), S("mta1"), S("4f2.9"));

	assert_false(repeats_find(r, &d, 1, &got));
	repeats_add(r, &d, 1, &what);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < N_OF(cases); i++) {
			print_message("%s\n", cases[i].name);
			d = digest_of(cases[i].client, cases[i].helo,
				      cases[i].xid);
			assert_int_equal(
				repeats_find(r, &d, cases[i].index, &got),
				cases[i].is_found);
			if (!cases[i].is_found)
				continue;
			assert_string_equal(got.id, "4f2zz");
			assert_true(got.is_marked);
		}
		close_repeats(r);
		r = repeats_open(dir); // as after kill -9
	}
	close_repeats(r);
}

static const struct repeat_digest many = { "0123456789abcde" };

static void
add_number(struct repeats *r, uint32_t i)
{
	struct repeat what = { "x", false };

	repeats_add(r, &many, i, &what);
}

static bool
has_number(const struct repeats *r, uint32_t i)
{
	struct repeat got;

	return repeats_find(r, &many, i, &got);
}

/* At least the last REPEAT_FILE_RECORDS, and files that do not grow for ever.
 */
static void
test_bounds(void **state UNUSED)
{
	const uint32_t n = REPEAT_FILE_RECORDS * 2 + 10;
	struct repeats *r = repeats_open(dir);
	char path[128];
	struct stat st;

	for (uint32_t i = 1; i <= n; i++)
		add_number(r, i);
	for (int round = 0; round < 2; round++) {
		assert_true(has_number(r, n));
		assert_true(has_number(r, n - REPEAT_FILE_RECORDS));
		assert_false(has_number(r, 1));
		for (unsigned i = 0; i < N_FILES; i++) {
			snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
			assert_int_equal(stat(path, &st), 0);
			assert_true(st.st_size <=
				    REPEAT_FILE_RECORDS * RECORD_OCTETS);
		}
		close_repeats(r);
		r = repeats_open(dir);
	}
	close_repeats(r);
}

/* F13: our own files are hostile, too: a torn end, and octets that turned. */
static void
test_damage(void **state UNUSED)
{
	struct repeats *r = repeats_open(dir);
	char path[128];
	int fd;

	for (uint32_t i = 1; i <= 3; i++)
		add_number(r, i);
	close_repeats(r);
	snprintf(path, sizeof(path), "%s/relayed", dir);
	fd = open(path, O_RDWR);
	assert_int_equal(pwrite(fd, "?", 1, RECORD_OCTETS + 20), 1);
	assert_int_equal(ftruncate(fd, 3 * RECORD_OCTETS - 1), 0);
	close(fd);
	r = repeats_open(dir);
	assert_true(has_number(r, 1));
	assert_false(has_number(r, 2));
	assert_false(has_number(r, 3));
	add_number(r, 4);
	close_repeats(r);
	r = repeats_open(dir);
	assert_true(has_number(r, 1) && has_number(r, 4));
	assert_false(has_number(r, 3));
	close_repeats(r);
}

static void
test_no_directory(void **state UNUSED)
{
	struct repeats *r = repeats_open("/nonexistent");

	add_number(r, 1);
	assert_false(has_number(r, 1));
	close_repeats(r);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_peers, make_dir,
						remove_dir),
		cmocka_unit_test_setup_teardown(test_bounds, make_dir,
						remove_dir),
		cmocka_unit_test_setup_teardown(test_damage, make_dir,
						remove_dir),
		cmocka_unit_test(test_no_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
