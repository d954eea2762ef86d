/* SPDX-License-Identifier: MIT
 * mda/store/renaming_test.c - a RENAME that is cut off at any place is finished
 * by the next opening; what cannot be believed is not. */
#include "mda/store/renaming.c"

#include "tests/unit/unit.h"

#include <sys/stat.h>

static const char *const folders[] = { ".a", ".a.b", ".a.b.c", ".a.d" };
static const char *const renamed[] = { ".z.y", ".z.y.b", ".z.y.b.c", ".z.y.d" };
static const char *const others[] = { ".ab", ".a-b", ".b.a" };
static char root[64];
static int fd;

static int
make_root(void **state UNUSED)
{
	snprintf(root, sizeof(root), "/tmp/renaming-test.XXXXXX");
	assert_non_null(mkdtemp(root));
	fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < N_OF(folders); i++)
		assert_int_equal(0, mkdirat(fd, folders[i], 0700));
	for (size_t i = 0; i < N_OF(others); i++)
		assert_int_equal(0, mkdirat(fd, others[i], 0700));
	assert_int_equal(OK, fs_replace(fd, special_uses_name,
					S("\\Archive .a.b\n"), 0600));
	return 0;
}

static int
remove_root(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(folders); i++) {
		unlinkat(fd, folders[i], AT_REMOVEDIR);
		unlinkat(fd, renamed[i], AT_REMOVEDIR);
	}
	for (size_t i = 0; i < N_OF(others); i++)
		assert_int_equal(0, unlinkat(fd, others[i], AT_REMOVEDIR));
	unlinkat(fd, special_uses_name, 0);
	unlinkat(fd, plan_name, 0);
	close(fd);
	return rmdir(root);
}

static void
assert_names(const char *const *names)
{
	const char *const *gone = names == folders ? renamed : folders;

	for (size_t i = 0; i < N_OF(folders); i++) {
		assert_true(is_there(fd, names[i]));
		assert_false(is_there(fd, gone[i]));
	}
	assert_false(is_there(fd, plan_name));
}

static void
assert_use(const char *line)
{
	struct buf file = BUF_INIT(1000);

	assert_int_equal(OK, fs_read_file(fd, special_uses_name, &file));
	assert_true(str_eq(buf_str(&file), str_c(line)));
	buf_release(&file);
}

static void
all_or_nothing(void **state UNUSED)
{
	bool is_left_out;

	assert_int_equal(ERR_NOT_FOUND,
			 renaming_run(fd, ".none", ".x", &is_left_out));
	assert_int_equal(0, mkdirat(fd, ".z.y.b.c", 0700));
	assert_int_equal(ERR_EXISTS,
			 renaming_run(fd, ".a", ".z.y", &is_left_out));
	assert_int_equal(0, unlinkat(fd, ".z.y.b.c", AT_REMOVEDIR));
	assert_names(folders);
	assert_int_equal(OK, renaming_run(fd, ".a", ".z.y", &is_left_out));
	assert_names(renamed);
	assert_use("\\Archive .z.y.b\n");
	assert_false(renaming_finish(fd));
}

/* Each order in which names may have reached the disk. */
static void
cut_off_anywhere(void **state UNUSED)
{
	struct plan p = { .user_fd = fd, .from = ".a", .to = ".z.y" };

	for (unsigned moved = 0; moved < 1u << N_OF(folders); moved++) {
		assert_int_equal(OK, write_plan(&p));
		for (size_t i = 0; i < N_OF(folders); i++)
			if (moved & 1u << i)
				assert_int_equal(0, renameat(fd, folders[i], fd,
							     renamed[i]));
		assert_true(renaming_finish(fd));
		assert_names(renamed);
		assert_use("\\Archive .z.y.b\n");
		for (size_t i = 0; i < N_OF(folders); i++)
			assert_int_equal(
				0, renameat(fd, renamed[i], fd, folders[i]));
		assert_int_equal(OK, fs_replace(fd, special_uses_name,
						S("\\Archive .a.b\n"), 0600));
	}
}

