/* SPDX-License-Identifier: MIT
 * mta/queue/message_table.h - the table of the messages in the queue.
 *
 * A message lives from its MESSAGE record to its GONE record. While it waits it
 * is a struct queued alone: where its records lie, and when it is tried again.
 * The rest (message.h) is in memory while it is young or being tried. */
#pragma once

#include "lib/base/heap.h"
#include "lib/ipc/queue.h"
#include "mta/queue/repeat.h"
#include "mta/queue/spool.h"

#include <sys/queue.h>

struct message;
struct lane;

struct queued {
	TAILQ_ENTRY(queued) link;    // all, in order of arrival
	TAILQ_ENTRY(queued) backlog; // of its lane
	struct lane *lane;	     // whose backlog it is in, or NULL
	struct queued *next;	     // in its bucket of the table
	struct heap_node due;	     // in the schedule
	char id[QUEUE_ID_OCTETS + 1];
	bool is_active;	 // somebody works with it: nobody else may
	bool is_removed; // by the operator, while it is active
	bool is_gone;	 // from the table; freed when the note is written
	bool is_noting;	 // a STATUS record is on its way
	bool is_stale;	 // that one will not be the last
	bool is_expired; // by the operator: what waits now fails
	bool is_untried; // put off by this process, not tried by any
	uint8_t state;	 // enum record_state
	uint32_t n_extents;
	struct extent record;	// body of its MESSAGE (or CORRUPT) record
	struct extent status;	// body of its STATUS record; segment 0: none
	struct extent *extents; // content that lies outside the record, or NULL
	int64_t next_try_us;	// wall clock
	struct message *message; // when it is awake
};

TAILQ_HEAD(queued_list, queued);

struct message_table {
	struct spool *spool;
	struct repeats *repeats; // NULL: none are kept
	struct queued_list all;
	struct queued **buckets; // by id
	size_t n, n_buckets;
	int64_t last_id_us;
	size_t content_octets;	  // in memory, over all
	struct queued *compacted; // how far compaction has come, or NULL
};

void message_table_init(struct message_table *t);
/* NULL: there is none. */
struct queued *message_find(const struct message_table *t, struct str id);

/* In no table yet. */
struct queued *queued_new(struct str id);
/* As the last one; the id is in no table. */
void message_table_enter(struct message_table *t, struct queued *q);
/* Frees it and what is in memory of it, at once or when its note is written. */
void message_table_leave(struct message_table *t, struct queued *q);

/* The body of a record that was written there. */
static inline struct extent
extent_at(struct spool_place place, size_t body_octets)
{
	return (struct extent) { place.segment, place.offset,
				 (uint32_t)body_octets };
}

/* Where its MESSAGE record lies now, and the content (copied). */
void message_set_place(struct message_table *t, struct queued *q,
		       struct extent record, const struct extent *extents,
		       size_t n_extents);
/* Segment 0: there is none. */
void message_set_status_place(struct message_table *t, struct queued *q,
			      struct extent status);
/* Has it octets in that segment? */
bool message_lies_in(const struct queued *q, uint64_t segment);

/* The record's segment stays; segment 0: nothing. */
void message_table_hold(struct message_table *t, const struct extent *x);
void message_table_drop(struct message_table *t, const struct extent *x);
void message_table_drop_all(struct message_table *t,
			    const struct extent *extents, size_t n);
