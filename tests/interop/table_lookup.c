/* SPDX-License-Identifier: MIT
 * tests/interop/table_lookup.c - asks our own flat map what postmap is asked.
 *
 * table_lookup FILE, keys on standard input, one per line; for each a line
 * "=value", or "-" when there is none. Built by postmap_vectors.py. */
#include "router/map/table.h"

enum { LINE_OCTETS = 4096, FILE_MAX_OCTETS = 1 << 20 };

static char file[FILE_MAX_OCTETS], line[LINE_OCTETS];

int
main(int argc, char **argv)
{
	static const struct table_options options;
	struct arena arena = ARENA_INIT(64 << 20);
	struct table t;
	FILE *in = argc > 1 ? fopen(argv[1], "rb") : NULL;
	size_t n;

	if (in == NULL)
		return 2;
	n = fread(file, 1, sizeof(file), in);
	fclose(in);
	if (table_load(&t, &arena, S("t"), S("t"), str_of(file, n), &options,
		       NULL) != OK)
		return 2;
	while (fgets(line, sizeof(line), stdin) != NULL) {
		struct str key = str_c(line);
		const struct table_entry *e;

		if (str_ends(key, S("\n")))
			key.n--;
		e = table_get(&t, key);
		if (e == NULL)
			puts("-");
		else
			printf("=%.*s\n", STR(e->value));
	}
	table_release(&t);
	arena_release(&arena);
	return 0;
}
