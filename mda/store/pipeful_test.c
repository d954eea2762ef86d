/* SPDX-License-Identifier: MIT
 * mda/store/pipeful_test.c - a part of an answer in a pipe. */
#include "mda/store/pipeful.c"

#include "lib/base/check.h"
#include "lib/rt/fs.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { FILE_OCTETS = 10000 };

static int
file_of(size_t n)
{
	char path[] = "/tmp/pipeful_test.XXXXXX";
	char *text = must_alloc(n + 1);
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	for (size_t i = 0; i < n; i++)
		text[i] = (char)('a' + i % 23);
	assert_int_equal(OK, fs_write_all(fd, str_of(text, n)));
	free(text);
	return fd;
}

static void
words_and_files_in_their_order(void **state UNUSED)
{
	struct pipeful p = PIPEFUL_NONE;
	uint64_t offset = 5, n = 4096;
	char got[4200];
	int out, file = file_of(FILE_OCTETS);

	assert_true(pipeful_begin(&p));
	assert_int_equal(7, pipeful_put(&p, S("words\r\n")));
	assert_true(p.ends_line);
	assert_int_equal(OK, pipeful_put_file(&p, file, &offset, &n));
	assert_int_equal(0, n);
	assert_int_equal(4101, offset);
	assert_false(p.ends_line);
	assert_int_equal(1, pipeful_put(&p, S(")")));
	assert_false(p.ends_line);
	assert_int_equal(4104, p.n_octets);
	/* Pages that are held: of words one each, of the file two. */
	assert_int_equal(4 * 4096, p.weight_octets);
	out = pipeful_take(&p);
	assert_int_equal(-1, p.in_fd);
	assert_int_equal(0, p.n_octets + p.weight_octets);
	assert_int_equal(OK, fs_read_pipe(out, got, 4104));
	assert_memory_equal(got, "words\r\nfghij", 12);
	assert_int_equal(got[4102], 'a' + 4100 % 23);
	assert_int_equal(got[4103], ')');
	/* Nobody can write any more: whoever reads does not wait. */
	assert_int_equal(ERR_EOF, fs_read_pipe(out, got, 1));
	close(out);
	close(file);
}

static void
what_does_not_fit_is_told(void **state UNUSED)
{
	struct pipeful p = PIPEFUL_NONE;
	uint64_t offset = 0, n = 3 * PIPEFUL_MAX_OCTETS;
	int file = file_of(3 * PIPEFUL_MAX_OCTETS);
	unsigned words = 0;

	assert_true(pipeful_begin(&p));
	assert_int_equal(ERR_FULL, pipeful_put_file(&p, file, &offset, &n));
	assert_int_equal(PIPEFUL_MAX_OCTETS, offset);
	assert_int_equal(2 * PIPEFUL_MAX_OCTETS, n);
	assert_int_equal(0, pipeful_put(&p, S("x")));
	assert_int_equal(PIPEFUL_MAX_OCTETS, p.n_octets);
	pipeful_release(&p);
	assert_int_equal(-1, p.out_fd);
	/* Of small parts the slots are fewer than the octets. */
	assert_true(pipeful_begin(&p));
	for (n = 4096; n == 4096; offset = 1) {
		assert_int_equal(1, pipeful_put(&p, S("x")));
		words++;
		if (pipeful_put_file(&p, file, &offset, &n) == OK)
			n = 4096;
	}
	assert_true(words > 70 && words < 100); // two pages each time
	assert_int_equal(PIPEFUL_MAX_OCTETS, p.weight_octets);
	pipeful_release(&p);
	close(file);
}

static void
a_file_that_is_short_or_none(void **state UNUSED)
{
	struct pipeful p = PIPEFUL_NONE;
	uint64_t offset = 0, n = 101;
	int file = file_of(100), directory = open("/tmp", O_RDONLY);

	assert_true(pipeful_begin(&p));
	assert_int_equal(ERR_EOF, pipeful_put_file(&p, file, &offset, &n));
	assert_int_equal(1, n);
	assert_int_equal(ERR_IO, pipeful_put_file(&p, directory, &offset, &n));
	pipeful_release(&p);
	close(file);
	close(directory);
}

static void
without_descriptors_there_is_none(void **state UNUSED)
{
	struct rlimit was, few;
	struct pipeful p = PIPEFUL_NONE;
	int fd = dup(0);

	close(fd);
	assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &was));
	few = (struct rlimit) { (rlim_t)fd + 1, was.rlim_max };
	assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &few));
	assert_false(pipeful_begin(&p));
	assert_int_equal(-1, p.in_fd);
	assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &was));
	assert_true(pipeful_begin(&p));
	assert_true(pipeful_begin(&p)); // the same
	assert_int_equal(fd, p.out_fd < p.in_fd ? p.out_fd : p.in_fd);
	pipeful_release(&p);
	assert_int_equal(fd, dup(0));
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_and_files_in_their_order),
		cmocka_unit_test(what_does_not_fit_is_told),
		cmocka_unit_test(a_file_that_is_short_or_none),
		cmocka_unit_test(without_descriptors_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
