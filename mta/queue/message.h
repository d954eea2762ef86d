/* SPDX-License-Identifier: MIT
 * mta/queue/message.h - the messages of the queue, and the table of them.
 *
 * A message lives from its MESSAGE record to its GONE record. While it waits it
 * is a struct queued alone: where its records lie, and when it is tried again.
 * The rest (struct message) is in memory while it is young or being tried;
 * message_wake() reads it from the spool, message_sleep() writes it there.
 * Recipients keep their index for ever: aliases only append. */
#pragma once

#include "lib/base/heap.h"
#include "lib/ipc/queue.h"
#include "mta/queue/repeat.h"
#include "mta/queue/spool.h"

#include <sys/queue.h>

enum { MESSAGE_INLINE_OCTETS = 64 * 1024 };

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

struct message_rcpt {
	struct str address;
	uint32_t original; // index into the envelope's recipients
	bool is_done;
	/* Why it is done; false when nobody knows any more. */
	bool is_settled;  // delivered, discarded or bounced
	bool is_replaced; // by what its alias made of it
	char *reason;	  // why it was deferred, own memory, or NULL
};

struct message {
	struct queued *queued;
	const char *id;	    // of queued
	struct arena arena; // envelope, addresses
	struct envelope envelope;
	struct message_rcpt *rcpts;
	size_t n_rcpts, n_rcpts_cap, n_left;
	uint64_t size_octets;
	char *content; // in memory while young, or NULL
	uint32_t n_attempts;
	bool is_repeat; // an earlier attempt may have been delivered
	bool is_warned; // the sender was told of the delay
};

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
struct queued *message_find(const struct message_table *t, struct str id);

/* Replays one record of the scan into the table. is_whole: its checksum was
 * right. */
void
message_replay(struct message_table *t, enum record_type type, struct str body,
	       bool is_whole, uint64_t segment, uint64_t offset);
/* Messages with nothing left to do after the scan. */
void message_replay_end(struct message_table *t);

/* Content that `in` is handing over. */
struct message_draft {
	struct buf content;	// until it is larger than MESSAGE_INLINE_OCTETS
	struct extent *extents; // of what is larger
	size_t n_extents, n_extents_cap;
	uint64_t size_octets;
};

struct message_draft *message_draft_new(void);
/* Releases what was not committed. NULL is fine. */
void message_draft_free(struct message_table *t, struct message_draft **d);
enum err message_draft_add(struct co *co, struct message_table *t,
			   struct message_draft *d, struct str chunk) MUST_USE;
/* Makes it durable and gives it an id; the draft is used up on success. The
 * message is awake and belongs to the table. */
enum err
message_commit(struct co *co, struct message_table *t, struct message_draft **d,
	       struct str envelope, struct message **out) MUST_USE;

/* Reads what is known of a message into memory: queued->message is there when
 * OK is returned. The caller has set is_active. ERR_FORMAT: it is damaged, and
 * from now on STATE_CORRUPT. */
enum err
message_wake(struct co *co, struct message_table *t, struct queued *q) MUST_USE;
/* Notes all that is known of it, and gives its memory back when that is written
 * and nobody has begun to work with it meanwhile. */
void message_sleep(struct message_table *t, struct queued *q);

/* The same for one that nothing is known of but what its first record says:
 * without a note, at once. No effect on any other, or on one that dozes. */
void message_doze(struct message_table *t, struct queued *q);

/* A message as it is, for a look at it alone: the one in memory, or a copy.
 * message_look_begin() before, message_look_run() in any thread, then
 * message_look_end(); q may be gone in between. wants_copy: it is read in any
 * case, as the spool has it; then message is not for a look after a wait. */
struct message_look {
	struct queued *q; // NULL after the end when it is gone
	char id[QUEUE_ID_OCTETS + 1];
	struct extent where;
	struct spool_reading reading;
	struct message *message; // valid until the next wait; NULL: unreadable
	struct message *copy;	 // until it is released
};

void message_look_begin(struct message_table *t, struct queued *q,
			bool wants_copy, struct message_look *look);
void message_look_run(struct message_look *look);
void message_look_end(struct message_table *t, struct message_look *look);
void message_look_release(struct message_table *t, struct message_look *look);

/* Appends final recipients (durable). Addresses are copied. */
enum err
message_expand(struct co *co, struct message_table *t, struct message *m,
	       const struct final_rcpt *rcpts, size_t n_rcpts) MUST_USE;
/* In memory only; the caller writes DONE or GONE. */
void message_rcpt_done(struct message *m, size_t index);
void message_set_reason(struct message *m, size_t index, struct str reason);
/* Notes DONE for those indexes. */
void message_note_done(struct message_table *t, const struct message *m,
		       const uint32_t *indexes, size_t n);
/* Notes that it is held, or no longer. */
void message_set_held(struct message_table *t, struct queued *q, bool is_held);
/* It is damaged: it stays, and is not delivered. Tells the operator. */
void message_set_corrupt(struct queued *q, const char *what);
/* Notes GONE and frees. */
void message_remove(struct message_table *t, struct queued **q);
/* Gives the content's memory back; it is read from the spool afterwards. */
void message_forget_content(struct message_table *t, struct message *m);
/* Has it octets in that segment? */
bool message_lies_in(const struct queued *q, uint64_t segment);
/* The content comes in pieces, as it lies in the spool. */
size_t message_n_pieces(const struct message *m);
/* Reads one piece after its checksum was found right; appends it to out, which
 * holds at least SPOOL_PIECE_MAX_OCTETS. ERR_FORMAT: damaged; out has what is
 * there all the same. */
enum err message_read_piece(struct message_table *t, const struct message *m,
			    size_t i, struct buf *out) MUST_USE;
/* Copies a message to the end of the spool (compaction). */
enum err message_rewrite(struct co *co, struct message_table *t,
			 struct queued *q) MUST_USE;
