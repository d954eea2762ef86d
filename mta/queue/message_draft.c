/* SPDX-License-Identifier: MIT
 * mta/queue/message_draft.c - a message on its way into the queue.
 *
 * Process: queue.
 * Invariants:
 *  (1) message_commit() returns OK only after a flush that covers the MESSAGE
 *      record and all pieces that it names.
 *  (2) What of a draft was not committed lets its pieces go.
 */
#include "mta/queue/message_draft.h"

#include "lib/base/check.h"
#include "mta/queue/message_record.h"
#include "mta/queue/queue_id.h"

enum { PIECE_OCTETS = 128 * 1024 };

struct message_draft *
message_draft_new(void)
{
	struct message_draft *d = must_alloc(sizeof(*d));

	buf_init(&d->content, PIECE_OCTETS + MESSAGE_INLINE_OCTETS);
	return d;
}

void
message_draft_free(struct message_table *t, struct message_draft **draft_ref)
{
	struct message_draft *d = *draft_ref;

	*draft_ref = NULL;
	if (d == NULL)
		return;
	message_table_drop_all(t, d->extents, d->n_extents);
	free(d->extents);
	buf_release(&d->content);
	free(d);
}

static enum err
spill(struct co *co, struct message_table *t, struct message_draft *d)
{
	struct spool_place place;
	struct extent *x;
	enum err e;

	if (d->content.n == 0)
		return OK;
	if (d->n_extents == MESSAGE_MAX_EXTENTS)
		return ERR_LIMIT;
	e = spool_append_piece(co, t->spool, buf_str(&d->content), &place);
	if (e != OK)
		return e;
	if (d->n_extents == d->n_extents_cap) {
		d->n_extents_cap = d->n_extents_cap ? d->n_extents_cap * 2 : 4;
		d->extents = must_realloc(
			d->extents, d->n_extents_cap * sizeof(*d->extents));
	}
	x = &d->extents[d->n_extents++];
	*x = extent_at(place, d->content.n);
	message_table_hold(t, x);
	buf_clear(&d->content);
	return OK;
}

/* A piece as it is, for a copy. */
enum err
message_draft_add_piece(struct co *co, struct message_table *t,
			struct message_draft *d, struct str piece)
{
	buf_clear(&d->content);
	buf_put(&d->content, piece);
	return spill(co, t, d);
}

enum err
message_draft_add(struct co *co, struct message_table *t,
		  struct message_draft *d, struct str chunk)
{
	while (chunk.n > 0) {
		size_t limit =
			d->n_extents ? PIECE_OCTETS : MESSAGE_INLINE_OCTETS;
		size_t n = chunk.n;
		enum err e;

		if (d->content.n >= limit) {
			e = spill(co, t, d);
			if (e != OK)
				return e;
			continue; // the next piece may be larger
		}
		if (n > limit - d->content.n)
			n = limit - d->content.n;
		buf_put(&d->content, str_first(chunk, n));
		d->size_octets += n;
		chunk = str_from(chunk, n);
	}
	return OK;
}

enum err
message_draft_check(const struct message_table *t,
		    const struct message_draft *d)
{
	for (size_t i = 0; i < d->n_extents; i++)
		if (spool_is_lost(t->spool, &d->extents[i]))
			return ERR_IO;
	return OK;
}

enum err
message_commit(struct co *co, struct message_table *t,
	       struct message_draft **draft_ref, struct str envelope,
	       struct message **out)
{
	struct message_draft *d = *draft_ref;
	char id[QUEUE_ID_OCTETS + 1];
	struct buf body = BUF_INIT(RECORD_BODY_MAX_OCTETS);
	struct record_message r = { .envelope = envelope,
				    .size_octets = d->size_octets };
	struct spool_place place;
	struct queued *q;
	struct message *m;
	enum err e = OK;

	if (d->n_extents > 0)
		e = spill(co, t, d);
	if (e != OK)
		return e;
	queue_id_next(&t->last_id_us, id);
	r.id = str_c(id);
	r.extents = d->extents;
	r.n_extents = d->n_extents;
	r.content = d->n_extents ? STR_NONE : buf_str(&d->content);
	record_message_put(&body, &r);
	q = queued_new(r.id);
	m = q->message = message_new(q);
	m->size_octets = d->size_octets;
	e = message_take_envelope(m, envelope);
	if (e == OK)
		e = spool_append(co, t->spool, RECORD_MESSAGE, buf_str(&body),
				 &place);
	if (e == OK)
		e = message_draft_check(t, d);
	if (e == OK) {
		if (m->envelope.is_held)
			q->state = STATE_HELD;
		message_set_place(t, q, extent_at(place, body.n), d->extents,
				  d->n_extents);
		message_table_enter(t, q);
		repeats_remember(t->repeats, m->id, &m->envelope);
		message_keep_content(t, m, &d->content);
		message_draft_free(t, draft_ref); // the message holds by itself
		*out = m;
	} else {
		message_free(t, &q->message);
		free(q);
	}
	buf_release(&body);
	return e;
}
