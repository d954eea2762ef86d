/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_index_record.c - a mailbox's index as it may be found.
 *
 * Oracle: blobs lie within their batch, one behind the other; a batch that was
 * read, put again, is the octets that came. */
#include "lib/base/check.h"
#include "mda/store/index_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct index_entry entries[INDEX_BATCH_MAX];
	struct str file = str_of(data, size);
	struct buf again = BUF_INIT(size + 1000);
	uint64_t at = INDEX_HEAD_OCTETS, next;
	uint32_t uidvalidity;
	size_t n;

	if (index_read_head(file, &uidvalidity) == OK) {
		index_put_head(&again, uidvalidity);
		check(str_eq(buf_str(&again),
			     str_first(file, INDEX_HEAD_OCTETS)));
	}
	while (index_read_batch(str_from(file, at), at, entries, &n, &next) ==
	       OK) {
		uint64_t end = entries[0].at;
		struct str blobs;

		check(n > 0 && next > at);
		for (size_t i = 0; i < n; i++) {
			check(entries[i].at == end && entries[i].uid > 0);
			end += index_blob_octets(&entries[i]);
		}
		check(end == next);
		if (next > size)
			break;
		blobs = str_sub(file, entries[0].at, next - entries[0].at);
		check(index_part(&entries[0], blobs, INDEX_FIELDS).n <=
		      blobs.n);
		buf_clear(&again);
		index_put_batch(&again, at, entries, n, blobs);
		check(str_eq(buf_str(&again), str_sub(file, at, next - at)));
		at = next;
	}
	buf_release(&again);
	return 0;
}
