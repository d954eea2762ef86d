/* SPDX-License-Identifier: MIT
 * mta/queue/message.c - messages in memory and their records in the spool. */
#include "mta/queue/message.h"

#include "lib/base/check.h"
#include "lib/base/map.h"
#include "lib/rt/counters.h"
#include "lib/rt/log.h"

enum {
	/* The longest envelope, and as many recipients as there may be. */
	MESSAGE_MEMORY_OCTETS = 8 << 20,
	CONTENT_MEMORY_OCTETS = 64 << 20, // of all messages
	PIECE_OCTETS = 128 * 1024,
	MAX_RCPTS = ENVELOPE_MAX_RECIPIENTS,
	REASON_MAX_OCTETS = 500,
	FIRST_BUCKETS = 64,
	STATUS_MEMORY_OCTETS = 32 << 20, // before reasons are left out
};

void
message_table_init(struct message_table *t)
{
	*t = (struct message_table) { 0 };
	TAILQ_INIT(&t->all);
}

static struct queued **
bucket_of(const struct message_table *t, struct str id)
{
	return &t->buckets[hash_bytes(id) & (t->n_buckets - 1)];
}

struct queued *
message_find(const struct message_table *t, struct str id)
{
	struct queued *q = t->n_buckets ? *bucket_of(t, id) : NULL;

	while (q != NULL && !str_eq(str_c(q->id), id))
		q = q->next;
	return q;
}

static void
more_buckets(struct message_table *t)
{
	struct queued *q;

	if (t->n < t->n_buckets)
		return;
	free(t->buckets);
	t->n_buckets = t->n_buckets ? t->n_buckets * 2 : FIRST_BUCKETS;
	t->buckets = must_alloc(t->n_buckets * sizeof(*t->buckets));
	TAILQ_FOREACH (q, &t->all, link) {
		struct queued **bucket = bucket_of(t, str_c(q->id));

		q->next = *bucket;
		*bucket = q;
	}
}

/* ---- ids ---- */

/* Microseconds since 1970 in base 32, most significant first: unique, because
 * it only rises. Sorted as bytes they are in the order of arrival. No vowels
 * but Y, so no words. */
static const char id_digits[] = "0123456789Bbcdfghjklmnpqrstvwxyz";

static void
put_id(int64_t at_us, char id[QUEUE_ID_OCTETS + 1])
{
	enum { DIGITS = 11 };

	for (int i = DIGITS - 1; i >= 0; i--) {
		id[i] = id_digits[at_us & 31];
		at_us >>= 5;
	}
	id[DIGITS] = '\0';
}

static int64_t
id_time(struct str id)
{
	int64_t at_us = 0;

	for (size_t i = 0; i < id.n; i++) {
		const char *digit = strchr(id_digits, id.p[i]);

		if (digit == NULL || id.p[i] == '\0')
			return 0;
		at_us = at_us << 5 | (digit - id_digits);
	}
	return at_us;
}

static void
next_id(struct message_table *t, char id[QUEUE_ID_OCTETS + 1])
{
	int64_t at_us = wall_us();

	if (at_us <= t->last_id_us)
		at_us = t->last_id_us + 1;
	t->last_id_us = at_us;
	put_id(at_us, id);
}

/* ---- life ---- */

static void
hold_record(struct message_table *t, const struct extent *x)
{
	if (x->segment != 0)
		spool_hold(t->spool, x->segment, record_size(x->n_octets));
}

static void
drop_record(struct message_table *t, const struct extent *x)
{
	if (x->segment != 0)
		spool_drop(t->spool, x->segment, record_size(x->n_octets));
}

static void
hold_extents(struct message_table *t, const struct extent *extents, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hold_record(t, &extents[i]);
}

static void
drop_extents(struct message_table *t, const struct extent *extents, size_t n)
{
	for (size_t i = 0; i < n; i++)
		drop_record(t, &extents[i]);
}

/* Where its MESSAGE record lies now, and the content. Holds the new place
 * before the old one is let go. */
static void
set_place(struct message_table *t, struct queued *q, struct extent record,
	  const struct extent *extents, size_t n_extents)
{
	struct extent old_record = q->record, *old = q->extents;
	size_t n_old = q->n_extents;

	hold_record(t, &record);
	hold_extents(t, extents, n_extents);
	q->record = record;
	q->extents = NULL;
	q->n_extents = (uint32_t)n_extents;
	if (n_extents > 0) {
		q->extents = must_alloc(n_extents * sizeof(*extents));
		memcpy(q->extents, extents, n_extents * sizeof(*extents));
	}
	drop_extents(t, old, n_old);
	drop_record(t, &old_record);
	free(old);
}

