/* SPDX-License-Identifier: MIT
 * mda/store/index.h - what was read out of messages, kept beside them: a cache
 * that may go at any time (doc/design/index.md).
 *
 * Nothing here is an error: what the index has not is read from the message.
 * Nobody needs the mailbox's lock; one writes at a time, others leave it. */
#pragma once

#include "lib/rt/fs.h"
#include "mda/store/index_record.h"

struct mailbox;
struct message;
struct letter;

/* Where a message's blob is; part of the model. */
struct index_place {
	uint64_t at; // 0: not in the index
	uint32_t crc;
	uint32_t n[INDEX_PARTS];
};

struct index_file {
	int fd;
	unsigned n_users;
};

struct index {
	bool is_loaded;		 // or it was tried
	bool is_writing;	 // somebody
	struct index_file *file; // NULL: none
	uint64_t end;		 // of the good part
	uint64_t live_octets;	 // of it
	size_t n_batches;
	int64_t retry_us; // no writing before; 0: at any time
};

/* Nobody writes it. */
void index_release(struct index *x);

/* Reads the places of all messages, once. */
void index_load(struct co *co, struct mailbox *m);

/* Blobs near each other are read together. */
struct index_window {
	const struct index_file *file; // to compare
	struct buf bytes;
	uint64_t at;
};

/* The blob of a message that is in the index, into the window. Waits. False:
 * damaged; then the whole index is gone. *blob_out dies with the window's next
 * use. */
bool
index_read(struct co *co, struct mailbox *m, const struct index_place *place,
	   uint32_t uid, struct index_window *window, struct str *blob_out);
void index_window_release(struct index_window *w);

/* The message leaves the model. */
void index_forget(struct mailbox *m, const struct message *msg);

/* What is to be added, of one command. */
struct index_batch {
	struct index_entry entries[INDEX_BATCH_MAX];
	size_t n;
	struct buf blobs;
};

/* Makes the parts of a message that the letter allows; out is a blob. With a
 * tree of parts all of them, else envelope and fields. */
void index_make(const struct letter *letter, struct index_entry *entry,
		struct buf *out);
/* Notes a blob; true: the batch is full, and should be written. */
bool index_batch_add(struct index_batch *b, const struct index_entry *entry,
		     struct str blob);
/* Writes the batch, unsynced, and empties it. */
void index_write(struct co *co, struct mailbox *m, struct index_batch *b);
