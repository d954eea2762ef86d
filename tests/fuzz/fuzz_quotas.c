/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_quotas.c - the file of quotas.
 *
 * Oracle: an address comes once, lower-cased; writing a whole number of
 * octets back as "nB" reads as the same size; an amount of no limit is none
 * unless it is exact; each mask matches itself. */
#include "lib/base/check.h"
#include "lib/base/map.h"
#include "lib/mail/quotas.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA_INIT(64 << 20);
	struct map seen = MAP_INIT;
	struct quotas list;
	struct diag d;

	diag_init(&d, 1 << 16);
	if (quotas_parse(&arena, S("f"), str_of(data, size), &d, &list) == OK)
		for (size_t i = 0; i < list.n; i++) {
			const struct quota *q = list.list[i];
			struct buf again = BUF_INIT(64);
			uint64_t octets;

			check(str_chr(q->address, '@') > 0);
			check(map_set(&seen, q->address, &list) == NULL);
			buf_putf(&again, "%lluB",
				 (unsigned long long)q->storage_octets);
			check(quota_size(buf_str(&again), &octets));
			check(octets == q->storage_octets);
			buf_release(&again);
			check(q->n_folders <= QUOTA_FOLDERS_MAX);
			for (const struct quota_folder *f = q->folders;
			     f != NULL; f = f->next) {
				check(quota_mask_matches(f->mask, f->mask));
				check(f->storage.how == QUOTA_EXACT ||
				      quota_amount_of(&f->storage, 0) == 0);
			}
		}
	map_release(&seen);
	diag_release(&d);
	arena_release(&arena);
	return 0;
}
