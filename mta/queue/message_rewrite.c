/* SPDX-License-Identifier: MIT
 * mta/queue/message_rewrite.c - compaction: a message is copied to the end of
 * the spool, so that the segment it lay in can be given back.
 *
 * Process: queue.
 * Invariant: all of the copy is durable before the old place is let go. What is
 * damaged is copied as it is, and the message is STATE_CORRUPT. */
#include "mta/queue/message_rewrite.h"

#include "mta/queue/message_draft.h"
#include "mta/queue/message_record.h"

/* Pieces are copied as they are; one that is damaged makes the message so. */
static enum err
copy_pieces(struct co *co, struct message_table *t, struct queued *q,
	    struct message_draft *d)
{
	enum err e = OK;

	for (size_t i = 0; i < q->n_extents && e == OK; i++) {
		struct spool_reading r;

		spool_reading_begin(t->spool, q->extents[i], &r);
		spool_reading_run_in_pool(co, &r);
		if (r.result != OK)
			message_set_corrupt(q, "content");
		e = message_draft_add_piece(co, t, d, r.body);
		spool_reading_release(&r);
	}
	return e;
}

/* The record as it will be at its new place. */
static void
put_copy(struct buf *out, struct queued *q, const struct spool_reading *old,
	 const struct message_draft *d)
{
	struct arena arena = ARENA_INIT(MESSAGE_MEMORY_OCTETS);
	struct buf inner = BUF_INIT(RECORD_BODY_MAX_OCTETS);
	struct record_message r;
	struct str id, inside, body = old->body;

	if (old->type == RECORD_CORRUPT &&
	    record_corrupt_read(body, &id, &inside) == OK)
		body = inside;
	if (q->n_extents > 0 && record_message_read(body, &arena, &r) == OK) {
		r.extents = d->extents;
		r.n_extents = d->n_extents;
		record_message_put(&inner, &r);
		body = buf_str(&inner);
	}
	if (q->state == STATE_CORRUPT)
		record_corrupt_put(out, str_c(q->id), body);
	else
		buf_put(out, body);
	buf_release(&inner);
	arena_release(&arena);
}

/* Its state goes behind the copy, durable before the old place is let go. */
static enum err
copy_status(struct co *co, struct message_table *t, struct queued *q,
	    struct extent *status_out)
{
	struct buf body = BUF_INIT(MESSAGE_STATUS_OCTETS);
	struct spool_place place = { 0, 0 };
	enum err e = OK;

	if (q->message != NULL) {
		message_put_status(&body, q->message);
	} else if (q->status.segment != 0) {
		struct spool_reading r;

		spool_reading_begin(t->spool, q->status, &r);
		spool_reading_run_in_pool(co, &r);
		if (r.result == OK)
			buf_put(&body, r.body);
		else
			message_forget_status(t, q);
		spool_reading_release(&r);
	}
	if (body.n > 0)
		e = spool_append(co, t->spool, RECORD_STATUS, buf_str(&body),
				 &place);
	*status_out = extent_at(place, body.n);
	buf_release(&body);
	return e;
}

static enum err
copy_record(struct co *co, struct message_table *t, struct queued *q,
	    struct message_draft *d, struct extent *record_out)
{
	struct buf body = BUF_INIT(RECORD_BODY_MAX_OCTETS + 64);
	struct spool_reading r;
	struct spool_place place;
	enum err e;

	spool_reading_begin(t->spool, q->record, &r);
	spool_reading_run_in_pool(co, &r);
	if (r.result != OK)
		message_set_corrupt(q, "record");
	e = copy_pieces(co, t, q, d);
	if (e == OK)
		put_copy(&body, q, &r, d);
	spool_reading_release(&r);
	if (e == OK)
		e = spool_append(co, t->spool,
				 q->state == STATE_CORRUPT ? RECORD_CORRUPT
							   : RECORD_MESSAGE,
				 buf_str(&body), &place);
	if (e == OK)
		*record_out = extent_at(place, body.n);
	buf_release(&body);
	return e == OK ? message_draft_check(t, d) : e;
}

enum err
message_rewrite(struct co *co, struct message_table *t, struct queued *q)
{
	struct message_draft *d = message_draft_new();
	struct extent record, status;
	enum err e = copy_record(co, t, q, d, &record);

	if (e == OK)
		e = copy_status(co, t, q, &status);
	if (e == OK) {
		message_set_place(t, q, record, d->extents, d->n_extents);
		message_set_status_place(t, q, status);
		if (q->message != NULL && q->message->content == NULL)
			message_free(t, &q->message);
	}
	message_draft_free(t, &d);
	return e;
}
