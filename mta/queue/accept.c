/* SPDX-License-Identifier: MIT
 * mta/queue/accept.c - takes messages over from mta/in. */
#include "lib/base/check.h"
#include "lib/rt/log.h"
#include "mta/queue/queue_private.h"

enum {
	/* From RCPT to the final dot; `in` has deadlines of its own. */
	CONTENT_TIMEOUT_S = 3600,
	START_TIMEOUT_S = 30,
	ENVELOPE_MEMORY_OCTETS = 4 << 20,
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

/* Until QUEUE_COMMIT. ERR_CANCELED: `in` gave the message up. */
static enum err
receive(struct co *co, struct call *call, struct message_draft *draft)
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
			frame_release(&f);
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

void
accept_serve(struct co *co, struct call *call, struct frame *first,
	     void *owner UNUSED)
{
	struct arena arena = ARENA_INIT(ENVELOPE_MEMORY_OCTETS);
	struct message_draft *draft = message_draft_new();
	struct envelope envelope;
	struct message *m = NULL;
	enum err e = envelope_read(first->body, &arena, &envelope);

	if (e == OK && envelope.n_recipients == 0)
		e = ERR_FORMAT;
	if (e != OK)
		log_error("queue.bad-envelope", FERR(e));
	else
		e = wait_for_start(co);
	if (e == OK)
		e = receive(co, call, draft);
	if (e == OK)
		e = message_commit(co, &queue.table, &draft, first->body, &m);
	arena_release(&arena);
	message_draft_free(&queue.table, &draft);
	if (e != OK) {
		if (e != ERR_CANCELED)
			refuse(call, e);
		return;
	}
	call_post(call, QUEUE_ACCEPTED, str_c(m->id), -1, true);
	schedule_now(m);
}
