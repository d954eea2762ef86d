/* SPDX-License-Identifier: MIT
 * mda/store/index_record.h - the octets of a mailbox's index
 * (doc/design/index.md). Pure.
 *
 *   head    "EstIndex", version, UIDVALIDITY, crc
 *   batch   head (magic, entries, octets of the blobs, crc), the entries, the
 *           blobs one behind the other
 *
 * The crc of a batch covers its place and its entries; each entry has that of
 * its blob. So the entries of all batches are read without the blobs, and no
 * octet of a blob is told unchecked. Numbers are little-endian. */
#pragma once

#include "mda/store/cache_head.h"

enum {
	INDEX_HEAD_OCTETS = CACHE_HEAD_OCTETS,
	INDEX_BATCH_HEAD_OCTETS = 16,
	INDEX_ENTRY_OCTETS = 48,
	INDEX_BATCH_MAX = 256, // entries
	INDEX_BATCH_OCTETS =
		INDEX_BATCH_HEAD_OCTETS + INDEX_BATCH_MAX * INDEX_ENTRY_OCTETS,
	INDEX_BLOBS_MAX_OCTETS = 64 << 20, // of one batch
};

/* The parts of a blob. */
enum index_part {
	INDEX_ENVELOPE,
	INDEX_BODY,
	INDEX_STRUCTURE,
	INDEX_FIELDS, // header fields that SORT and THREAD need
	INDEX_PARTS,
};

struct index_entry {
	uint32_t uid;
	uint32_t crc;	// of the blob
	int64_t date_s; // INTERNALDATE
	uint64_t size_octets, wire_size_octets;
	uint32_t n[INDEX_PARTS]; // octets of each part; 0: not there
	uint64_t at;		 // of the blob in the file; not written
};

void index_put_head(struct buf *out, uint32_t uidvalidity);
/* ERR_FORMAT: another version, or damaged. */
enum err index_read_head(struct str bytes, uint32_t *uidvalidity_out) MUST_USE;

uint32_t index_blob_crc(uint32_t uid, struct str blob);
uint64_t index_blob_octets(const struct index_entry *entry);
/* The part of a blob of that entry. */
struct str index_part(const struct index_entry *entry, struct str blob,
		      enum index_part part);

/* Appends a batch of at most INDEX_BATCH_MAX entries; offset is its place. The
 * sizes of the entries' blobs add up to blobs.n. */
void
index_put_batch(struct buf *out, uint64_t offset,
		const struct index_entry *entries, size_t n, struct str blobs);
/* Reads the entries of the batch at offset, from its first octets (at least
 * INDEX_BATCH_OCTETS of them unless the file ends before). *next_out: where
 * the next one begins, perhaps beyond the end of the file.
 * ERR_EOF: the file ends within the entries. ERR_FORMAT: damaged. */
enum err index_read_batch(struct str bytes, uint64_t offset,
			  struct index_entry *entries_out, size_t *n_out,
			  uint64_t *next_out) MUST_USE;