static void
set_status_place(struct message_table *t, struct queued *q,
		 struct extent status)
{
	struct extent old = q->status;

	hold_record(t, &status);
	q->status = status;
	drop_record(t, &old);
}

static void
free_message(struct message_table *t, struct message **message_ref)
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

static void
enter(struct message_table *t, struct queued *q)
{
	struct queued **bucket;

	more_buckets(t);
	bucket = bucket_of(t, str_c(q->id));
	q->next = *bucket;
	*bucket = q;
	TAILQ_INSERT_TAIL(&t->all, q, link);
	counter_set(COUNT_QUEUE_MESSAGES_NOW, ++t->n);
}

static void
leave(struct message_table *t, struct queued *q)
{
	struct queued **at = bucket_of(t, str_c(q->id));

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	if (t->compacted == q)
		t->compacted = TAILQ_NEXT(q, link);
	TAILQ_REMOVE(&t->all, q, link);
	counter_set(COUNT_QUEUE_MESSAGES_NOW, --t->n);
	set_place(t, q, (struct extent) { 0 }, NULL, 0);
	set_status_place(t, q, (struct extent) { 0 });
	free_message(t, &q->message);
	q->is_gone = true;
	if (!q->is_noting)
		free(q);
}

/* ---- what is known of a message, from its records ---- */

static void
add_rcpt(struct message *m, struct str address, uint32_t original)
{
	if (m->n_rcpts == m->n_rcpts_cap) {
		m->n_rcpts_cap = m->n_rcpts_cap ? m->n_rcpts_cap * 2 : 1;
		m->rcpts = must_realloc(m->rcpts,
					m->n_rcpts_cap * sizeof(*m->rcpts));
	}
	m->rcpts[m->n_rcpts++] = (struct message_rcpt) {
		.address = address,
		.original = original,
	};
	m->n_left++;
}

static struct message *
new_message(struct queued *q)
{
	struct message *m = must_alloc(sizeof(*m));

	m->queued = q;
	m->id = q->id;
	arena_init(&m->arena, MESSAGE_MEMORY_OCTETS);
	return m;
}

/* envelope is copied. */
static enum err
take_envelope(struct message *m, struct str envelope)
{
	enum err e = arena_str(&m->arena, envelope, &envelope);

	if (e == OK)
		e = envelope_read(envelope, &m->arena, &m->envelope);
	for (uint32_t i = 0; e == OK && i < m->envelope.n_recipients; i++)
		add_rcpt(m, m->envelope.recipients[i].address, i);
	return e;
}

static enum err
take_message(struct message *m, struct str body)
{
	struct arena arena = ARENA_INIT(MESSAGE_MEMORY_OCTETS);
	struct record_message r;
	enum err e = record_message_read(body, &arena, &r);

	if (e == OK)
		e = take_envelope(m, r.envelope);
	if (e == OK)
		m->size_octets = r.size_octets;
	arena_release(&arena);
	return e;
}

static enum err
take_added(struct message *m, const struct final_rcpt *added, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct str address;

		if (m->n_rcpts == MAX_RCPTS ||
		    added[i].original >= m->envelope.n_recipients)
			return ERR_FORMAT;
		if (arena_str(&m->arena, added[i].address, &address) != OK)
			return ERR_LIMIT;
		add_rcpt(m, address, added[i].original);
	}
	return OK;
}

static enum err
take_status(struct message *m, struct str body)
{
	struct arena arena = ARENA_INIT(MESSAGE_MEMORY_OCTETS);
	struct record_status r;
	enum err e = record_status_read(body, &arena, &r);

	if (e == OK)
		e = take_envelope(m, r.envelope);
	if (e == OK)
		e = take_added(m, r.added, r.n_added);
	if (e == OK && r.n_rcpts != m->n_rcpts)
		e = ERR_FORMAT;
	for (uint32_t i = 0; e == OK && i < r.n_rcpts; i++) {
		uint8_t bits = r.rcpts[i].bits;

		message_set_reason(m, i, r.rcpts[i].reason);
		if (bits & STATUS_DONE)
			message_rcpt_done(m, i);
		m->rcpts[i].is_settled = bits & STATUS_SETTLED;
		m->rcpts[i].is_replaced = bits & STATUS_REPLACED;
	}
	if (e == OK) {
		m->size_octets = r.size_octets;
		m->n_attempts = r.n_attempts;
		m->is_warned = r.is_warned;
	}
	arena_release(&arena);
	return e;
}

