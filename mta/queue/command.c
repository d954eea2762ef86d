/* SPDX-License-Identifier: MIT
 * mta/queue/command.c - what operators ask of the queue. */
#include "lib/base/check.h"
#include "lib/rt/log.h"
#include "mta/queue/queue_private.h"

enum { COMMAND_TIMEOUT_S = 60 };

static void
put_message(struct buf *body, const struct message *m)
{
	struct queue_entry_rcpt *rcpts = must_alloc(m->n_left * sizeof(*rcpts));
	struct queue_entry entry = {
		.id = str_c(m->id),
		.sender = m->envelope.sender,
		.state = m->is_active ? QUEUE_ACTIVE
			 : m->is_held ? QUEUE_HOLD
				      : QUEUE_DEFERRED,
		.arrived_s = m->envelope.arrived_us / US_PER_S,
		.size_octets = m->size_octets,
		.rcpts = rcpts,
	};

	for (size_t i = 0; i < m->n_rcpts; i++)
		if (!m->rcpts[i].is_done)
			rcpts[entry.n_rcpts++] = (struct queue_entry_rcpt) {
				m->rcpts[i].address, str_c(m->rcpts[i].reason)
			};
	queue_put_entry(body, &entry);
	free(rcpts);
}

/* The next message after that id: sending waits, and the list changes. Ids are
 * in the order of arrival. */
static const struct message *
after(const char *id)
{
	const struct message *m = message_find(&queue.table, str_c(id));

	if (m != NULL)
		return TAILQ_NEXT(m, link);
	TAILQ_FOREACH (m, &queue.table.all, link)
		if (strcmp(m->id, id) > 0)
			return m;
	return NULL;
}

void
command_list(struct co *co, struct call *call, struct frame *first UNUSED,
	     void *owner UNUSED)
{
	int64_t deadline_us = in_s(COMMAND_TIMEOUT_S);
	const struct message *m = TAILQ_FIRST(&queue.table.all);
	enum err e = OK;

	while (m != NULL && e == OK) {
		struct buf body = BUF_INIT(16 << 20);
		char id[QUEUE_ID_OCTETS + 1];

		memcpy(id, m->id, sizeof(id));
		put_message(&body, m);
		if (body.n <= 1 << 20)
			e = call_send(co, call, QUEUE_ENTRY, buf_str(&body), -1,
				      false, deadline_us);
		buf_release(&body);
		m = after(id);
	}
}

static void
answer_count(struct call *call, uint64_t count)
{
	struct buf body = BUF_INIT(16);

	queue_put_count(&body, count);
	call_post(call, QUEUE_COUNT, buf_str(&body), -1, true);
	buf_release(&body);
}

void
command_flush(struct co *co UNUSED, struct call *call, struct frame *first,
	      void *owner UNUSED)
{
	enum queue_flush what;
	struct str key;

	if (queue_read_flush(first->body, &what, &key) == OK)
		answer_count(call, schedule_flush(what, key));
}

/* One that is being delivered goes when that try ends. */
static void
delete_message(struct message *m)
{
	log_info("message.deleted", FC("id", m->id), FC("by", "operator"));
	if (m->is_active) {
		m->is_removed = true;
		return;
	}
	schedule_remove(m);
	message_remove(&queue.table, &m);
}

void
command_delete(struct co *co UNUSED, struct call *call, struct frame *first,
	       void *owner UNUSED)
{
	bool is_all = str_eq(first->body, S("ALL"));
	struct message *m, *next;
	uint64_t n = 0;

	for (m = TAILQ_FIRST(&queue.table.all); m != NULL; m = next) {
		next = TAILQ_NEXT(m, link);
		if (!is_all && !str_eq(str_c(m->id), first->body))
			continue;
		delete_message(m);
		n++;
	}
	answer_count(call, n);
}

void
command_status(struct co *co UNUSED, struct call *call,
	       struct frame *first UNUSED, void *owner UNUSED)
{
	answer_count(call, queue.table.n);
}
