/* SPDX-License-Identifier: MIT
 * mta/queue/message.h - a message that waits, in memory, and the table of them.
 *
 * A message lives from its MESSAGE record to its GONE record. Recipients keep
 * their index for ever: aliases only append (EXPANDED). */
#pragma once

#include "lib/base/heap.h"
#include "lib/base/map.h"
#include "lib/ipc/queue.h"
#include "mta/queue/repeat.h"
#include "mta/queue/spool.h"

#include <sys/queue.h>

enum { MESSAGE_INLINE_OCTETS = 64 * 1024 };

struct message_rcpt {
	struct str address;
	uint32_t original; // index into the envelope's recipients
	bool is_done;
	/* Why it is done; false for what an earlier process did. */
	bool is_settled;  // delivered, discarded or bounced
	bool is_replaced; // by what its alias made of it
	char *reason;	  // why it was deferred, own memory, or NULL
};

struct message {
	TAILQ_ENTRY(message) link; // all, in order of arrival
	struct heap_node due;	   // in the schedule while deferred
	char id[QUEUE_ID_OCTETS + 1];
	struct arena arena; // envelope, addresses
	struct envelope envelope;
	struct message_rcpt *rcpts;
	size_t n_rcpts, n_rcpts_cap, n_left;
	uint64_t size_octets;
	struct extent *extents; // where the content lies
	size_t n_extents;
	struct extent held;	// the MESSAGE record itself
	uint32_t weight_octets; // that its records take in the spool
	char *content;		// in memory while young, or NULL
	uint32_t n_attempts;
	int64_t next_try_us; // wall clock
	bool is_repeat;	     // an earlier attempt may have been delivered
	bool is_held, is_active, is_removed;
	bool is_copied; // the scan met it a second time
};

TAILQ_HEAD(message_list, message);

struct message_table {
	struct spool *spool;
	struct repeats *repeats; // NULL: none are kept
	struct message_list all;
	struct map by_id;
	size_t n;
	int64_t last_id_us;
	size_t content_octets; // in memory, over all
};

void message_table_init(struct message_table *t);
struct message *message_find(const struct message_table *t, struct str id);

/* Replays one record of the scan into the table. */
void message_replay(struct message_table *t, enum record_type type,
		    struct str body, uint64_t segment, uint64_t offset);
/* Messages with nothing left to do after the scan; everything that is left may
 * have been tried: is_repeat is set. */
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
 * message belongs to the table. */
enum err
message_commit(struct co *co, struct message_table *t, struct message_draft **d,
	       struct str envelope, struct message **out) MUST_USE;

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
void message_note_deferred(struct message_table *t, const struct message *m);
void message_note_held(struct message_table *t, const struct message *m);
/* Notes GONE and frees. */
void message_remove(struct message_table *t, struct message **m);
/* Gives the content's memory back; it is read from the spool afterwards. */
void message_forget_content(struct message_table *t, struct message *m);
/* Has it octets in that segment? */
bool message_lies_in(const struct message *m, uint64_t segment);
/* Reads part of the content. */
enum err message_read(struct message_table *t, const struct message *m,
		      uint64_t offset, char *to, size_t n) MUST_USE;
/* Copies a message to the end of the spool (compaction). */
enum err message_rewrite(struct co *co, struct message_table *t,
			 struct message *m) MUST_USE;
