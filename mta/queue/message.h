/* SPDX-License-Identifier: MIT
 * mta/queue/message.h - what is known of a message: in memory while it is young
 * or being tried.
 *
 * message_wake() reads it from the spool, message_sleep() writes it there.
 * Recipients keep their index for ever: aliases only append.
 * Its parts: message_table.h (which there are, and where), message_draft.h (new
 * ones), message_replay.h (those of the last process), message_rewrite.h
 * (copied for compaction). */
#pragma once

#include "mta/queue/message_table.h"

enum { MESSAGE_INLINE_OCTETS = 64 * 1024 };

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

/* Reads what is known of a message into memory: queued->message is there when
 * OK is returned. The caller has set is_active. ERR_FORMAT: it is damaged, and
 * from now on STATE_CORRUPT. */
enum err
message_wake(struct co *co, struct message_table *t, struct queued *q) MUST_USE;
/* The same at start, where it may block, and nobody is active yet. */
enum err
message_wake_at_start(struct message_table *t, struct queued *q) MUST_USE;
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
/* What is in memory of it; NULL is fine. */
void message_free(struct message_table *t, struct message **m);
/* Its STATUS is damaged: it is tried as if it were new. A delivery may be
 * repeated, none is lost. */
void message_forget_status(struct message_table *t, struct queued *q);
/* Takes content over, to stay in memory until it is delivered, where there is
 * room for it; else leaves it. */
void message_keep_content(struct message_table *t, struct message *m,
			  struct buf *content);
/* Gives the content's memory back; it is read from the spool afterwards. */
void message_forget_content(struct message_table *t, struct message *m);
/* The content comes in pieces, as it lies in the spool. */
size_t message_n_pieces(const struct message *m);
/* Reads one piece after its checksum was found right; appends it to out, which
 * holds at least SPOOL_PIECE_MAX_OCTETS. ERR_FORMAT: damaged; out has what is
 * there all the same. */
enum err message_read_piece(struct message_table *t, const struct message *m,
			    size_t i, struct buf *out) MUST_USE;