/* What lies on the disk may have been tried by an earlier process; to look for
 * a repeat costs the store a walk through the mailbox. */
static struct message *
message_of_record(struct message_table *t, struct queued *q,
		  const struct spool_reading *r)
{
	struct message *m = new_message(q);
	struct str id, body = r->body;
	enum err e = OK;

	if (r->type == RECORD_CORRUPT)
		e = record_corrupt_read(body, &id, &body);
	if (e == OK)
		e = r->type == RECORD_STATUS ? take_status(m, body)
					     : take_message(m, body);
	if (e == OK && q->n_extents == 0 && m->size_octets > q->record.n_octets)
		e = ERR_FORMAT;
	m->is_repeat = !q->is_untried;
	if (e != OK)
		free_message(t, &m);
	return m;
}

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

/* Without its STATUS it is tried as if it were new: a delivery may be repeated,
 * none is lost. */
static void
forget_status(struct message_table *t, struct queued *q)
{
	log_error("message.status-damaged", FC("id", q->id),
		  FN("segment", q->status.segment),
		  FN("offset", q->status.offset));
	set_status_place(t, q, (struct extent) { 0 });
}

static struct extent
best_record(const struct queued *q)
{
	return q->status.segment != 0 ? q->status : q->record;
}

/* Content that is in memory already stays there until it is delivered. */
static void
keep_content(struct message_table *t, struct message *m, struct buf *content)
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
	keep_content(t, m, &content);
	buf_release(&content);
}

static void
run_reading(void *reading)
{
	spool_reading_run(reading);
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
			offload(co, run_reading, &r);
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
			forget_status(t, q);
	}
	return OK;
}

enum err
message_wake(struct co *co, struct message_table *t, struct queued *q)
{
	check(q->is_active);
	return wake(co, t, q);
}

void
message_look_begin(struct message_table *t, struct queued *q, bool wants_copy,
		   struct message_look *look)
{
	*look = (struct message_look) { .q = q };
	memcpy(look->id, q->id, sizeof(look->id));
	if (q->message != NULL && !wants_copy)
		return;
	look->where = best_record(q);
	hold_record(t, &look->where); // its file stays open
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
		drop_record(t, &look->where);
		look->where.segment = 0;
	}
	look->message =
		look->q && look->q->message ? look->q->message : look->copy;
}

void
message_look_release(struct message_table *t, struct message_look *look)
{
	free_message(t, &look->copy);
}

/* A later transaction that is this one again must find it. */
static void
remember(struct message_table *t, const struct message *m)
{
	const struct envelope *e = &m->envelope;
	struct repeat what = { .is_marked = e->is_repeat }, known;
	struct repeat_digest digest;

	if (t->repeats == NULL || e->xid.n == 0)
		return;
	memcpy(what.id, m->id, sizeof(what.id));
	repeats_digest(e, &digest);
	for (size_t i = 0; i < e->n_recipients; i++) {
		uint32_t index = e->recipients[i].xid_index;

		if (index > 0 &&
		    !repeats_find(t->repeats, &digest, index, &known))
			repeats_add(t->repeats, &digest, index, &what);
	}
}

/* ---- replay ---- */

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

static struct queued *
new_queued(struct str id)
{
	struct queued *q = must_alloc(sizeof(*q));

	check(id.n <= QUEUE_ID_OCTETS);
	memcpy(q->id, id.p, id.n);
	return q;
}

static void
remember_envelope(struct message_table *t, struct queued *q,
		  struct str envelope)
{
	struct message *m = t->repeats ? new_message(q) : NULL;

	if (m != NULL && take_envelope(m, envelope) == OK) {
		remember(t, m);
		if (m->envelope.is_held)
			q->state = STATE_HELD;
	}
	free_message(t, &m);
}

/* The same id again: compaction copied it; only the place is new. */
static void
replay_place(struct message_table *t, const struct record_message *r,
	     struct extent record, bool is_corrupt)
{
	struct queued *q = message_find(t, r->id);

