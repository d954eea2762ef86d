/* SPDX-License-Identifier: MIT
 * mta/queue/schedule.c - when a message is tried.
 *
 * A deferred message costs no coroutine: it lies in a heap by the monotonic
 * time of its next try. Not more than MAX_ACTIVE are tried at once; others that
 * are due stay in the heap until one ends. */
#include "lib/base/check.h"
#include "lib/rt/log.h"
#include "mta/queue/queue_private.h"

enum { MAX_ACTIVE = 5000 };

static void
start_attempt(struct message *m)
{
	m->is_active = true;
	queue.n_active++;
	if (co_spawn(attempt_run, m, "queue.attempt") != NULL)
		return;
	m->is_active = false;
	queue.n_active--;
	heap_insert(&queue.schedule, &m->due, in_s(1));
}

static struct message *
of_node(struct heap_node *node)
{
	return (struct message *)(void *)((char *)node -
					  offsetof(struct message, due));
}

/* Moves one message out of that segment. ERR_NOT_FOUND: none can be moved. */
static enum err
compact(struct co *co, uint64_t segment)
{
	struct message *m;
	enum err e;

	TAILQ_FOREACH (m, &queue.table.all, link)
		if (!m->is_active && message_lies_in(m, segment))
			break;
	if (m == NULL)
		return ERR_NOT_FOUND;
	heap_remove(&queue.schedule, &m->due);
	m->is_active = true; // nobody else touches it meanwhile
	e = message_rewrite(co, &queue.table, m);
	if (e != OK)
		log_warn("queue.compact-failed", FC("id", m->id), FERR(e));
	m->is_active = false;
	if (m->is_removed) // by the operator, while it was copied
		message_remove(&queue.table, &m);
	else if (!m->is_held)
		schedule_at(m, m->next_try_us);
	return e;
}

static void
run_compaction(struct co *co, void *arg UNUSED)
{
	for (;;) {
		uint64_t segment = spool_wants_compaction(queue.table.spool);

		if (segment != 0 && compact(co, segment) == OK)
			continue;		   // that waited for a flush
		spool_has_room(queue.table.spool); // looks for room again
		destination_sweep();
		if (co_sleep_until(co, in_s(1)) != OK)
			return;
	}
}

static void
run_clock(struct co *co, void *arg UNUSED)
{
	for (;;) {
		struct heap_node *first = heap_first(&queue.schedule);
		int64_t wake_us = in_s(1);

		while (first != NULL && first->key <= now_us() &&
		       queue.n_active < MAX_ACTIVE) {
			heap_remove(&queue.schedule, first);
			start_attempt(of_node(first));
			first = heap_first(&queue.schedule);
		}
		if (first != NULL && first->key < wake_us &&
		    queue.n_active < MAX_ACTIVE)
			wake_us = first->key;
		if (co_wait(co, wake_us) == ERR_CANCELED)
			return;
	}
}

void
schedule_start(void)
{
	queue.clock = co_spawn(run_clock, NULL, "queue.clock");
	check(queue.clock != NULL);
	check(co_spawn(run_compaction, NULL, "queue.compact") != NULL);
}

void
schedule_now(struct message *m)
{
	heap_remove(&queue.schedule, &m->due);
	if (queue.clock != NULL && queue.n_active < MAX_ACTIVE)
		start_attempt(m);
	else
		heap_insert(&queue.schedule, &m->due, now_us());
}

void
schedule_at(struct message *m, int64_t wall_at_us)
{
	int64_t left_us = wall_at_us - wall_us();

	if (left_us < 0)
		left_us = 0;
	heap_remove(&queue.schedule, &m->due);
	heap_insert(&queue.schedule, &m->due, now_us() + left_us);
	if (queue.clock != NULL && heap_first(&queue.schedule) == &m->due)
		co_wake(queue.clock);
}

void
schedule_remove(struct message *m)
{
	heap_remove(&queue.schedule, &m->due);
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

/* Naming a held message is how an operator lets it go. */
static void
let_go(struct message *m)
{
	m->is_held = false;
	message_note_held(&queue.table, m);
	log_info("message.released", FC("id", m->id));
}

uint64_t
schedule_flush(enum queue_flush what, struct str key)
{
	struct message *m, *next;
	uint64_t n = 0;

	destination_revive_all();
	for (m = TAILQ_FIRST(&queue.table.all); m != NULL; m = next) {
		next = TAILQ_NEXT(m, link);
		if (m->is_active ||
		    (what == FLUSH_ID && !str_eq(str_c(m->id), key)) ||
		    (what == FLUSH_SITE && !goes_to(m, key)))
			continue;
		if (m->is_held && what != FLUSH_ID)
			continue;
		if (m->is_held)
			let_go(m);
		schedule_now(m);
		n++;
	}
	return n;
}
