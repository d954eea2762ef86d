/* SPDX-License-Identifier: MIT
 * mta/queue/message_replay.c - the table of messages made again at start, from
 * the records of the spool.
 *
 * Process: queue.  Format: record.h.
 * Invariants:
 *  (1) Records come in the order in which they were written. Each may lie, or
 *      name what is not there: then it has no effect, or its message is
 *      STATE_CORRUPT and waits for the operator.
 *  (2) The same MESSAGE again is a copy of it: only its place is new.
 */
#include "mta/queue/message_replay.h"

#include "lib/base/check.h"
#include "lib/rt/log.h"
#include "mta/queue/message_record.h"
#include "mta/queue/queue_id.h"

/* Pieces are written before the record that names them; a later segment is not
 * even known yet. */
static bool
is_behind_pieces(const struct record_message *r, uint64_t segment)
{
	for (size_t i = 0; i < r->n_extents; i++)
		if (r->extents[i].segment > segment ||
		    r->extents[i].segment == 0)
			return false;
	return true;
}

static void
remember_envelope(struct message_table *t, struct queued *q,
		  struct str envelope)
{
	struct message *m = t->repeats ? message_new(q) : NULL;

	if (m != NULL && message_take_envelope(m, envelope) == OK) {
		repeats_remember(t->repeats, m->id, &m->envelope);
		if (m->envelope.is_held)
			q->state = STATE_HELD;
	}
	message_free(t, &m);
}

/* The same id again: compaction copied it; only the place is new. */
static void
replay_place(struct message_table *t, const struct record_message *r,
	     struct extent record, bool is_corrupt)
{
	struct queued *q = message_find(t, r->id);

	if (q == NULL) {
		q = queued_new(r->id);
		message_table_enter(t, q);
		remember_envelope(t, q, r->envelope);
		if (queue_id_time(r->id) > t->last_id_us)
			t->last_id_us = queue_id_time(r->id);
	}
	message_set_place(t, q, record, r->extents, r->n_extents);
	if (is_corrupt)
		message_set_corrupt(q, "record");
}

/* One whose id cannot be read gets one that tells its place. */
static void
replay_message(struct message_table *t, struct str body, bool is_whole,
	       struct arena *arena, struct extent record)
{
	char made[QUEUE_ID_OCTETS + 1];
	struct record_message r;

	if (record_message_read(body, arena, &r) == OK &&
	    is_behind_pieces(&r, record.segment) &&
	    (is_whole || queue_id_time(r.id) > 0)) {
		replay_place(t, &r, record, !is_whole);
		return;
	}
	queue_id_put((int64_t)(record.segment << 32 | record.offset), made);
	r = (struct record_message) { .id = str_c(made) };
	replay_place(t, &r, record, true);
}

/* A copy of one that was damaged already; its pieces are named as before. */
static void
replay_corrupt(struct message_table *t, struct str body, struct arena *arena,
	       struct extent record)
{
	struct record_message r;
	struct str id, inner;

	if (record_corrupt_read(body, &id, &inner) != OK)
		return;
	if (record_message_read(inner, arena, &r) != OK ||
	    !is_behind_pieces(&r, record.segment))
		r = (struct record_message) { .id = id };
	r.id = id;
	replay_place(t, &r, record, true);
}

static struct message *
find_awake(struct message_table *t, struct str id)
{
	struct queued *q = message_find(t, id);

	return q != NULL && q->state != STATE_CORRUPT &&
			       message_wake_at_start(t, q) == OK
		       ? q->message
		       : NULL;
}

static void
replay_expanded(struct message_table *t, struct str body, struct arena *arena)
{
	struct record_expanded r;
	struct message *m;

	if (record_expanded_read(body, arena, &r) != OK)
		return;
	m = find_awake(t, r.id);
	if (m != NULL && message_take_added(m, r.rcpts, r.n_rcpts) != OK)
		log_error("spool.bad-expansion", F("id", r.id));
}

