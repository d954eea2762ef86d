/* SPDX-License-Identifier: MIT
 * mda/store/seen_test.c - what is remembered, for how long, and after what
 * damage of the files. */
#include "mda/store/seen.c"

#include "tests/unit/unit.h"

#include <sys/stat.h>

static struct {
	char root[64];
	int fd;
	struct seen *seen;
} t;

static int
set_up(void **state UNUSED)
{
	snprintf(t.root, sizeof(t.root), "/tmp/seen_test.XXXXXX");
	assert_non_null(mkdtemp(t.root));
	t.fd = open(t.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	t.seen = seen_open(t.fd, 0);
	return 0;
}

static int
tear_down(void **state UNUSED)
{
	char command[128];

	seen_close(&t.seen);
	close(t.fd);
	snprintf(command, sizeof(command), "rm -rf %s", t.root);
	return system(command);
}

static void
open_again(void)
{
	seen_close(&t.seen);
	t.seen = seen_open(t.fd, 0);
}

static struct seen_key
key_of(unsigned n)
{
	char id[32];

	snprintf(id, sizeof(id), "<%u@test.example>", n);
	return seen_key_of(S("user@d.example"), str_c(id));
}

static void
each_user_has_its_own(void **state UNUSED)
{
	struct seen_key a = seen_key_of(S("a@d"), S("<1@x>"));
	struct seen_key b = seen_key_of(S("b@d"), S("<1@x>"));
	struct seen_key other = seen_key_of(S("a@d"), S("<2@x>"));

	assert_false(seen_has(t.seen, &a, 1000, 60));
	seen_add(t.seen, &a, 1000);
	assert_true(seen_has(t.seen, &a, 1000, 60));
	assert_false(seen_has(t.seen, &b, 1000, 60));
	assert_false(seen_has(t.seen, &other, 1000, 60));
	assert_true(seen_has(t.seen, &a, 1059, 60));
	assert_false(seen_has(t.seen, &a, 1060, 60));
	/* A clock that went back knows nothing. */
	assert_false(seen_has(t.seen, &a, 999, 60));
}

static void
the_files_remember(void **state UNUSED)
{
	enum { N = SEEN_RECORDS + 100 };
	struct seen_key k;
	struct stat st;

	for (unsigned i = 0; i < N; i++) {
		k = key_of(i);
		seen_add(t.seen, &k, 1000 + i);
	}
	open_again();
	for (unsigned i = 0; i < N; i++) {
		k = key_of(i);
		if (!seen_has(t.seen, &k, 1000 + N, 2 * N))
			fail_msg("%u is forgotten", i);
	}
	assert_int_equal(0, fstatat(t.fd, ".estafeta.seen.0.old", &st, 0));
	assert_int_equal(st.st_size, (off_t)SEEN_RECORDS * RECORD_OCTETS);
	/* Bounded: the oldest go. */
	for (unsigned i = N; i < 3 * N; i++) {
		k = key_of(i);
		seen_add(t.seen, &k, 1000 + i);
	}
	k = key_of(0);
	assert_false(seen_has(t.seen, &k, 1000 + 3 * N, 9 * N));
	assert_true(t.seen->now.n <= SEEN_RECORDS);
}

/* Torn at each octet, or flipped: what is whole counts, and what comes after
 * it is found again. */
static void
damage_takes_its_record_alone(void **state UNUSED)
{
	for (off_t cut = 0; cut <= 3 * RECORD_OCTETS; cut++) {
		int fd = openat(t.fd, ".estafeta.seen.0",
				O_RDWR | O_CREAT | O_TRUNC, 0600);
		struct seen_key k;
		char octet;

		open_again();
		for (unsigned i = 0; i < 3; i++) {
			k = key_of(i);
			seen_add(t.seen, &k, 1000);
		}
		if (cut < 3 * RECORD_OCTETS) {
			assert_int_equal(1, pread(fd, &octet, 1, cut));
			octet ^= 0x10;
			assert_int_equal(1, pwrite(fd, &octet, 1, cut));
		}
		open_again();
		for (unsigned i = 0; i < 3; i++) {
			k = key_of(i);
			assert_int_equal(seen_has(t.seen, &k, 1000, 60),
					 cut / RECORD_OCTETS != (off_t)i);
		}
		assert_int_equal(0, ftruncate(fd, cut));
		open_again();
		k = key_of(7);
		seen_add(t.seen, &k, 1000);
		open_again();
		assert_true(seen_has(t.seen, &k, 1000, 60));
		close(fd);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_user_has_its_own, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_files_remember, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(damage_takes_its_record_alone,
						set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
