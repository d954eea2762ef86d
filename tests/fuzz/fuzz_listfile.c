/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_listfile.c - edits of an operator's file.
 *
 * Input: a kind, a key up to the first LF, then the file.
 * Oracle: entries lie one behind the other within the file; after a set the key
 * has that value, and every other entry is as it was, in its order; after a
 * removal nobody has it; what has no entry for the key is not changed. */
#include "lib/base/check.h"
#include "lib/mail/listfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
check_entries(struct str file, enum listfile_kind kind)
{
	struct listfile_entry entry;
	size_t at = 0, end = 0, n = 0;

	while (listfile_next(file, kind, &at, &entry)) {
		check(entry.begin >= end && entry.end > entry.begin);
		check(entry.end <= file.n && at >= entry.end);
		end = entry.end;
		n++;
	}
	return n;
}

/* The entries of both, without those of the key, are the same. */
static void
check_others(struct str a, struct str b, enum listfile_kind kind,
	     struct str key)
{
	struct listfile_entry one, other;
	size_t at_a = 0, at_b = 0;

	for (;;) {
		bool more_a, more_b;

		do
			more_a = listfile_next(a, kind, &at_a, &one);
		while (more_a && str_ieq(one.key, key));
		do
			more_b = listfile_next(b, kind, &at_b, &other);
		while (more_b && str_ieq(other.key, key));
		check(more_a == more_b);
		if (!more_a)
			return;
		check(str_eq(one.key, other.key));
		check(str_eq(one.value, other.value));
	}
}

static bool
is_plain(struct str key)
{
	for (size_t i = 0; i < key.n; i++)
		if (!ascii_is_alpha(key.p[i]) && !ascii_is_digit(key.p[i]) &&
		    key.p[i] != '@' && key.p[i] != '.')
			return false;
	return key.n > 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char separators[] = "|: =";
	struct str file = str_of(data, size), key;
	struct buf line = BUF_INIT(2 * size + 16),
		   set = BUF_INIT(3 * size + 64),
		   removed = BUF_INIT(3 * size + 64);
	struct listfile_entry entry;
	enum listfile_kind kind;

	if (size < 2)
		return 0;
	kind = (enum listfile_kind)(data[0] % 4);
	file = str_from(file, 1);
	str_split(&file, '\n', &key);
	if (file.p == NULL)
		file = S("");
	check_entries(file, kind);
	if (!is_plain(key))
		return 0;
	buf_putf(&line, "%.*s%cvalue", STR(key), separators[kind]);
	check(listfile_set(file, kind, key, buf_str(&line), &set) == OK);
	check(listfile_find(buf_str(&set), kind, key, &entry));
	check_entries(buf_str(&set), kind);
	check(listfile_remove(file, kind, key, &removed) == OK);
	check(!listfile_find(buf_str(&removed), kind, key, &entry));
	if (!listfile_find(file, kind, key, &entry))
		check(str_eq(buf_str(&removed), file));
	check_others(file, buf_str(&removed), kind, key);
	buf_release(&line);
	buf_release(&set);
	buf_release(&removed);
	return 0;
}