	if (q == NULL) {
		q = new_queued(r->id);
		enter(t, q);
		remember_envelope(t, q, r->envelope);
		if (id_time(r->id) > t->last_id_us)
			t->last_id_us = id_time(r->id);
	}
	set_place(t, q, record, r->extents, r->n_extents);
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
	    (is_whole || id_time(r.id) > 0)) {
		replay_place(t, &r, record, !is_whole);
		return;
	}
	put_id((int64_t)(record.segment << 32 | record.offset), made);
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

	return q != NULL && q->state != STATE_CORRUPT && wake(NULL, t, q) == OK
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
	if (m != NULL && take_added(m, r.rcpts, r.n_rcpts) != OK)
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
	free_message(t, &q->message);
	q->next_try_us = r.next_try_us;
	q->is_expired = r.is_expired;
	if (q->state != STATE_CORRUPT)
		q->state = (uint8_t)r.state;
	set_status_place(t, q, status);
}

static void
replay_gone(struct message_table *t, struct str id)
{
	struct queued *q = message_find(t, id);

	if (q != NULL)
		leave(t, q);
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
			leave(t, q);
		else if (q->state == STATE_WAITS && is_without_content(t, q))
			q->state = STATE_HELD; // the operator decides
	}
}

/* ---- accepting ---- */

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
	drop_extents(t, d->extents, d->n_extents);
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
	*x = (struct extent) { place.segment, place.offset,
			       (uint32_t)d->content.n };
	hold_record(t, x);
	buf_clear(&d->content);
	return OK;
}

/* A piece as it is, for a copy. */
static enum err
add_piece(struct co *co, struct message_table *t, struct message_draft *d,
	  struct str piece)
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

static enum err
check_pieces(struct message_table *t, const struct message_draft *d)
{
	for (size_t i = 0; i < d->n_extents; i++)
		if (spool_is_lost(t->spool, &d->extents[i]))
			return ERR_IO;
	return OK;
}

static struct extent
extent_at(struct spool_place place, struct str body)
{
	return (struct extent) { place.segment, place.offset,
				 (uint32_t)body.n };
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
	next_id(t, id);
	r.id = str_c(id);
	r.extents = d->extents;
	r.n_extents = d->n_extents;
	r.content = d->n_extents ? STR_NONE : buf_str(&d->content);
	record_message_put(&body, &r);
	q = new_queued(r.id);
	m = q->message = new_message(q);
	m->size_octets = d->size_octets;
	e = take_envelope(m, envelope);
	if (e == OK)
		e = spool_append(co, t->spool, RECORD_MESSAGE, buf_str(&body),
				 &place);
	if (e == OK)
		e = check_pieces(t, d);
	if (e == OK) {
		if (m->envelope.is_held)
			q->state = STATE_HELD;
		set_place(t, q, extent_at(place, buf_str(&body)), d->extents,
			  d->n_extents);
		enter(t, q);
		remember(t, m);
		keep_content(t, m, &d->content);
		message_draft_free(t, draft_ref); // the message holds by itself
		*out = m;
	} else {
		free_message(t, &q->message);
		free(q);
	}
	buf_release(&body);
	return e;
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

	if (m->n_rcpts + n_rcpts > MAX_RCPTS)
		return ERR_LIMIT;
	record_expanded_put(&body, &r);
	e = spool_append(co, t->spool, RECORD_EXPANDED, buf_str(&body), &place);
	buf_release(&body);
	return e == OK ? take_added(m, rcpts, n_rcpts) : e;
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

static uint8_t
status_bits(const struct message_rcpt *r)
{
	return (uint8_t)((r->is_done ? STATUS_DONE : 0) |
			 (r->is_settled ? STATUS_SETTLED : 0) |
			 (r->is_replaced ? STATUS_REPLACED : 0));
}

static void
put_status_with(struct buf *out, const struct message *m, bool has_reasons)
{
	size_t n_original = m->envelope.n_recipients;
	struct buf envelope = BUF_INIT(STATUS_MEMORY_OCTETS);
	struct status_rcpt *rcpts = must_alloc(m->n_rcpts * sizeof(*rcpts));
	struct final_rcpt *added =
		must_alloc((m->n_rcpts - n_original) * sizeof(*added));
	struct record_status r = {
		.id = str_c(m->id),
		.state = m->queued->state,
		.is_warned = m->is_warned,
		.is_expired = m->queued->is_expired,
		.n_attempts = m->n_attempts,
		.next_try_us = m->queued->next_try_us,
		.size_octets = m->size_octets,
		.added = added,
		.n_added = m->n_rcpts - n_original,
		.rcpts = rcpts,
		.n_rcpts = m->n_rcpts,
	};

	envelope_put(&envelope, &m->envelope);
	r.envelope = buf_str(&envelope);
	for (size_t i = 0; i < m->n_rcpts; i++) {
		const struct message_rcpt *rcpt = &m->rcpts[i];

		rcpts[i].bits = status_bits(rcpt);
		if (has_reasons)
			rcpts[i].reason = str_c(rcpt->reason);
		if (i >= n_original)
			added[i - n_original] =
				(struct final_rcpt) { rcpt->original,
						      rcpt->address };
	}
	record_status_put(out, &r);
	free(rcpts);
	free(added);
	buf_release(&envelope);
}

static void
put_status(struct buf *out, const struct message *m)
{
	put_status_with(out, m, true);
	if (out->n <= RECORD_BODY_MAX_OCTETS)
		return;
	/* Thousands of recipients, each with a reason of its own. */
	buf_clear(out);
	put_status_with(out, m, false);
}

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
	set_status_place(t, q,
			 (struct extent) { place->segment, place->offset,
					   (uint32_t)n_octets });
	if (q->is_active)
		return; // what it is doing ends with another
	if (q->is_stale)
		note_status(t, q);
	else
		free_message(t, &q->message);
}

