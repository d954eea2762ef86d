/* SPDX-License-Identifier: MIT
 * mta/queue/accept.c - takes messages over from mta/in. */
#include "lib/base/check.h"
#include "lib/rt/log.h"
#include "mta/queue/message_draft.h"
#include "mta/queue/queue_private.h"

enum {
	/* From RCPT to the final dot; `in` has deadlines of its own. */
	CONTENT_TIMEOUT_S = 3600,
	START_TIMEOUT_S = 30,
	CLAIM_TIMEOUT_S = 50, // less than `in` waits for the verdict
	ENVELOPE_MEMORY_OCTETS = 4 << 20,
	RUSH_ACCEPTS = 8,  // so many wait for one flush: a rush,
	TRACE_RCPTS = 100, // of one message
	RUSH_MS = 50,	   // which ends when there was none for so long
};

static void
refuse(struct call *call, enum err why)
{
	char reason = why == ERR_FULL ? REFUSED_FULL : REFUSED_IO;

	call_post(call, QUEUE_REFUSED, str_of(&reason, 1), -1, true);
}

static enum err
wait_for_start(struct co *co)
{
	while (!queue.is_started) {
		enum err e =
			gate_wait(co, &queue.started, in_s(START_TIMEOUT_S));

		if (e != OK)
			return e;
	}
	return OK;
}

/* Until QUEUE_COMMIT, which *last_out keeps: it may carry another envelope.
 * ERR_CANCELED: `in` gave the message up. */
static enum err
receive(struct co *co, struct call *call, struct message_draft *draft,
	struct frame *last_out)
{
	int64_t deadline_us = in_s(CONTENT_TIMEOUT_S);

	for (;;) {
		struct frame f;
		enum err e = call_recv(co, call, deadline_us, &f);

		if (e != OK)
			return ERR_CANCELED;
		if (!spool_has_room(queue.table.spool)) {
			frame_release(&f);
			return ERR_FULL;
		}
		if (f.type == QUEUE_COMMIT) {
			*last_out = f;
			return OK;
		}
		if (f.type == QUEUE_CHUNK)
			e = message_draft_add(co, &queue.table, draft, f.body);
		else
			e = ERR_FORMAT;
		frame_release(&f);
		if (e != OK)
			return e;
	}
}

/* Keeps of the recipients those that did not come before; *known_out is what
 * the first of the others was queued as (doc/design/xid.md). */
static size_t
drop_known(struct envelope *envelope, const struct repeat_digest *digest,
	   struct repeat *known_out)
{
	struct recipient *rcpts =
		(struct recipient *)(uintptr_t)envelope->recipients;
	size_t n = 0;

	for (size_t i = 0; i < envelope->n_recipients; i++) {
		struct repeat known;

		/* One that says nothing is a repeat only when the repeat came
		 * before it: a first try that was long on its way. */
		if (rcpts[i].xid_index == 0 ||
		    !repeats_find(queue.table.repeats, digest,
				  rcpts[i].xid_index, &known) ||
		    !(envelope->is_repeat || known.is_marked))
			rcpts[n++] = rcpts[i];
		else if (known_out->id[0] == '\0')
			*known_out = known;
	}
	envelope->n_recipients = n;
	return n;
}

/* The message is durable, or was already: *known_out then has its id. */
static enum err
commit_once(struct co *co, struct message_draft **draft,
	    struct envelope *envelope, struct str encoded, struct message **out,
	    struct repeat *known_out)
{
	struct repeat_claim claim = { .is_held = false };
	struct buf rest = BUF_INIT(QUEUE_ENVELOPE_MAX_OCTETS);
	size_t n_before = envelope->n_recipients;
	enum err e;

	if (envelope->xid.n == 0)
		return message_commit(co, &queue.table, draft, encoded, out);
	repeats_digest(envelope, &claim.digest);
	e = repeats_claim(co, queue.table.repeats, &claim,
			  in_s(CLAIM_TIMEOUT_S));
	if (e != OK)
		return e;
	if (drop_known(envelope, &claim.digest, known_out) > 0) {
		if (envelope->n_recipients < n_before) {
			envelope_put(&rest, envelope);
			encoded = buf_str(&rest);
		}
		e = message_commit(co, &queue.table, draft, encoded, out);
	}
	repeats_release(queue.table.repeats, &claim);
	buf_release(&rest);
	if (known_out->id[0] != '\0')
		log_info("queue.repeat", FC("id", known_out->id),
			 F("xid", envelope->xid), F("client", envelope->client),
			 FN("rcpts", n_before - envelope->n_recipients));
	return e;
}

static enum err
read_envelope(struct str encoded, struct arena *arena, struct envelope *out)
{
	enum err e = envelope_read(encoded, arena, out);

	if (e == OK && out->n_recipients == 0)
		e = ERR_FORMAT;
	if (e != OK)
		log_error("queue.bad-envelope", FERR(e));
	return e;
}

static void
trace(const struct message *m)
{
	const struct envelope *e = &m->envelope;
	struct queue_event event = { .kind = EVENT_ACCEPTED,
				     .id = str_c(m->id),
				     .address = e->sender,
				     .other = e->client,
				     .text = e->login.n ? e->login : e->helo };

	history_add(queue.history, &event);
	event = (struct queue_event) { .kind = EVENT_RECIPIENT,
				       .id = str_c(m->id) };
	for (size_t i = 0; i < e->n_recipients && i < TRACE_RCPTS; i++) {
		event.address = e->recipients[i].address;
		history_add(queue.history, &event);
	}
}

/* What a policy put on hold waits for the operator. */
static void
begin(struct message *m)
{
	struct queued *q = m->queued;

	trace(m);
	if (!m->envelope.is_held) {
		schedule_now(q);
		return;
	}
	log_info("queue.held", FC("id", m->id));
	history_add(queue.history,
		    &(struct queue_event) { .kind = EVENT_HELD,
					    .id = str_c(q->id),
					    .text = S("by a policy") });
	message_forget_content(&queue.table, m);
	message_sleep(&queue.table, q);
}

void
accept_serve(struct co *co, struct call *call, struct frame *first,
	     void *owner UNUSED)
{
	struct arena arena = ARENA_INIT(ENVELOPE_MEMORY_OCTETS);
	struct message_draft *draft = message_draft_new();
	struct envelope envelope;
	struct message *m = NULL;
	struct repeat known = { .is_marked = false };
	struct frame last = { .fd = -1 };
	struct str encoded = first->body;
	enum err e = read_envelope(encoded, &arena, &envelope);

	if (e == OK)
		e = wait_for_start(co);
	if (e == OK)
		e = receive(co, call, draft, &last);
	if (e == OK && last.body.n > 0) {
		encoded = last.body;
		e = read_envelope(encoded, &arena, &envelope);
	}
	if (e == OK) {
		if (++queue.n_accepts >= RUSH_ACCEPTS)
			queue.rush_until_us = in_ms(RUSH_MS);
		e = commit_once(co, &draft, &envelope, encoded, &m, &known);
		queue.n_accepts--;
	}
	message_draft_free(&queue.table, &draft);
	frame_release(&last);
	arena_release(&arena);
	if (e != OK) {
		if (e != ERR_CANCELED)
			refuse(call, e);
		return;
	}
	call_post(call, QUEUE_ACCEPTED, str_c(m ? m->id : known.id), -1, true);
	if (m != NULL)
		begin(m);
}
