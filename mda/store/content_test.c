/* SPDX-License-Identifier: MIT
 * mda/store/content_test.c - what a placed file has: its octets and its date.
 */
#include "mda/store/content.c"

#include "lib/rt/clock.h"
#include "tests/unit/directory.h"

#include <stdio.h>
#include <stdlib.h>

static struct stat
place(int64_t date_us)
{
	struct content content;
	struct placing p = { .name = "placed",
			     .temporary = "part",
			     .head = S("Return-Path: <>\r\n"),
			     .content = &content,
			     .date_us = date_us };
	struct stat st;
	char text[64];
	int fd;

	p.tmp_fd = p.to_fd = open(dir, O_RDONLY | O_DIRECTORY);
	content_init(&content);
	assert_int_equal(buf_add(&content.tail, S("\r\nbody\r\n")), OK);
	content_place(&p);
	assert_int_equal(p.e, OK);
	fd = openat(p.to_fd, "placed", O_RDONLY);
	assert_int_equal(read(fd, text, sizeof(text)), 25);
	assert_memory_equal(text, "Return-Path: <>\r\n\r\nbody\r\n", 25);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(unlinkat(p.to_fd, "placed", 0), 0);
	close(fd);
	close(p.tmp_fd);
	content_release(&content);
	return st;
}

/* Its second is what IMAP shows as INTERNALDATE, whether the file got it by
 * itself or was told. */
static void
a_file_has_the_date_that_was_asked_for(void **state UNUSED)
{
	for (int i = 0; i < 200; i++) {
		int64_t now = wall_us();
		int64_t dates[] = { now, now - US_PER_S, now + US_PER_S,
				    1000 * US_PER_S };

		for (size_t k = 0; k < sizeof(dates) / sizeof(*dates); k++)
			assert_int_equal(place(dates[k]).st_mtim.tv_sec,
					 dates[k] / US_PER_S);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_file_has_the_date_that_was_asked_for, make_dir,
			remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
