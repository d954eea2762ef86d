/* SPDX-License-Identifier: MIT
 * mda/store/snapshot_record.h - the octets of a mailbox's snapshot
 * (doc/design/index.md). Pure.
 *
 *   head    "EstShot", version, what the four files were like, counts, crc
 *   body    further fields of the uidlist's header, ranges of vanished UIDs,
 *           the messages (56 octets each), their names
 *
 * One crc covers the body, and stands in the head, which has its own. Numbers
 * are little-endian. Strings that are read borrow from the names. */
#pragma once

#include "lib/ipc/wire.h"
#include "mda/store/log_record.h"

enum {
	SNAPSHOT_HEAD_OCTETS = 256,
	SNAPSHOT_MESSAGE_OCTETS = 56,
	SNAPSHOT_MESSAGES_MAX = 1 << 24,
	SNAPSHOT_VANISHED_MAX = 1 << 16,
	SNAPSHOT_EXTRA_MAX_OCTETS = 1 << 16,
	SNAPSHOT_NAMES_MAX_OCTETS = 1 << 30,
	SNAPSHOT_GUID_OCTETS = 32,
};

/* A file or directory, as stat(2) tells of it; times in nanoseconds. */
struct snapshot_stamp {
	uint64_t inode, octets;
	int64_t modified_ns, changed_ns;
};

enum snapshot_file {
	SNAPSHOT_NEW,
	SNAPSHOT_CUR,
	SNAPSHOT_LIST,
	SNAPSHOT_LOG,
	SNAPSHOT_FILES,
};

/* What SELECT and STATUS tell of the messages. */
struct snapshot_counts {
	uint32_t first_unseen; // its number; 0: none
	uint32_t n_unseen, n_deleted;
	uint32_t keywords; // that some message has
	bool has_new;	   // one is in new/
	bool has_unclaimed;
};

struct snapshot_head {
	uint64_t boot;
	struct snapshot_stamp stamps[SNAPSHOT_FILES];
	uint64_t n_lines;   // of the uidlist
	uint64_t n_entries; // of the log
	uint64_t names_octets;
	uint32_t uidvalidity, next_uid;
	uint32_t last_uid; // all up to here are in the log
	uint32_t n, n_vanished, extra_octets;
	struct snapshot_counts counts;
	uint32_t body_crc;
	char guid[SNAPSHOT_GUID_OCTETS + 1];
};

enum {
	SNAPSHOT_IS_NEW = 1, // in new/
	SNAPSHOT_IS_UNCLAIMED = 2,
	SNAPSHOT_HAS_SIZE = 4,
	SNAPSHOT_HAS_WIRE_SIZE = 8,
};

struct snapshot_message {
	uint32_t uid, keywords, saved_s;
	uint8_t flags; // enum imap_flag
	uint8_t bits;
	uint64_t modseq, inode, size_octets, wire_size_octets;
	struct str base;   // what follows it is info
	struct str info;   // empty, or begins with ':'; a NUL is behind it
	struct str fields; // of its uidlist record; a NUL is behind it
};

/* Counts the next message. number: its place, from 1. */
void snapshot_count(struct snapshot_counts *counts,
		    const struct snapshot_message *message, uint32_t number);
bool snapshot_counts_are_same(const struct snapshot_counts *a,
			      const struct snapshot_counts *b);
void snapshot_put_head(struct buf *out, const struct snapshot_head *head);
/* ERR_FORMAT: another version, damaged, or beyond the limits. */
enum err
snapshot_read_head(struct str bytes, struct snapshot_head *out) MUST_USE;
/* Of the whole file. */
uint64_t snapshot_octets(const struct snapshot_head *head);
/* Where the names begin. */
uint64_t snapshot_names_at(const struct snapshot_head *head);

/* false: too long a name for a snapshot. */
bool snapshot_put_message(struct buf *table, struct buf *names,
			  const struct snapshot_message *message) MUST_USE;
void snapshot_put_vanished(struct buf *table, const struct log_vanished *range);

/* Walks the body; extra and vanished come first. */
struct snapshot_reader {
	struct snapshot_head head;
	struct wire table;
	struct str names;
	uint32_t uid;	 // of the last message
	uint64_t modseq; // of the last range
};

/* table: the body without the names. ERR_FORMAT: the crc is wrong, or the names
 * have octets that names cannot have. */
enum err snapshot_begin(struct snapshot_reader *r,
			const struct snapshot_head *head, struct str table,
			struct str names, struct str *extra_out) MUST_USE;
/* head.n_vanished times; then head.n times. UIDs of messages rise. */
enum err
snapshot_vanished(struct snapshot_reader *r, struct log_vanished *out) MUST_USE;
enum err snapshot_message(struct snapshot_reader *r,
			  struct snapshot_message *out) MUST_USE;
