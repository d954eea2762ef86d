/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_imap_fetch.c - the label of an item is itself an item, which
 * has the same label. */
#include "lib/base/check.h"
#include "lib/mail/imap_fetch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ALL_FEATURES = 127 };

static void
check_label(const struct imap_fetch_item *item, struct arena *arena)
{
	struct buf label = BUF_INIT(1 << 20), again = BUF_INIT(1 << 20);
	struct imap_fetch_item plain = *item;
	struct imap_reader r;
	struct imap_fetch f;

	/* A label names where a partial begins, but not its length. */
	plain.has_partial = false;
	check(imap_fetch_write_label(&label, &plain) == OK);
	imap_reader_init(&r, buf_str(&label), arena);
	if (imap_fetch_read(&r, ALL_FEATURES, &f)) {
		check(f.n == 1 && f.items[0].kind == item->kind);
		check(imap_fetch_write_label(&again, &f.items[0]) == OK);
		check(str_eq(buf_str(&label), buf_str(&again)));
	} else {
		check(r.fault == IMAP_FAULT_LIMIT);
	}
	buf_release(&label);
	buf_release(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA_INIT(1 << 20);
	struct imap_reader r;
	struct imap_fetch f;

	imap_reader_init(&r, str_of(data, size), &arena);
	if (imap_fetch_read(&r, ALL_FEATURES, &f)) {
		check(f.n >= 1 && f.n <= IMAP_FETCH_ITEMS_MAX);
		for (size_t i = 0; i < f.n; i++) {
			check(f.items[i].section.n_parts <= IMAP_DEPTH_MAX);
			check(!f.items[i].has_partial ||
			      f.items[i].partial_octets > 0);
			check_label(&f.items[i], &arena);
		}
		check(!f.has_vanished || f.has_changed_since);
		check(!f.has_partial || (f.partial.first > 0 &&
					 f.partial.first <= f.partial.last));
	} else {
		check(r.fault != IMAP_FINE && r.fault_text != NULL);
	}
	arena_release(&arena);
	return 0;
}
