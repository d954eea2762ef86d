/* SPDX-License-Identifier: MIT
 * mta/queue/message.c - messages in memory and their records in the spool. */
#include "mta/queue/message.h"

#include "lib/base/check.h"
#include "lib/base/map.h"
#include "lib/rt/log.h"

enum {
	/* The longest envelope, and as many recipients as there may be. */
	MESSAGE_MEMORY_OCTETS = 8 << 20,
	EXPANDED_STEP = 1000, // recipients of one record: it is small enough
	STATE_OCTETS = 512,   // of one recipient, in records after the first
	CONTENT_MEMORY_OCTETS = 64 << 20, // of all messages
	PIECE_OCTETS = 128 * 1024,
	MAX_RCPTS = ENVELOPE_MAX_RECIPIENTS,
	REASON_MAX_OCTETS = 500,
};

void
message_table_init(struct message_table *t)
{
	*t = (struct message_table) { 0 };
	TAILQ_INIT(&t->all);
}

struct message *
message_find(const struct message_table *t, struct str id)
{
	return map_get(&t->by_id, id);
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
hold_content(struct message_table *t, const struct message *m)
{
	spool_hold(t->spool, m->held.segment, m->weight_octets);
	if (m->extents == &m->held)
		return;
	for (size_t i = 0; i < m->n_extents; i++)
		spool_hold(t->spool, m->extents[i].segment,
			   m->extents[i].n_octets);
}

static void
drop_extents(struct message_table *t, const struct extent *extents, size_t n)
{
	for (size_t i = 0; i < n; i++)
		spool_drop(t->spool, extents[i].segment, extents[i].n_octets);
}

static void
drop_content(struct message_table *t, const struct message *m)
{
	if (m->extents != &m->held)
		drop_extents(t, m->extents, m->n_extents);
	spool_drop(t->spool, m->held.segment, m->weight_octets);
}

static void
free_message(struct message_table *t, struct message *m)
{
	message_forget_content(t, m);
	for (size_t i = 0; i < m->n_rcpts; i++)
		free(m->rcpts[i].reason);
	free(m->rcpts);
	if (m->extents != &m->held)
		free(m->extents);
	arena_release(&m->arena);
	free(m);
}

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

/* From the fields of a MESSAGE record; NULL when its envelope is broken. */
static struct message *
make_message(const struct record_message *r)
{
	struct message *m = must_alloc(sizeof(*m));
	struct str envelope;

	arena_init(&m->arena, MESSAGE_MEMORY_OCTETS);
	if (r->id.n > QUEUE_ID_OCTETS ||
	    arena_str(&m->arena, r->envelope, &envelope) != OK ||
	    envelope_read(envelope, &m->arena, &m->envelope) != OK) {
		arena_release(&m->arena);
		free(m);
		return NULL;
	}
	memcpy(m->id, r->id.p, r->id.n);
	m->size_octets = r->size_octets;
	for (uint32_t i = 0; i < m->envelope.n_recipients; i++)
		add_rcpt(m, m->envelope.recipients[i].address, i);
	return m;
}

/* content_offset is where the content inside the record lies. */
static void
place_message(struct message *m, const struct record_message *r,
	      size_t body_octets, uint64_t segment, uint64_t content_offset)
{
	/* What compaction would write again: too little here, and it would
	 * never come to an end. */
	m->weight_octets = (uint32_t)(record_size(body_octets) +
				      m->n_rcpts * STATE_OCTETS);
	m->held = (struct extent) { segment, content_offset,
				    (uint32_t)r->content.n };
	m->extents = &m->held;
	m->n_extents = 1;
	if (r->n_extents == 0)
		return;
	m->extents = must_alloc(r->n_extents * sizeof(*m->extents));
	memcpy(m->extents, r->extents, r->n_extents * sizeof(*m->extents));
	m->n_extents = r->n_extents;
}

static void
enter(struct message_table *t, struct message *m)
{
	TAILQ_INSERT_TAIL(&t->all, m, link);
	map_set(&t->by_id, str_c(m->id), m);
	t->n++;
	hold_content(t, m);
}

static void
leave(struct message_table *t, struct message *m)
{
	TAILQ_REMOVE(&t->all, m, link);
	map_remove(&t->by_id, str_c(m->id));
	t->n--;
	drop_content(t, m);
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
		if (r->extents[i].segment > segment)
			return false;
	return true;
}

/* The same id again: compaction copied it; only the place is new. */
static void
replay_message(struct message_table *t, struct str body, struct arena *arena,
	       uint64_t segment, uint64_t offset)
{
	struct record_message r;
	struct message *m, *old;

	if (record_message_read(body, arena, &r) != OK ||
	    !is_behind_pieces(&r, segment)) {
		log_error("spool.bad-record", FN("segment", segment),
			  FN("offset", offset));
		return;
	}
	old = message_find(t, r.id);
	m = old ? old : make_message(&r);
	if (m == NULL) {
		log_error("spool.bad-envelope", F("id", r.id));
		return;
	}
	if (old != NULL) {
		m->is_copied = true;
		drop_content(t, m);
		if (m->extents != &m->held)
			free(m->extents);
		place_message(m, &r, body.n, segment, offset + r.content_at);
		hold_content(t, m);
		return;
	}
	place_message(m, &r, body.n, segment, offset + r.content_at);
	enter(t, m);
	remember(t, m);
	if (id_time(r.id) > t->last_id_us)
		t->last_id_us = id_time(r.id);
}

static bool
has_rcpt(const struct message *m, struct str address)
{
	for (size_t i = 0; i < m->n_rcpts; i++)
		if (str_eq(m->rcpts[i].address, address))
			return true;
	return false;
}

/* A copy tells all recipients again; those that are known keep their index. */
static void
replay_expanded(struct message_table *t, struct str body, struct arena *arena)
{
	struct record_expanded r;
	struct message *m;

	if (record_expanded_read(body, arena, &r) != OK)
		return;
	m = message_find(t, r.id);
	for (size_t i = 0; m != NULL && i < r.n_rcpts; i++) {
		struct str address;

		if (m->is_copied && has_rcpt(m, r.rcpts[i].address))
			continue;
		if (m->n_rcpts == MAX_RCPTS ||
		    arena_str(&m->arena, r.rcpts[i].address, &address) != OK ||
		    r.rcpts[i].original >= m->envelope.n_recipients)
			return;
		add_rcpt(m, address, r.rcpts[i].original);
	}
}

static void
replay_done(struct message_table *t, struct str body, struct arena *arena)
{
	struct record_done r;
	struct message *m;

	if (record_done_read(body, arena, &r) != OK)
		return;
	m = message_find(t, r.id);
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
	m = message_find(t, r.id);
	if (m == NULL)
		return;
	m->n_attempts = r.n_attempts;
	m->next_try_us = r.next_try_us;
	for (size_t i = 0; i < r.n_deferrals; i++)
		if (r.deferrals[i].index < m->n_rcpts)
			message_set_reason(m, r.deferrals[i].index,
					   r.deferrals[i].reason);
}

static void
replay_gone(struct message_table *t, struct str id)
{
	struct message *m = message_find(t, id);

	if (m == NULL)
		return;
	leave(t, m);
	free_message(t, m);
}

static void
replay_held(struct message_table *t, struct str body)
{
	struct str id;
	bool is_held;
	struct message *m;

	if (record_held_read(body, &id, &is_held) != OK)
		return;
	m = message_find(t, id);
	if (m != NULL)
		m->is_held = is_held;
}

void
message_replay(struct message_table *t, enum record_type type, struct str body,
	       uint64_t segment, uint64_t offset)
{
	struct arena arena = ARENA_INIT(MESSAGE_MEMORY_OCTETS);

	switch (type) {
	case RECORD_MESSAGE:
		replay_message(t, body, &arena, segment, offset);
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
	case RECORD_CONTENT:
	case RECORD_TYPES_END:
		break;
	}
	arena_release(&arena);
}

/* Pieces of it lay in a segment that is gone: it was delivered, and a power cut
 * took the unwaited record that said so; or somebody removed the file. */
static bool
is_without_content(const struct message_table *t, const struct message *m)
{
	for (size_t i = 0; i < m->n_extents; i++) {
		if (!spool_is_lost(t->spool, &m->extents[i]))
			continue;
		log_error("spool.content-gone", FC("id", m->id),
			  FA("from", m->envelope.sender),
			  FC("hint", "held; mailctl queue delete removes it"));
		return true;
	}
	return false;
}

void
message_replay_end(struct message_table *t)
{
	struct message *m, *next;

	for (m = TAILQ_FIRST(&t->all); m != NULL; m = next) {
		next = TAILQ_NEXT(m, link);
		m->is_repeat = true;
		if (m->n_left == 0)
			replay_gone(t, str_c(m->id));
		else if (is_without_content(t, m))
			m->is_held = true; // the operator decides
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
	spool_hold(t->spool, x->segment, x->n_octets);
	buf_clear(&d->content);
	return OK;
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

/* Young content stays in memory until its first delivery. */
static void
keep_content(struct message_table *t, struct message *m, struct buf *content)
{
	if (t->content_octets + content->n > CONTENT_MEMORY_OCTETS ||
	    content->n == 0 || m->extents != &m->held)
		return;
	m->content = content->p;
	t->content_octets += content->n;
	*content = (struct buf)BUF_INIT(0);
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
	m = make_message(&r);
	e = m ? spool_append(co, t->spool, RECORD_MESSAGE, buf_str(&body),
			     &place)
	      : ERR_LIMIT;
	if (e == OK)
		e = check_pieces(t, d);
	if (e == OK) {
		place_message(m, &r, body.n, place.segment,
			      place.offset + body.n - r.content.n);
		enter(t, m);
		remember(t, m);
		keep_content(t, m, &d->content);
		message_draft_free(t, draft_ref); // the message holds by itself
		*out = m;
	} else if (m != NULL) {
		free_message(t, m);
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
	for (size_t i = 0; i < n_rcpts && e == OK; i++) {
		struct str address;

		e = arena_str(&m->arena, rcpts[i].address, &address);
		if (e == OK)
			add_rcpt(m, address, rcpts[i].original);
	}
	return e;
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
	struct buf clean = BUF_INIT(REASON_MAX_OCTETS * 4 + 1);

	reason = str_first(reason, REASON_MAX_OCTETS);
	for (size_t i = 0; i < reason.n; i++)
		buf_putc(&clean,
			 ascii_is_print(reason.p[i]) ? reason.p[i] : ' ');
	buf_putc(&clean, '\0');
	free(r->reason);
	r->reason = clean.p;
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
put_deferred(struct buf *out, const struct message *m)
{
	struct record_deferred r = {
		.id = str_c(m->id),
		.n_attempts = m->n_attempts,
		.next_try_us = m->next_try_us,
		.is_repeat = m->is_repeat,
	};
	struct deferral *list = must_alloc(m->n_left * sizeof(*list));

	for (uint32_t i = 0; i < m->n_rcpts; i++)
		if (!m->rcpts[i].is_done)
			list[r.n_deferrals++] =
				(struct deferral) { i,
						    str_c(m->rcpts[i].reason) };
	r.deferrals = list;
	record_deferred_put(out, &r);
	free(list);
}

void
message_note_deferred(struct message_table *t, const struct message *m)
{
	struct buf body = BUF_INIT(64 << 20);

	put_deferred(&body, m);
	if (body.n <= RECORD_BODY_MAX_OCTETS)
		spool_note(t->spool, RECORD_DEFERRED, buf_str(&body));
	buf_release(&body);
}

void
message_note_held(struct message_table *t, const struct message *m)
{
	struct buf body = BUF_INIT(64);

	record_held_put(&body, str_c(m->id), m->is_held);
	spool_note(t->spool, RECORD_HELD, buf_str(&body));
	buf_release(&body);
}

void
message_remove(struct message_table *t, struct message **message_ref)
{
	struct message *m = *message_ref;

	*message_ref = NULL;
	spool_note(t->spool, RECORD_GONE, str_c(m->id));
	leave(t, m);
	free_message(t, m);
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

enum err
message_read(struct message_table *t, const struct message *m, uint64_t offset,
	     char *to, size_t n)
{
	check(offset <= m->size_octets && n <= m->size_octets - offset);
	if (m->content != NULL) {
		memcpy(to, m->content + offset, n);
		return OK;
	}
	for (size_t i = 0; i < m->n_extents && n > 0; i++) {
		const struct extent *x = &m->extents[i];
		size_t part;
		enum err e;

		if (offset >= x->n_octets) {
			offset -= x->n_octets;
			continue;
		}
		part = x->n_octets - offset < n ? x->n_octets - offset : n;
		e = spool_read(t->spool, x, offset, to, part);
		if (e != OK)
			return e;
		to += part;
		n -= part;
		offset = 0;
	}
	return n == 0 ? OK : ERR_FORMAT;
}

/* ---- compaction ---- */

bool
message_lies_in(const struct message *m, uint64_t segment)
{
	for (size_t i = 0; i < m->n_extents; i++)
		if (m->extents[i].segment == segment)
			return true;
	return m->held.segment == segment;
}

static enum err
copy_content(struct co *co, struct message_table *t, const struct message *m,
	     struct message_draft *d)
{
	char *piece = must_alloc(PIECE_OCTETS);
	enum err e = OK;

	for (uint64_t at = 0; at < m->size_octets && e == OK;) {
		size_t n = m->size_octets - at < PIECE_OCTETS
				   ? (size_t)(m->size_octets - at)
				   : PIECE_OCTETS;

		e = message_read(t, m, at, piece, n);
		if (e == OK)
			e = message_draft_add(co, t, d, str_of(piece, n));
		at += n;
	}
	free(piece);
	return e == OK && d->n_extents > 0 ? spill(co, t, d) : e;
}

/* State goes behind the copy: all of it durable before the old place is let go
 * (a scan that meets the old MESSAGE too keeps what it knows). */
static enum err
copy_state(struct co *co, struct message_table *t, const struct message *m)
{
	struct buf body = BUF_INIT(RECORD_BODY_MAX_OCTETS);
	size_t n_original = m->envelope.n_recipients, n_added = 0;
	uint32_t *done = must_alloc(m->n_rcpts * sizeof(*done));
	struct final_rcpt *added =
		must_alloc((m->n_rcpts - n_original) * sizeof(*added));
	struct record_expanded x = { str_c(m->id), added, 0 };
	struct record_done d = { str_c(m->id), done, 0 };
	struct spool_place place;
	enum err e = OK;

	for (uint32_t i = 0; i < m->n_rcpts; i++) {
		if (i >= n_original)
			added[n_added++] =
				(struct final_rcpt) { m->rcpts[i].original,
						      m->rcpts[i].address };
		if (m->rcpts[i].is_done)
			done[d.n_indexes++] = i;
	}
	for (size_t at = 0; at < n_added && e == OK; at += x.n_rcpts) {
		x.rcpts = added + at;
		x.n_rcpts = n_added - at < EXPANDED_STEP ? n_added - at
							 : EXPANDED_STEP;
		buf_clear(&body);
		record_expanded_put(&body, &x);
		e = spool_append(co, t->spool, RECORD_EXPANDED, buf_str(&body),
				 &place);
	}
	buf_clear(&body);
	if (e == OK) {
		record_done_put(&body, &d);
		e = spool_append(co, t->spool, RECORD_DONE, buf_str(&body),
				 &place);
	}
	message_note_deferred(t, m);
	if (m->is_held)
		message_note_held(t, m);
	buf_release(&body);
	free(done);
	free(added);
	return e;
}

enum err
message_rewrite(struct co *co, struct message_table *t, struct message *m)
{
	struct message_draft *d = message_draft_new();
	struct buf body = BUF_INIT(RECORD_BODY_MAX_OCTETS);
	struct buf envelope = BUF_INIT(RECORD_BODY_MAX_OCTETS);
	struct record_message r = { .id = str_c(m->id),
				    .size_octets = m->size_octets };
	struct spool_place place;
	enum err e = copy_content(co, t, m, d);

	envelope_put(&envelope, &m->envelope);
	r.envelope = buf_str(&envelope);
	r.extents = d->extents;
	r.n_extents = d->n_extents;
	r.content = d->n_extents ? STR_NONE : buf_str(&d->content);
	if (e == OK) {
		record_message_put(&body, &r);
		e = spool_append(co, t->spool, RECORD_MESSAGE, buf_str(&body),
				 &place);
	}
	if (e == OK)
		e = check_pieces(t, d);
	if (e == OK)
		e = copy_state(co, t, m);
	if (e == OK) {
		drop_content(t, m);
		if (m->extents != &m->held)
			free(m->extents);
		place_message(m, &r, body.n, place.segment,
			      place.offset + body.n - r.content.n);
		hold_content(t, m);
	}
	message_draft_free(t, &d);
	buf_release(&body);
	buf_release(&envelope);
	return e;
}
