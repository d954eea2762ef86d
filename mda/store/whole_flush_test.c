/* SPDX-License-Identifier: MIT
 * mda/store/whole_flush_test.c - where all is flushed at once, and where not.
 */
#include "mda/store/whole_flush.c"

#include "tests/unit/unit.h"

#define HEAD "MemTotal:       24689836 kB\nMemFree:        22115704 kB\n"

static void
unwritten_is_read(void **state UNUSED)
{
	static const struct {
		const char *text;
		uint64_t want_kib;
	} cases[] = {
		{ HEAD
		  "Dirty:               120 kB\nWriteback:             3 kB\n",
		  123 },
		{ HEAD "Dirty: 0 kB\nWriteback: 0 kB\nWritebackTmp: 9 kB\n",
		  0 },
		{ HEAD "Dirty: 120 kB\nWriteba", UINT64_MAX }, // cut off
		{ HEAD "Dirty: 120 kB\nWriteback:", UINT64_MAX },
		{ HEAD "Dirty: x kB\nWriteback: 3 kB\n", UINT64_MAX },
		{ HEAD "Dirty: 99999999999999999999 kB\nWriteback: 3 kB\n",
		  UINT64_MAX },
		{ HEAD, UINT64_MAX },
		{ "", UINT64_MAX },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(unwritten_of(str_c(cases[i].text)),
				 cases[i].want_kib);
}

static void
old_kernels_are_not_believed(void **state UNUSED)
{
	static const struct {
		const char *release;
		bool want;
	} cases[] = {
		{ "6.1.0-13-amd64", true },
		{ "5.18", true },
		{ "5.18-rc1", true },
		{ "10.0.1", true },
		{ "5.17.15", false },
		{ "5.4.0", false },
		{ "4.19.0", false },
		{ "6", false },
		{ "6.", false },
		{ "x.y", false },
		{ "", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (is_kernel_honest(str_c(cases[i].release)) != cases[i].want)
			fail_msg("%s", cases[i].release);
}

static void
it_is_for_many_names_where_little_is_unwritten(void **state UNUSED)
{
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int elsewhere = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct whole_flush w;
	struct stat st;

	assert_true(here >= 0 && elsewhere >= 0);
	assert_int_equal(fstat(here, &st), 0);
	whole_flush_open(&w, here);
	whole_flush_close(&w);
	w.device = st.st_dev; // whatever this file system is
	w.memory_fd = dup(here);
	w.unwritten_kib = UNWRITTEN_MAX_KIB;
	w.looked_us = now_us() + US_PER_S; // it does not look
	assert_true(whole_flush_fits(&w, NAMES_MIN, here));
	assert_false(whole_flush_fits(&w, NAMES_MIN - 1, here));
	assert_false(whole_flush_fits(&w, NAMES_MIN, elsewhere));
	w.unwritten_kib++;
	assert_false(whole_flush_fits(&w, NAMES_MIN, here));
	w.looked_us = 0; // it looks, and cannot read
	w.unwritten_kib = 0;
	assert_false(whole_flush_fits(&w, NAMES_MIN, here));
	w.looked_us = now_us() + US_PER_S;
	w.unwritten_kib = 0;
	w.sync.failure = ERR_IO; // once is for ever
	assert_false(whole_flush_fits(&w, NAMES_MIN, here));
	whole_flush_close(&w);
	close(here);
	close(elsewhere);
}

static void
other_file_systems_keep_no_promise(void **state UNUSED)
{
	int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct whole_flush w;

	assert_true(fd >= 0);
	whole_flush_open(&w, fd);
	assert_int_equal(w.memory_fd, -1);
	assert_false(whole_flush_fits(&w, NAMES_MIN, fd));
	whole_flush_close(&w);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unwritten_is_read),
		cmocka_unit_test(old_kernels_are_not_believed),
		cmocka_unit_test(
			it_is_for_many_names_where_little_is_unwritten),
		cmocka_unit_test(other_file_systems_keep_no_promise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
