/* SPDX-License-Identifier: MIT
 * mta/queue/command.c - what operators ask of the queue.
 *
 * Most messages are not in memory: they are read from the spool, a batch at a
 * time in a thread, so that a listing of all of them holds up nobody. */
#include "lib/base/check.h"
#include "lib/rt/log.h"
#include "mta/queue/queue_private.h"

enum {
	COMMAND_TIMEOUT_S = 60,
	BATCH = 512,
	ENTRIES_OCTETS = 64 * 1024, // of a frame, about
	ENTRY_RCPTS = 800,	    // shown of a message: a frame holds so many
	TRACE_OCTETS = 8 << 20,
	SHOW_CHUNK_OCTETS = 64 * 1024,
	STEP = 1000, // messages changed before others may run
};

/* ---- a walk over all messages ---- */

/* The next message after that id: the walk waits, and the list changes. Ids are
 * in the order of arrival. */
static struct queued *
after(const char *id)
{
	struct queued *q = message_find(&queue.table, str_c(id));

	if (q != NULL)
		return TAILQ_NEXT(q, link);
	TAILQ_FOREACH (q, &queue.table.all, link)
		if (strcmp(q->id, id) > 0)
			return q;
	return NULL;
}

struct walk {
	struct message_look looks[BATCH];
	size_t ends[BATCH]; // of their entries, while they are sent
	size_t n;
	char last[QUEUE_ID_OCTETS + 1];
};

static void
look_at_all(void *arg)
{
	struct walk *w = arg;

	for (size_t i = 0; i < w->n; i++)
		message_look_run(&w->looks[i]);
}

static void
end_looks(struct walk *w)
{
	for (size_t i = 0; i < w->n; i++)
		message_look_release(&queue.table, &w->looks[i]);
	w->n = 0;
}

/* The next batch; false at the end. Those that went meanwhile have no q. */
static bool
walk_on(struct co *co, struct walk *w)
{
	struct queued *q =
		w->last[0] ? after(w->last) : TAILQ_FIRST(&queue.table.all);

	end_looks(w);
	for (; q != NULL && w->n < BATCH; q = TAILQ_NEXT(q, link)) {
		message_look_begin(&queue.table, q, false, &w->looks[w->n++]);
		memcpy(w->last, q->id, sizeof(w->last));
	}
	if (w->n == 0)
		return false;
	offload(co, look_at_all, w);
	for (size_t i = 0; i < w->n; i++)
		message_look_end(&queue.table, &w->looks[i]);
	return true;
}

/* ---- listing ---- */

static enum queue_state
state_of(const struct queued *q)
{
	if (q->is_active || q->lane != NULL)
		return QUEUE_ACTIVE;
	if (q->state == STATE_CORRUPT)
		return QUEUE_CORRUPT;
	return q->state == STATE_HELD ? QUEUE_HOLD : QUEUE_DEFERRED;
}

static void
put_entry(struct buf *body, const struct queued *q, const struct message *m)
{
	struct queue_entry entry = {
		.id = str_c(q->id),
		.state = state_of(q),
		.is_expired = q->is_expired,
		.next_try_s = q->next_try_us / US_PER_S,
	};
	struct queue_entry_rcpt *rcpts = NULL;

	if (m != NULL) {
		rcpts = must_alloc(m->n_left * sizeof(*rcpts));
		entry.sender = m->envelope.sender;
		entry.arrived_s = m->envelope.arrived_us / US_PER_S;
		entry.n_attempts = m->n_attempts;
		entry.size_octets = m->size_octets;
		entry.rcpts = rcpts;
	}
	for (size_t i = 0;
	     m != NULL && i < m->n_rcpts && entry.n_rcpts < ENTRY_RCPTS; i++)
		if (!m->rcpts[i].is_done)
			rcpts[entry.n_rcpts++] = (struct queue_entry_rcpt) {
				m->rcpts[i].address, str_c(m->rcpts[i].reason)
			};
	queue_put_entry(body, &entry);
	free(rcpts);
}

/* Before anything waits: then some are gone, or asleep. */
static size_t
put_entries(struct buf *body, struct walk *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++) {
		const struct message_look *look = &w->looks[i];

		if (look->q == NULL)
			continue;
		put_entry(body, look->q, look->message);
		w->ends[n++] = body->n;
	}
	return n;
}

static enum err
send_entries(struct co *co, struct call *call, struct walk *w)
{
	struct buf body = BUF_INIT((size_t)BATCH * QUEUE_ENTRIES_MAX_OCTETS);
	size_t n = put_entries(&body, w), at = 0;
	enum err e = OK;

	for (size_t i = 0; i < n && e == OK; i++) {
		if (i + 1 < n && w->ends[i + 1] - at <= ENTRIES_OCTETS)
			continue;
		e = call_send(co, call, QUEUE_ENTRIES,
			      str_sub(buf_str(&body), at, w->ends[i] - at), -1,
			      false, in_s(COMMAND_TIMEOUT_S));
		at = w->ends[i];
	}
	buf_release(&body);
	return e;
}

