/* SPDX-License-Identifier: MIT
 * mta/queue/message.c - a message in memory: woken, looked at, changed, put to
 * sleep; and its content.
 *
 * Process: queue.
 * Invariants:
 *  (1) A message is in memory while somebody works with it (is_active), and
 *      after that until a STATUS record tells all that is known of it.
 *  (2) At most one such record of a message is on its way: on a disk that
 *      takes nothing for hours they do not pile up.
 *  (3) All content in memory together is CONTENT_MEMORY_OCTETS at most.
 */
#include "mta/queue/message_record.h"

#include "lib/base/check.h"
#include "lib/rt/log.h"

enum {
	CONTENT_MEMORY_OCTETS = 64 << 20, // of all messages
	REASON_MAX_OCTETS = 500,
};

void
message_free(struct message_table *t, struct message **message_ref)
{
	struct message *m = *message_ref;

	*message_ref = NULL;
	if (m == NULL)
		return;
	message_forget_content(t, m);
	for (size_t i = 0; i < m->n_rcpts; i++)
		free(m->rcpts[i].reason);
	free(m->rcpts);
	arena_release(&m->arena);
	free(m);
}

/* ---- damage ---- */

void
message_set_corrupt(struct queued *q, const char *what)
{
	if (q->state == STATE_CORRUPT)
		return;
	q->state = STATE_CORRUPT;
	log_error("message.corrupt", FC("id", q->id), FC("what", what),
		  FN("segment", q->record.segment),
		  FN("offset", q->record.offset),
		  FC("hint", "its checksum is wrong: kept, not delivered; "
			     "postcat -q shows what is left, postsuper -d "
			     "removes it"));
}

void
message_forget_status(struct message_table *t, struct queued *q)
{
	log_error("message.status-damaged", FC("id", q->id),
		  FN("segment", q->status.segment),
		  FN("offset", q->status.offset));
	message_set_status_place(t, q, (struct extent) { 0 });
}

/* ---- waking ---- */

void
message_keep_content(struct message_table *t, struct message *m,
		     struct buf *content)
{
	if (t->content_octets + content->n > CONTENT_MEMORY_OCTETS ||
	    content->n == 0 || m->queued->n_extents > 0)
		return;
	m->content = content->p;
	t->content_octets += content->n;
	*content = (struct buf)BUF_INIT(0);
}

/* Of a message that is about to be tried. */
static void
keep_read_content(struct message_table *t, struct message *m,
		  const struct spool_reading *r)
{
	struct buf content = BUF_INIT(MESSAGE_INLINE_OCTETS);
	struct str body = r->body;

	if (r->type != RECORD_MESSAGE || m->queued->n_extents > 0 ||
	    t->content_octets + m->size_octets > CONTENT_MEMORY_OCTETS)
		return;
	buf_put(&content, str_from(body, body.n - (size_t)m->size_octets));
	message_keep_content(t, m, &content);
	buf_release(&content);
}

static struct extent
best_record(const struct queued *q)
{
	return q->status.segment != 0 ? q->status : q->record;
}

/* co NULL: at start, where it may block. */
static enum err
wake(struct co *co, struct message_table *t, struct queued *q)
{
	while (q->message == NULL) {
		bool is_status = q->status.segment != 0;
		struct spool_reading r;

		spool_reading_begin(t->spool, best_record(q), &r);
		if (co == NULL)
			spool_reading_run(&r);
		else if (!spool_reading_run_cached(&r))
			spool_reading_run_in_pool(co, &r);
		if (r.result == OK)
			q->message = message_of_record(t, q, &r);
		if (co != NULL && q->message != NULL)
			keep_read_content(t, q->message, &r);
		spool_reading_release(&r);
		if (q->message == NULL && !is_status) {
			message_set_corrupt(q, "envelope");
			return ERR_FORMAT;
		}
		if (q->message == NULL)
			message_forget_status(t, q);
	}
	return OK;
}

enum err
message_wake(struct co *co, struct message_table *t, struct queued *q)
{
	check(q->is_active);
	return wake(co, t, q);
}

enum err
message_wake_at_start(struct message_table *t, struct queued *q)
{
	return wake(NULL, t, q);
}

/* ---- looking ---- */

void
message_look_begin(struct message_table *t, struct queued *q, bool wants_copy,
		   struct message_look *look)
{
	*look = (struct message_look) { .q = q };
	memcpy(look->id, q->id, sizeof(look->id));
	if (q->message != NULL && !wants_copy)
		return;
	look->where = best_record(q);
	message_table_hold(t, &look->where); // its file stays open
	spool_reading_begin(t->spool, look->where, &look->reading);
}

void
message_look_run(struct message_look *look)
{
	if (look->where.segment != 0)
		spool_reading_run(&look->reading);
}

void
message_look_end(struct message_table *t, struct message_look *look)
{
	look->q = message_find(t, str_c(look->id));
	if (look->q != NULL && look->where.segment == 0 &&
	    look->q->message == NULL) { // fell asleep meanwhile
		message_look_begin(t, look->q, true, look);
		message_look_run(look);
	}
	if (look->where.segment != 0) {
		if (look->q != NULL)
			look->copy =
				message_of_record(t, look->q, &look->reading);
		spool_reading_release(&look->reading);
		message_table_drop(t, &look->where);
		look->where.segment = 0;
	}
	look->message =
		look->q && look->q->message ? look->q->message : look->copy;
}

void
message_look_release(struct message_table *t, struct message_look *look)
{
	message_free(t, &look->copy);
}

/* ---- changes ---- */

