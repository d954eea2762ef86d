/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_subscriptions.c - a name is added to any file and removed.
 *
 * Oracle: after adding it is there once and all others as before; a second time
 * changes nothing; after removing it is not there. */
#include "lib/base/check.h"
#include "lib/mail/subscriptions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
count(struct str file, size_t *n_it_out, size_t *n_others_out)
{
	struct buf name = BUF_INIT(SUBSCRIPTIONS_NAME_OCTETS_MAX);
	struct subscriptions_reader r;

	*n_it_out = *n_others_out = 0;
	check(subscriptions_begin(&r, file) == OK);
	while (subscriptions_next(&r, &name)) {
		if (str_eq(buf_str(&name), S("A.B")))
			(*n_it_out)++;
		else
			(*n_others_out)++;
		check(str_chr(buf_str(&name), '/') < 0);
	}
	buf_release(&name);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf added = BUF_INIT(size + 100), again = BUF_INIT(size + 100);
	struct buf removed = BUF_INIT(size + 100);
	struct str file = str_of(data, size);
	size_t n_it, n_others, n_it_then, n_others_then;
	bool is_changed;

	if (subscriptions_change(file, S("A.B"), true, &added, &is_changed) !=
	    OK)
		goto out;
	count(file, &n_it, &n_others);
	check(is_changed == (n_it != 1));
	count(buf_str(&added), &n_it_then, &n_others_then);
	check(n_it_then == 1 && n_others_then == n_others);
	check(subscriptions_change(buf_str(&added), S("A.B"), true, &again,
				   &is_changed) == OK);
	check(!is_changed && str_eq(buf_str(&added), buf_str(&again)));
	check(subscriptions_change(file, S("A.B"), false, &removed,
				   &is_changed) == OK);
	check(is_changed == (n_it != 0));
	count(buf_str(&removed), &n_it_then, &n_others_then);
	check(n_it_then == 0 && n_others_then == n_others);
out:
	buf_release(&added);
	buf_release(&again);
	buf_release(&removed);
	return 0;
}