void
command_list(struct co *co, struct call *call, struct frame *first UNUSED,
	     void *owner UNUSED)
{
	struct walk *w = must_alloc(sizeof(*w));
	enum err e = OK;

	while (e == OK && walk_on(co, w))
		e = send_entries(co, call, w);
	end_looks(w);
	free(w);
}

/* ---- flush ---- */

static void
answer_count(struct call *call, uint64_t count)
{
	struct buf body = BUF_INIT(16);

	queue_put_count(&body, count);
	call_post(call, QUEUE_COUNT, buf_str(&body), -1, true);
	buf_release(&body);
}

static void
release(struct queued *q)
{
	message_set_held(&queue.table, q, false);
	log_info("message.released", FC("id", q->id));
}

static bool
try_now(struct queued *q)
{
	if (q->is_active || q->state != STATE_WAITS)
		return false;
	schedule_remove(q);
	schedule_now(q);
	return true;
}

static bool
goes_to(const struct message *m, struct str site)
{
	for (size_t i = 0; i < m->n_rcpts; i++) {
		struct str address = m->rcpts[i].address;
		ptrdiff_t at = str_rchr(address, '@');

		if (!m->rcpts[i].is_done && at >= 0 &&
		    str_ieq(str_from(address, (size_t)at + 1), site))
			return true;
	}
	return false;
}

static uint64_t
flush_site(struct co *co, struct str site)
{
	struct walk *w = must_alloc(sizeof(*w));
	uint64_t n = 0;

	while (walk_on(co, w))
		for (size_t i = 0; i < w->n; i++) {
			const struct message_look *look = &w->looks[i];

			if (look->q != NULL && look->message != NULL &&
			    goes_to(look->message, site))
				n += try_now(look->q);
		}
	end_looks(w);
	free(w);
	return n;
}

/* Calls fn for each message; others run in between. */
static uint64_t
for_each(struct co *co, bool (*fn)(struct queued *q, void *arg), void *arg)
{
	struct queued *q = TAILQ_FIRST(&queue.table.all), *next;
	uint64_t n = 0;

	for (size_t i = 1; q != NULL; i++, q = next) {
		char id[QUEUE_ID_OCTETS + 1];

		memcpy(id, q->id, sizeof(id));
		next = TAILQ_NEXT(q, link);
		n += fn(q, arg);
		if (i % STEP != 0 || next == NULL)
			continue;
		memcpy(id, next->id, sizeof(id));
		co_breathe(co);
		next = message_find(&queue.table, str_c(id));
		if (next == NULL)
			next = after(id);
	}
	return n;
}

static bool
flush_one(struct queued *q, void *arg UNUSED)
{
	return try_now(q);
}

/* Naming a held message is how an operator lets it go. */
static uint64_t
flush_id(struct str id)
{
	struct queued *q = message_find(&queue.table, id);

	if (q == NULL || q->is_active)
		return 0;
	if (q->state == STATE_HELD)
		release(q);
	return try_now(q);
}

void
command_flush(struct co *co, struct call *call, struct frame *first,
	      void *owner UNUSED)
{
	enum queue_flush what;
	struct str key;
	uint64_t n = 0;

	if (queue_read_flush(first->body, &what, &key) != OK)
		return;
	destination_revive_all();
	switch (what) {
	case FLUSH_ALL:
		n = for_each(co, flush_one, NULL);
		break;
	case FLUSH_ID:
		n = flush_id(key);
		break;
	case FLUSH_SITE:
		n = flush_site(co, key);
		break;
	case FLUSH_KINDS:
		break;
	}
	answer_count(call, n);
}

/* ---- changes ---- */

/* One that is being delivered goes when that try ends. */
static bool
delete_one(struct queued *q)
{
	if (q->is_removed)
		return false;
	log_info("message.deleted", FC("id", q->id), FC("by", "operator"));
	history_add(queue.history,
		    &(struct queue_event) { .kind = EVENT_DELETED,
					    .id = str_c(q->id),
					    .text = S("by the operator") });
	if (q->is_active) {
		q->is_removed = true;
		return true;
	}
	schedule_remove(q);
	message_remove(&queue.table, &q);
	return true;
}

/* One that is being delivered waits when that try ends. */
static bool
hold_one(struct queued *q)
{
	if (q->state != STATE_WAITS)
		return false;
	log_info("message.held", FC("id", q->id), FC("by", "operator"));
	history_add(queue.history,
		    &(struct queue_event) { .kind = EVENT_HELD,
					    .id = str_c(q->id),
					    .text = S("by the operator") });
	schedule_remove(q);
	message_set_held(&queue.table, q, true);
	return true;
}

static bool
release_one(struct queued *q)
{
	if (q->state != STATE_HELD)
		return false;
	release(q);
	try_now(q);
	return true;
}

static bool
requeue_one(struct queued *q)
{
	if (q->is_active || q->state == STATE_CORRUPT)
		return false;
	if (q->state == STATE_HELD)
		release(q);
	return try_now(q);
}

