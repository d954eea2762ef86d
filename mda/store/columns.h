/* SPDX-License-Identifier: MIT
 * mda/store/columns.h - what SORT and THREAD compare of the messages of a
 * mailbox, kept in memory from the first such command on.
 *
 * A column has an entry per message that was asked for, by rising UID. What new
 * messages have is read and merged when it is asked for; what is gone stays
 * until it is the larger part. */
#pragma once

#include "lib/base/buf.h"

struct call;
struct co;
struct mailbox;

enum column_kind {
	COLUMN_SENT, // the Date field
	COLUMN_SUBJECT,
	COLUMN_FROM,
	COLUMN_TO,
	COLUMN_CC,
	COLUMN_DISPLAYFROM,
	COLUMN_DISPLAYTO,
	COLUMN_THREAD,
	COLUMNS,
};

struct column_entry {
	uint32_t uid;
	uint32_t n;   // octets at text.p + at; SENT: 0 without a date
	size_t at;    // of the folded text; of THREAD the struct column_thread
	uint64_t key; // the rank of the text; radix_key() of the time of SENT
};

/* References follow it, as imap_thread_ids() gives them. */
struct column_thread {
	uint64_t id, subject; // as in struct imap_thread_message
	int64_t sent_s;
	uint32_t has_sent, is_reply;
};

struct column {
	struct column_entry *entries;
	size_t n;
	struct buf text;
};

struct columns {
	struct column kinds[COLUMNS];
	unsigned n_users; // commands between columns_hold() and _drop()
};

void columns_init(struct columns *c);
void columns_release(struct columns *c);

/* While somebody holds them, no entry goes. */
void columns_hold(struct mailbox *m);
void columns_drop(struct mailbox *m);

/* Reads what the column lacks of these messages (UIDs rising). ERR_LIMIT: it
 * would be too large. ERR_CANCELED: call, whose command this is, has ended.
 * Waits; the columns are held. */
enum err
columns_fill(struct co *co, struct mailbox *m, enum column_kind kind,
	     const uint32_t *uids, size_t n, const struct call *call) MUST_USE;

/* The entry of that UID; *at is 0 at first, UIDs rise from call to call. Never
 * NULL after columns_fill() for it. */
const struct column_entry *
column_next(const struct column *c, uint32_t uid, size_t *at);
