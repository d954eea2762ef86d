/* SPDX-License-Identifier: MIT
 * mda/store/snapshot.h - the model of a large mailbox, kept in a file, so that
 * a new process need not read its directories (doc/design/index.md). */
#pragma once

#include "mda/store/snapshot_record.h"

struct co;
struct mailbox;

/* What the file of this process's mailbox says. */
struct snapshot {
	bool is_tried;	 // the file was read, or cannot be
	bool is_keeping; // one is about to be written
	int64_t kept_us; // 0: not yet
	struct snapshot_stamp kept[SNAPSHOT_FILES];
};

/* Is there a file of that name? In a thread. */
bool snapshot_is_there(int dir_fd);

/* What the head of the file tells, where it can be trusted: all of SELECT's
 * answer. */
struct outline {
	uint32_t n, uidvalidity, next_uid;
	uint64_t highest; // modification sequence
	struct snapshot_counts counts;
	char guid[SNAPSHOT_GUID_OCTETS + 1];
};
/* Reads it, for a mailbox whose model is not made; that stays so. False: it
 * cannot be trusted, or something has changed since in the directories. The
 * lock is held. */
bool snapshot_outline(struct co *co, struct mailbox *m,
		      struct outline *out) MUST_USE;
/* Makes the model from the file, where that can be trusted: then the mailbox is
 * loaded, and the next look finds what has changed since. The lock is held, and
 * the keywords are as their file has them. Nothing of an untrusted file stays
 * in the model. */
void snapshot_load(struct co *co, struct mailbox *m);
/* Writes one soon, in the background, if the mailbox is large and differs from
 * the last; not more than one a minute. */
void snapshot_keep(struct mailbox *m);
