/* SPDX-License-Identifier: MIT
 * mda/store/index_record.c - the octets of a mailbox's index. */
#include "mda/store/index_record.h"

#include "lib/base/check.h"
#include "lib/base/crc32c.h"
#include "lib/ipc/wire.h"

enum {
	PLACE_OCTETS = 16,
};
#define BATCH_MAGIC UINT32_C(0x54426445)

static const struct cache_kind kind = { STR_INIT("EstIndex"), 1 };

void
index_put_head(struct buf *out, uint32_t uidvalidity)
{
	cache_head_put(out, &kind, uidvalidity);
}

enum err
index_read_head(struct str bytes, uint32_t *uidvalidity_out)
{
	return cache_head_read(bytes, &kind, uidvalidity_out);
}

uint32_t
index_blob_crc(uint32_t uid, struct str blob)
{
	return crc32c(uid, blob);
}

uint64_t
index_blob_octets(const struct index_entry *entry)
{
	uint64_t n = 0;

	for (int i = 0; i < INDEX_PARTS; i++)
		n += entry->n[i];
	return n;
}

struct str
index_part(const struct index_entry *entry, struct str blob,
	   enum index_part part)
{
	size_t at = 0;

	for (int i = 0; i < (int)part; i++)
		at += entry->n[i];
	return str_sub(blob, at, entry->n[part]);
}

/* ---- batches ---- */

static uint32_t
batch_crc(uint64_t offset, uint32_t n, uint32_t n_octets, struct str entries)
{
	struct buf place = BUF_INIT(PLACE_OCTETS);
	uint32_t crc;

	wire_put_u64(&place, offset);
	wire_put_u32(&place, n);
	wire_put_u32(&place, n_octets);
	crc = crc32c(crc32c(0, buf_str(&place)), entries);
	buf_release(&place);
	return crc;
}

static void
put_entry(struct buf *out, const struct index_entry *entry)
{
	wire_put_u32(out, entry->uid);
	wire_put_u32(out, entry->crc);
	wire_put_i64(out, entry->date_s);
	wire_put_u64(out, entry->size_octets);
	wire_put_u64(out, entry->wire_size_octets);
	for (int i = 0; i < INDEX_PARTS; i++)
		wire_put_u32(out, entry->n[i]);
}

void
index_put_batch(struct buf *out, uint64_t offset,
		const struct index_entry *entries, size_t n, struct str blobs)
{
	struct buf table = BUF_INIT(INDEX_BATCH_MAX * INDEX_ENTRY_OCTETS);

	check(n <= INDEX_BATCH_MAX && blobs.n <= INDEX_BLOBS_MAX_OCTETS);
	for (size_t i = 0; i < n; i++)
		put_entry(&table, &entries[i]);
	wire_put_u32(out, BATCH_MAGIC);
	wire_put_u32(out, (uint32_t)n);
	wire_put_u32(out, (uint32_t)blobs.n);
	wire_put_u32(out, batch_crc(offset, (uint32_t)n, (uint32_t)blobs.n,
				    buf_str(&table)));
	buf_put(out, buf_str(&table));
	buf_put(out, blobs);
	buf_release(&table);
}

static void
read_entry(struct wire *w, struct index_entry *out)
{
	out->uid = wire_u32(w);
	out->crc = wire_u32(w);
	out->date_s = wire_i64(w);
	out->size_octets = wire_u64(w);
	out->wire_size_octets = wire_u64(w);
	for (int i = 0; i < INDEX_PARTS; i++)
		out->n[i] = wire_u32(w);
}

enum err
index_read_batch(struct str bytes, uint64_t offset,
		 struct index_entry *entries_out, size_t *n_out,
		 uint64_t *next_out)
{
	struct wire w = wire_of(bytes);
	uint32_t word = wire_u32(&w), n = wire_u32(&w), octets = wire_u32(&w);
	uint32_t crc = wire_u32(&w);
	uint64_t at;

	if (w.is_bad)
		return ERR_EOF;
	if (word != BATCH_MAGIC || n == 0 || n > INDEX_BATCH_MAX ||
	    octets > INDEX_BLOBS_MAX_OCTETS)
		return ERR_FORMAT;
	if (w.rest.n < n * INDEX_ENTRY_OCTETS)
		return ERR_EOF;
	w.rest = str_first(w.rest, n * INDEX_ENTRY_OCTETS);
	if (crc != batch_crc(offset, n, octets, w.rest))
		return ERR_FORMAT;
	at = offset + INDEX_BATCH_HEAD_OCTETS + n * INDEX_ENTRY_OCTETS;
	*next_out = at + octets;
	for (uint32_t i = 0; i < n; i++) {
		read_entry(&w, &entries_out[i]);
		entries_out[i].at = at;
		at += index_blob_octets(&entries_out[i]);
		if (entries_out[i].uid == 0 || at > *next_out)
			return ERR_FORMAT;
	}
	*n_out = n;
	return at == *next_out ? OK : ERR_FORMAT;
}
