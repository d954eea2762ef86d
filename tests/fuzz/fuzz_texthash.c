/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_texthash.c - a flat map file.
 *
 * Oracle: every entry can be looked up by its key in capitals; a table written
 * out again as "key value" lines reads as the same table. */
#include "lib/base/check.h"
#include "lib/mail/cflines.h"
#include "router/map/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
begins_as_comment(struct str key)
{
	return key.n == 0 || key.p[0] == '#' ||
	       str_starts(key, S("\xef\xbb\xbf")) ||
	       str_find(key, S("\n")) >= 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct table_options options;
	struct arena arena = ARENA_INIT(64 << 20);
	struct buf again = BUF_INIT(64 << 20);
	struct table t, u;
	struct diag d;
	struct str key;
	void *value;
	size_t n_left_out = 0;

	diag_init(&d, 1 << 16);
	check(table_load(&t, &arena, S("t"), S("t"), str_of(data, size),
			 &options, &d) == OK);
	for (size_t at = 0; map_next(&t.entries, &at, &key, &value);) {
		const struct table_entry *e = value;
		char up[1024];

		check(e->line > 0 && e->value.n > 0);
		if (key.n > sizeof(up) || begins_as_comment(key)) {
			n_left_out++;
			continue;
		}
		for (size_t i = 0; i < key.n; i++)
			up[i] = ascii_upper(key.p[i]);
		check(table_get(&t, str_of(up, key.n)) == e);
		buf_put(&again, key);
		buf_putc(&again, ' ');
		buf_put(&again, e->value);
		buf_putc(&again, '\n');
	}
	check(table_load(&u, &arena, S("u"), S("u"), buf_str(&again), &options,
			 &d) == OK);
	check(u.entries.n + n_left_out == t.entries.n);
	for (size_t at = 0; map_next(&u.entries, &at, &key, &value);) {
		const struct table_entry *e = value;

		check(str_eq(table_get(&t, key)->value, e->value));
	}
	table_release(&t);
	table_release(&u);
	buf_release(&again);
	diag_release(&d);
	arena_release(&arena);
	return 0;
}