/* A file stands where a folder should go; those before it go back. */
static void
what_fails_is_undone(void **state UNUSED)
{
	struct plan p = { .user_fd = fd, .from = ".a", .to = ".z.y" };
	bool is_left_out = false;

	assert_int_equal(OK, write_plan(&p));
	assert_int_equal(OK, list(&p));
	assert_int_equal(N_OF(folders), p.n);
	snprintf(p.pairs[2].to, sizeof(p.pairs[2].to), ".no/such");
	assert_int_not_equal(OK, rename_all(&p, &is_left_out));
	assert_false(is_left_out);
	assert_names(folders);
	free(p.pairs);
}

static void
what_others_took_stays(void **state UNUSED)
{
	struct plan p = { .user_fd = fd, .from = ".a", .to = ".z.y" };

	assert_int_equal(OK, write_plan(&p));
	assert_int_equal(0, mkdirat(fd, ".z.y.d", 0700));
	assert_true(renaming_finish(fd));
	assert_true(is_there(fd, ".a.d"));
	assert_true(is_there(fd, ".z.y.b.c"));
	assert_false(is_there(fd, plan_name));
}

/* F06: the file is hostile. */
static void
lies_are_not_believed(void **state UNUSED)
{
	static const struct {
		const char *name, *content;
		bool is_sum_right;
	} cases[] = {
		{ "empty", "", false },
		{ "no sum", ".a/.q", false },
		{ "wrong sum", "00000000/.a/.q\n", false },
		{ "out", ".a/../q", true },
		{ "a path", ".a/.q/r", true },
		{ "INBOX", "/.q", true },
		{ "cur", "cur/.q", true },
		{ "to cur", ".a/cur", true },
		{ "dot", ".a/.", true },
		{ "dots", ".a/..", true },
		{ "from dots", "../.q", true },
		{ "deleted", "..estafeta-deleted.1/.q", true },
		{ "below itself", ".a/.a.q", true },
		{ "the same", ".a/.a", true },
		{ "one name", ".a", true },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf line = BUF_INIT(1000);
		struct str names = str_c(cases[i].content);

		if (cases[i].is_sum_right)
			buf_putf(&line, "%08x/%.*s\n", crc32c(0, names),
				 STR(names));
		else
			buf_put(&line, names);
		assert_int_equal(
			OK, fs_replace(fd, plan_name, buf_str(&line), 0600));
		assert_true(renaming_finish(fd));
		if (!is_there(fd, ".a") || is_there(fd, ".q"))
			fail_msg("believed: %s", cases[i].name);
		assert_names(folders);
		buf_release(&line);
	}
	assert_int_equal(0, symlinkat(special_uses_name, fd, plan_name));
	assert_true(renaming_finish(fd));
	assert_names(folders);
}

/* RFC 9051 6.3.6: what is below must be renamed; that there is a folder of the
 * name itself, too, is not said. */
static void
a_name_above_others_is_enough(void **state UNUSED)
{
	bool is_left_out;

	assert_int_equal(0, unlinkat(fd, ".a", AT_REMOVEDIR));
	assert_int_equal(OK, renaming_run(fd, ".a", ".z.y", &is_left_out));
	for (size_t i = 1; i < N_OF(folders); i++) {
		assert_true(is_there(fd, renamed[i]));
		assert_false(is_there(fd, folders[i]));
	}
	assert_false(is_there(fd, ".z.y"));
	assert_use("\\Archive .z.y.b\n");
	assert_int_equal(ERR_EXISTS,
			 renaming_run(fd, ".z.y", ".ab", &is_left_out));
	assert_int_equal(ERR_NOT_FOUND,
			 renaming_run(fd, ".a", ".z", &is_left_out));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_root, remove_root)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_or_nothing),
		TEST(cut_off_anywhere),
		TEST(what_fails_is_undone),
		TEST(what_others_took_stays),
		TEST(lies_are_not_believed),
		TEST(a_name_above_others_is_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