static void
replay_done(struct message_table *t, struct str body, struct arena *arena)
{
	struct record_done r;
	struct message *m;

	if (record_done_read(body, arena, &r) != OK)
		return;
	m = find_awake(t, r.id);
	for (size_t i = 0; m != NULL && i < r.n_indexes; i++)
		if (r.indexes[i] < m->n_rcpts)
			message_rcpt_done(m, r.indexes[i]);
}

static void
replay_deferred(struct message_table *t, struct str body, struct arena *arena)
{
	struct record_deferred r;
	struct message *m;

	if (record_deferred_read(body, arena, &r) != OK)
		return;
	m = find_awake(t, r.id);
	if (m == NULL)
		return;
	m->n_attempts = r.n_attempts;
	m->queued->next_try_us = r.next_try_us;
	for (size_t i = 0; i < r.n_deferrals; i++)
		if (r.deferrals[i].index < m->n_rcpts)
			message_set_reason(m, r.deferrals[i].index,
					   r.deferrals[i].reason);
}

/* It tells all: what was known before is forgotten. */
static void
replay_status(struct message_table *t, struct str body, struct extent status)
{
	struct record_status r;
	struct queued *q;

	if (record_status_read_head(body, &r) != OK)
		return;
	q = message_find(t, r.id);
	if (q == NULL)
		return;
	message_free(t, &q->message);
	q->next_try_us = r.next_try_us;
	q->is_expired = r.is_expired;
	if (q->state != STATE_CORRUPT)
		q->state = (uint8_t)r.state;
	message_set_status_place(t, q, status);
}

static void
replay_gone(struct message_table *t, struct str id)
{
	struct queued *q = message_find(t, id);

	if (q != NULL)
		message_table_leave(t, q);
}

static void
replay_held(struct message_table *t, struct str body)
{
	struct str id;
	bool is_held;
	struct queued *q;

	if (record_held_read(body, &id, &is_held) != OK)
		return;
	q = message_find(t, id);
	if (q != NULL && q->state != STATE_CORRUPT)
		q->state = is_held ? STATE_HELD : STATE_WAITS;
}

void
message_replay(struct message_table *t, enum record_type type, struct str body,
	       bool is_whole, uint64_t segment, uint64_t offset)
{
	struct arena arena = ARENA_INIT(MESSAGE_MEMORY_OCTETS);
	struct extent here = { segment, offset, (uint32_t)body.n };

	if (!is_whole && type != RECORD_MESSAGE)
		type = RECORD_CONTENT; // found when it is read
	switch (type) {
	case RECORD_MESSAGE:
		replay_message(t, body, is_whole, &arena, here);
		break;
	case RECORD_EXPANDED:
		replay_expanded(t, body, &arena);
		break;
	case RECORD_DONE:
		replay_done(t, body, &arena);
		break;
	case RECORD_DEFERRED:
		replay_deferred(t, body, &arena);
		break;
	case RECORD_GONE:
		replay_gone(t, body);
		break;
	case RECORD_HELD:
		replay_held(t, body);
		break;
	case RECORD_STATUS:
		replay_status(t, body, here);
		break;
	case RECORD_CORRUPT:
		replay_corrupt(t, body, &arena, here);
		break;
	case RECORD_CONTENT:
	case RECORD_DURABLE:
	case RECORD_TYPES_END:
		break;
	}
	arena_release(&arena);
}

/* Pieces of it lay in a segment that is gone: it was delivered, and a power cut
 * took the unwaited record that said so; or somebody removed the file. */
static bool
is_without_content(const struct message_table *t, const struct queued *q)
{
	for (size_t i = 0; i < q->n_extents; i++) {
		if (!spool_is_lost(t->spool, &q->extents[i]))
			continue;
		log_error("spool.content-gone", FC("id", q->id),
			  FC("hint", "held; mailctl queue delete removes it"));
		return true;
	}
	return false;
}

void
message_replay_end(struct message_table *t)
{
	struct queued *q, *next;

	for (q = TAILQ_FIRST(&t->all); q != NULL; q = next) {
		next = TAILQ_NEXT(q, link);
		if (q->message != NULL && q->message->n_left == 0)
			message_table_leave(t, q);
		else if (q->state == STATE_WAITS && is_without_content(t, q))
			q->state = STATE_HELD; // the operator decides
	}
}
