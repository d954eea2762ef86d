/* SPDX-License-Identifier: MIT
 * lib/rt/dirs_test.c */
#include "lib/rt/dirs.c"

#include "tests/unit/unit.h"

#include <unistd.h>

static char root[] = "/tmp/dirs_test.XXXXXX";

static mode_t
mode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_mode & 07777 : 0;
}

static void
modes_do_not_depend_on_the_umask(void **state UNUSED)
{
	char path[128];
	mode_t mask = umask(0077);

	assert_non_null(mkdtemp(root));
	assert_int_equal(chdir(root), 0);
	snprintf(path, sizeof(path), "%s/a/b/c/", root);
	assert_int_equal(dirs_make(path, 0700), OK);
	assert_int_equal(umask(mask), 0077);
	assert_int_equal(mode_of("a"), 0755);
	assert_int_equal(mode_of("a/b"), 0755);
	assert_int_equal(mode_of("a/b/c"), 0700);
	/* What exists stays as it is. */
	assert_int_equal(dirs_make("a/b/c", 0755), OK);
	assert_int_equal(mode_of("a/b/c"), 0700);
	assert_int_equal(dirs_make("x", 0711), OK);
	assert_int_equal(mode_of("x"), 0711);
}

static void
what_cannot_be_is_an_error(void **state UNUSED)
{
	assert_int_equal(dirs_make("", 0700), ERR_LIMIT);
	assert_int_equal(dirs_make("/proc/none/here", 0700), ERR_IO);
	assert_int_equal(rmdir("a/b/c") | rmdir("a/b") | rmdir("a") |
				 rmdir("x") | rmdir(root),
			 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes_do_not_depend_on_the_umask),
		cmocka_unit_test(what_cannot_be_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
