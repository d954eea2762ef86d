/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_annotation.c - a file of annotations as it may be found.
 *
 * Oracle: names rise and are names; what was read whole is written as the same
 * octets; each is found, and none is when all were removed. */
#include "lib/base/check.h"
#include "lib/mail/imap_metadata.h"
#include "mda/store/annotation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct annotations a;
	struct buf again = BUF_INIT(ANNOTATIONS_FILE_MAX);
	enum err e = annotations_read(str_of(data, size), &a);

	check(e == OK || e == ERR_FORMAT);
	check(a.n <= ANNOTATIONS_MAX);
	for (size_t i = 0; i < a.n; i++) {
		check(imap_entry_is_name(a.list[i].name, false));
		check(annotations_find(&a, a.list[i].name) == &a.list[i]);
		check(i == 0 ||
		      str_cmp(a.list[i - 1].name, a.list[i].name) < 0);
	}
	check(annotations_write(&a, &again) == OK);
	if (e == OK && size > 0)
		check(str_eq(buf_str(&again), str_of(data, size)));
	while (a.n > 0)
		check(annotations_set(&a, a.list[a.n / 2].name, STR_NONE) ==
		      OK);
	buf_release(&again);
	return 0;
}
