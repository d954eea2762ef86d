/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_imap_metadata.c - arguments of GETMETADATA and SETMETADATA.
 *
 * Oracle: what was read, written again by imap_write.h, is read as the same;
 * each name fits itself at every depth. */
#include "lib/base/check.h"
#include "lib/mail/imap_metadata.h"
#include "lib/mail/imap_write.h"

enum { ARENA_OCTETS = 1 << 20, TEXT_OCTETS = 1 << 18, MAX_OCTETS = 1 << 15 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_names(const struct imap_entries *e)
{
	check(e->n >= 1 && e->n <= IMAP_METADATA_ENTRIES_MAX);
	for (size_t i = 0; i < e->n; i++)
		for (int depth = DEPTH_0; depth <= DEPTH_INFINITY; depth++)
			check(imap_entry_is_name(e->names[i], true) &&
			      imap_entry_fits(e->names[i], e->names[i],
					      (enum imap_metadata_depth)depth));
}

static void
check_get(const struct imap_getmetadata *g, struct arena *arena)
{
	static const char *const depths[] = { "0", "1", "infinity" };
	struct buf b = BUF_INIT(TEXT_OCTETS);
	struct imap_getmetadata again;
	struct imap_reader r;

	check_names(&g->entries);
	buf_putf(&b, "(DEPTH %s", depths[g->depth]);
	if (g->has_max)
		buf_putf(&b, " MAXSIZE %u", g->max_octets);
	buf_put(&b, S(") "));
	check(imap_write_astring(&b, g->mailbox) == OK);
	for (size_t i = 0; i < g->entries.n; i++) {
		buf_put(&b, i == 0 ? S(" (") : S(" "));
		check(imap_write_astring(&b, g->entries.names[i]) == OK);
	}
	buf_putc(&b, ')');
	imap_reader_init(&r, buf_str(&b), arena);
	check(imap_getmetadata_read(&r, &again));
	check(again.depth == g->depth && again.has_max == g->has_max &&
	      again.max_octets == g->max_octets &&
	      again.entries.n == g->entries.n &&
	      str_eq(again.mailbox, g->mailbox));
	buf_release(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA_INIT(ARENA_OCTETS);
	struct imap_getmetadata get;
	struct imap_setmetadata set;
	struct imap_reader r;

	if (size > MAX_OCTETS)
		return 0;
	imap_reader_init(&r, str_of(data, size), &arena);
	if (imap_getmetadata_read(&r, &get))
		check_get(&get, &arena);
	imap_reader_init(&r, str_of(data, size), &arena);
	if (imap_setmetadata_read(&r, &set))
		check_names(&set.entries);
	arena_release(&arena);
	return 0;
}