enum err
message_expand(struct co *co, struct message_table *t, struct message *m,
	       const struct final_rcpt *rcpts, size_t n_rcpts)
{
	struct record_expanded r = { str_c(m->id), rcpts, n_rcpts };
	struct buf body = BUF_INIT(RECORD_BODY_MAX_OCTETS);
	struct spool_place place;
	enum err e;

	if (m->n_rcpts + n_rcpts > MESSAGE_MAX_RCPTS)
		return ERR_LIMIT;
	record_expanded_put(&body, &r);
	e = spool_append(co, t->spool, RECORD_EXPANDED, buf_str(&body), &place);
	buf_release(&body);
	return e == OK ? message_take_added(m, rcpts, n_rcpts) : e;
}

void
message_rcpt_done(struct message *m, size_t index)
{
	struct message_rcpt *r = &m->rcpts[index];

	if (r->is_done)
		return;
	r->is_done = true;
	free(r->reason);
	r->reason = NULL;
	m->n_left--;
}

void
message_set_reason(struct message *m, size_t index, struct str reason)
{
	struct message_rcpt *r = &m->rcpts[index];

	free(r->reason);
	r->reason = NULL;
	reason = str_first(reason, REASON_MAX_OCTETS);
	if (reason.n == 0)
		return;
	r->reason = must_alloc(reason.n + 1);
	for (size_t i = 0; i < reason.n; i++)
		r->reason[i] = ascii_is_print(reason.p[i]) ? reason.p[i] : ' ';
}

void
message_note_done(struct message_table *t, const struct message *m,
		  const uint32_t *indexes, size_t n)
{
	struct record_done r = { str_c(m->id), indexes, n };
	struct buf body = BUF_INIT(RECORD_BODY_MAX_OCTETS);

	if (n == 0)
		return;
	record_done_put(&body, &r);
	spool_note(t->spool, RECORD_DONE, buf_str(&body));
	buf_release(&body);
}

static void
note_held(struct message_table *t, const struct queued *q)
{
	struct buf body = BUF_INIT(64);

	record_held_put(&body, str_c(q->id), q->state == STATE_HELD);
	spool_note(t->spool, RECORD_HELD, buf_str(&body));
	buf_release(&body);
}

void
message_set_held(struct message_table *t, struct queued *q, bool is_held)
{
	if (q->state == STATE_CORRUPT)
		return;
	q->state = is_held ? STATE_HELD : STATE_WAITS;
	note_held(t, q);
}

/* ---- sleep ---- */

static void note_status(struct message_table *t, struct queued *q);

static void
on_status_written(void *table, void *queued, const struct spool_place *place,
		  size_t n_octets)
{
	struct message_table *t = table;
	struct queued *q = queued;

	q->is_noting = false;
	if (q->is_gone) {
		free(q);
		return;
	}
	message_set_status_place(t, q, extent_at(*place, n_octets));
	if (q->is_active)
		return; // what it is doing ends with another
	if (q->is_stale)
		note_status(t, q);
	else
		message_free(t, &q->message);
}

/* One at a time: on a disk that takes nothing for hours they do not pile up. */
static void
note_status(struct message_table *t, struct queued *q)
{
	struct buf body = BUF_INIT(MESSAGE_STATUS_OCTETS);

	q->is_stale = q->is_noting;
	if (q->is_noting)
		return;
	message_put_status(&body, q->message);
	q->is_noting = true;
	spool_note_tell(t->spool, RECORD_STATUS, buf_str(&body),
			on_status_written, t, q);
	buf_release(&body);
}

void
message_sleep(struct message_table *t, struct queued *q)
{
	if (q->message != NULL)
		note_status(t, q);
}

void
message_doze(struct message_table *t, struct queued *q)
{
	const struct message *m = q->message;

	if (m == NULL || q->status.segment != 0 || q->is_noting ||
	    m->n_attempts > 0 || m->is_repeat ||
	    m->n_rcpts != m->envelope.n_recipients || m->n_left != m->n_rcpts)
		return;
	q->is_untried = true;
	message_free(t, &q->message);
}

void
message_remove(struct message_table *t, struct queued **queued_ref)
{
	struct queued *q = *queued_ref;

	*queued_ref = NULL;
	spool_note(t->spool, RECORD_GONE, str_c(q->id));
	message_table_leave(t, q);
}

/* ---- content ---- */

void
message_forget_content(struct message_table *t, struct message *m)
{
	if (m->content == NULL)
		return;
	t->content_octets -= m->size_octets;
	free(m->content);
	m->content = NULL;
}

size_t
message_n_pieces(const struct message *m)
{
	if (m->size_octets == 0)
		return 0;
	return m->queued->n_extents ? m->queued->n_extents : 1;
}

/* It lies at the end of the record. */
static enum err
put_inline_content(struct buf *out, const struct message *m, struct str body)
{
	if (m->size_octets > body.n)
		return ERR_FORMAT;
	return buf_add(out, str_from(body, body.n - (size_t)m->size_octets));
}

enum err
message_read_piece(struct message_table *t, const struct message *m, size_t i,
		   struct buf *out)
{
	const struct queued *q = m->queued;
	struct spool_reading r;
	enum err e, added;

	if (m->content != NULL)
		return buf_add(out, str_of(m->content, (size_t)m->size_octets));
	spool_reading_begin(t->spool, q->n_extents ? q->extents[i] : q->record,
			    &r);
	spool_reading_run(&r);
	e = r.result;
	if (e == OK && q->n_extents > 0 && r.type != RECORD_CONTENT)
		e = ERR_FORMAT;
	added = q->n_extents ? buf_add(out, r.body)
			     : put_inline_content(out, m, r.body);
	spool_reading_release(&r);
	return e == OK ? added : e;
}
