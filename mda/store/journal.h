/* SPDX-License-Identifier: MIT
 * mda/store/journal.h - the mailbox log: modification sequences, what vanished,
 * SAVEDATE (doc/design/index.md).
 *
 * Whoever changes the mailbox, with its lock: takes numbers by journal_give(),
 * notes what will be so, commits, and only then changes the model; so nothing
 * is told that the log does not know. */
#pragma once

#include "mda/store/log_record.h"

#include <sys/types.h>

struct co;
struct mailbox;
struct message;

extern const char journal_name[];

struct journal {
	struct log_head head; // as the file has it
	bool has_file;	      // else it was lost, or was never there
	bool must_rewrite;
	ino_t inode;
	size_t n_entries;  // in the file
	int64_t retry_us;  // not written again before that
	uint64_t given;	   // the last modification sequence taken
	uint64_t floor;	   // what vanished up to here may be forgotten
	uint32_t last_uid; // all up to here were noted
	struct log_message *noted;
	size_t n_noted, noted_cap;
	struct log_vanished *vanished; // modification sequences rise
	size_t n_vanished, vanished_cap;
	size_t n_written; // of them
};

void journal_release(struct journal *j);

/* A new modification sequence. Told only after a commit. */
uint64_t journal_give(struct journal *j);
/* The message will be so. */
void journal_note(struct journal *j, const struct log_message *state);
/* None of these UIDs (rising) will have a message; all get this modification
 * sequence. */
void journal_note_gone(struct mailbox *m, const uint32_t *uids, size_t n,
		       uint64_t modseq);
/* What the message is, as an entry. */
struct log_message journal_state(const struct message *msg);

/* Writes what was noted; is_durable: with a flush. Where it cannot be written
 * the log is removed, because an old one would be wrong; that is OK, too. */
enum err
journal_commit(struct co *co, struct mailbox *m, bool is_durable) MUST_USE;

/* Takes over the file's octets, once the messages of the mailbox are in the
 * model for the first time: their modification sequences and SAVEDATEs. What
 * has changed since gets new ones; commit next. The model is nobody else's, so
 * this may run in a thread. False: it was not to be trusted, or not there, and
 * all numbers are new. */
bool
journal_load(struct mailbox *m, struct str file, ino_t inode, uint64_t boot);

/* The UIDs within first..last that are without a message, and of which that
 * was not so at `since`, as far as is known: calls for each range, rising. */
void journal_vanished(const struct mailbox *m, uint64_t since, uint32_t first,
		      uint32_t last,
		      void (*range)(uint32_t first, uint32_t last, void *arg),
		      void *arg);