static bool
expire_one(struct queued *q)
{
	if (q->is_expired || q->state == STATE_CORRUPT)
		return false;
	log_info("message.expired", FC("id", q->id), FC("by", "operator"));
	q->is_expired = true;
	message_sleep(&queue.table, q); // notes it, when it is awake
	return true;
}

struct change {
	enum queue_change what;
	uint8_t states;
};

static bool
change_one(struct queued *q, void *arg)
{
	static bool (*const changes[CHANGES])(struct queued *) = {
		[CHANGE_DELETE] = delete_one,	[CHANGE_HOLD] = hold_one,
		[CHANGE_RELEASE] = release_one, [CHANGE_REQUEUE] = requeue_one,
		[CHANGE_EXPIRE] = expire_one,
	};
	const struct change *c = arg;

	return (c->states & 1 << state_of(q)) && changes[c->what](q);
}

void
command_change(struct co *co, struct call *call, struct frame *first,
	       void *owner UNUSED)
{
	struct change c;
	struct queued *q;
	struct str id;
	uint64_t n;

	if (queue_read_change(first->body, &c.what, &c.states, &id) != OK)
		return;
	q = message_find(&queue.table, id);
	if (id.n == 0)
		n = for_each(co, change_one, &c);
	else
		n = q != NULL && change_one(q, &c);
	if (n > 0) // what the operator is told has happened
		spool_settle(co, queue.table.spool);
	answer_count(call, n);
}

/* ---- one message ---- */

static void
look_at_one(void *look)
{
	message_look_run(look);
}

static enum err
send_text(struct co *co, struct call *call, struct str text)
{
	enum err e = OK;

	while (text.n > 0 && e == OK) {
		struct str part = str_first(text, SHOW_CHUNK_OCTETS);

		text = str_from(text, part.n);
		e = call_send(co, call, QUEUE_CHUNK, part, -1, false,
			      in_s(COMMAND_TIMEOUT_S));
	}
	return e;
}

/* Damaged octets are shown as they are: that is what an operator looks for. */
static enum err
send_content(struct co *co, struct call *call, const char *id,
	     const struct message *m)
{
	struct buf piece = BUF_INIT(RECORD_BODY_MAX_OCTETS);
	size_t n = message_n_pieces(m);
	enum err e = OK;

	for (size_t i = 0; i < n && e == OK; i++) {
		if (message_find(&queue.table, str_c(id)) != m->queued)
			e = ERR_NOT_FOUND; // went while we sent
		buf_clear(&piece);
		if (e == OK &&
		    message_read_piece(&queue.table, m, i, &piece) != OK)
			log_warn("queue.show-damaged", FC("id", id));
		if (e == OK)
			e = send_text(co, call, buf_str(&piece));
	}
	buf_release(&piece);
	return e;
}

static void
show(struct co *co, struct call *call, struct queued *q)
{
	struct buf body = BUF_INIT(QUEUE_ENTRIES_MAX_OCTETS);
	struct message_look look;
	enum err e;

	message_look_begin(&queue.table, q, true, &look);
	offload(co, look_at_one, &look);
	message_look_end(&queue.table, &look);
	if (look.q == NULL)
		return;
	put_entry(&body, look.q, look.message);
	e = call_send(co, call, QUEUE_ENTRIES, buf_str(&body), -1, false,
		      in_s(COMMAND_TIMEOUT_S));
	buf_clear(&body);
	if (e == OK && look.copy != NULL) {
		envelope_put(&body, &look.copy->envelope);
		e = call_send(co, call, QUEUE_ENVELOPE, buf_str(&body), -1,
			      false, in_s(COMMAND_TIMEOUT_S));
	}
	if (e == OK && look.copy != NULL)
		e = send_content(co, call, look.id, look.copy);
	message_look_release(&queue.table, &look);
	buf_release(&body);
}

void
command_show(struct co *co, struct call *call, struct frame *first,
	     void *owner UNUSED)
{
	struct queued *q = message_find(&queue.table, first->body);

	if (q != NULL)
		show(co, call, q);
}

void
command_trace(struct co *co, struct call *call, struct frame *first,
	      void *owner UNUSED)
{
	struct buf found = BUF_INIT(TRACE_OCTETS);
	struct str rest;
	enum err e = history_find(co, queue.history, first->body, &found);

	/* Frames end between events. */
	for (rest = buf_str(&found); rest.n > 0 && e == OK;) {
		struct str at = rest;
		struct queue_event event;

		while (at.n > 0 && rest.n - at.n < ENTRIES_OCTETS && e == OK)
			e = queue_next_event(&at, &event);
		if (e == OK)
			e = call_send(co, call, QUEUE_EVENTS,
				      str_first(rest, rest.n - at.n), -1, false,
				      in_s(COMMAND_TIMEOUT_S));
		rest = at;
	}
	buf_release(&found);
}

void
command_status(struct co *co UNUSED, struct call *call,
	       struct frame *first UNUSED, void *owner UNUSED)
{
	answer_count(call, queue.table.n);
}