/* One at a time: on a disk that takes nothing for hours they do not pile up. */
static void
note_status(struct message_table *t, struct queued *q)
{
	struct buf body = BUF_INIT(STATUS_MEMORY_OCTETS);

	q->is_stale = q->is_noting;
	if (q->is_noting)
		return;
	put_status(&body, q->message);
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
	free_message(t, &q->message);
}

void
message_remove(struct message_table *t, struct queued **queued_ref)
{
	struct queued *q = *queued_ref;

	*queued_ref = NULL;
	spool_note(t->spool, RECORD_GONE, str_c(q->id));
	leave(t, q);
}

void
message_forget_content(struct message_table *t, struct message *m)
{
	if (m->content == NULL)
		return;
	t->content_octets -= m->size_octets;
	free(m->content);
	m->content = NULL;
}

/* ---- content ---- */

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

/* ---- compaction ---- */

bool
message_lies_in(const struct queued *q, uint64_t segment)
{
	for (size_t i = 0; i < q->n_extents; i++)
		if (q->extents[i].segment == segment)
			return true;
	return q->record.segment == segment || q->status.segment == segment;
}

/* Pieces are copied as they are; one that is damaged makes the message so. */
static enum err
copy_pieces(struct co *co, struct message_table *t, struct queued *q,
	    struct message_draft *d)
{
	enum err e = OK;

	for (size_t i = 0; i < q->n_extents && e == OK; i++) {
		struct spool_reading r;

		spool_reading_begin(t->spool, q->extents[i], &r);
		offload(co, run_reading, &r);
		if (r.result != OK)
			message_set_corrupt(q, "content");
		e = add_piece(co, t, d, r.body);
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
	struct buf body = BUF_INIT(STATUS_MEMORY_OCTETS);
	struct spool_place place = { 0, 0 };
	enum err e = OK;

	if (q->message != NULL) {
		put_status(&body, q->message);
	} else if (q->status.segment != 0) {
		struct spool_reading r;

		spool_reading_begin(t->spool, q->status, &r);
		offload(co, run_reading, &r);
		if (r.result == OK)
			buf_put(&body, r.body);
		else
			forget_status(t, q);
		spool_reading_release(&r);
	}
	if (body.n > 0)
		e = spool_append(co, t->spool, RECORD_STATUS, buf_str(&body),
				 &place);
	*status_out = extent_at(place, buf_str(&body));
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
	offload(co, run_reading, &r);
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
		*record_out = extent_at(place, buf_str(&body));
	buf_release(&body);
	return e == OK ? check_pieces(t, d) : e;
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
		set_place(t, q, record, d->extents, d->n_extents);
		set_status_place(t, q, status);
		if (q->message != NULL && q->message->content == NULL)
			free_message(t, &q->message);
	}
	message_draft_free(t, &d);
	return e;
}
