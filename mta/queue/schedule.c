/* SPDX-License-Identifier: MIT
 * mta/queue/schedule.c - when a message is tried.
 *
 * A deferred message costs no coroutine: it lies in a heap by the monotonic
 * time of its next try. Not more than MAX_ACTIVE are tried at once; others that
 * are due stay in the heap until one ends. */
#include "lib/base/check.h"
#include "lib/rt/log.h"
#include "mta/queue/message_rewrite.h"
#include "mta/queue/queue_private.h"

enum {
	RUSH_ACTIVE = 1000, // the others wait here
	/* With their content in memory, up to this; more is read again. */
	WAITING_CONTENT_OCTETS = 16 << 20,
	MAX_ACTIVE = 5000,
	MAX_RETRIES = 4000, // the rest is for what is new
	WALK_STEP = 10000,
	MAX_WAIT_S = 86400,
};

bool
schedule_is_rush(void)
{
	return queue.rush_until_us > now_us();
}

static bool
may_start(size_t most)
{
	if (queue.is_stopping)
		return false;
	if (schedule_is_rush() && most > RUSH_ACTIVE)
		most = RUSH_ACTIVE;
	return queue.n_active < most;
}

static void
start_attempt(struct queued *q)
{
	q->is_active = true;
	queue.n_active++;
	if (co_spawn(attempt_run, q, "queue.attempt") != NULL)
		return;
	q->is_active = false;
	queue.n_active--;
	heap_insert(&queue.schedule, &q->due, in_s(1));
}

static struct queued *
of_node(struct heap_node *node)
{
	return (struct queued *)(void *)((char *)node -
					 offsetof(struct queued, due));
}

/* The next message with octets in that segment that nobody works with. A walk
 * over all of them serves a whole segment. */
static struct queued *
next_in_segment(struct co *co, uint64_t segment)
{
	struct message_table *t = &queue.table;
	static uint64_t walked; // the segment that the walk is for

	if (walked != segment)
		t->compacted = TAILQ_FIRST(&t->all);
	walked = segment;
	for (size_t n = 1; t->compacted != NULL; n++) {
		struct queued *q = t->compacted;

		t->compacted = TAILQ_NEXT(q, link);
		if (!q->is_active && message_lies_in(q, segment))
			return q;
		if (n % WALK_STEP == 0)
			co_breathe(co);
	}
	walked = 0; // those that were active: next time
	return NULL;
}

/* Moves one message out of that segment. ERR_NOT_FOUND: none can be moved. */
static enum err
compact(struct co *co, uint64_t segment)
{
	struct queued *q = next_in_segment(co, segment);
	enum err e;

	if (q == NULL)
		return ERR_NOT_FOUND;
	heap_remove(&queue.schedule, &q->due);
	q->is_active = true; // nobody else touches it meanwhile
	e = message_rewrite(co, &queue.table, q);
	if (e != OK)
		log_warn("queue.compact-failed", FC("id", q->id), FERR(e));
	q->is_active = false;
	if (q->is_removed) // by the operator, while it was copied
		message_remove(&queue.table, &q);
	else if (q->state == STATE_WAITS && q->lane == NULL)
		schedule_at(q, q->next_try_us);
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
		destination_resume();
		if (co_sleep_until(co, in_s(1)) != OK)
			return;
	}
}

static void
look_at_clock(void)
{
	clock_file_tell(age_look(&queue.age, wall_us(), now_us()));
}

/* A jump that nobody has seen yet would count. */
int64_t
schedule_age_s(int64_t arrived_us)
{
	look_at_clock();
	return age_of(&queue.age, wall_us(), arrived_us) / US_PER_S;
}

static void
run_clock(struct co *co, void *arg UNUSED)
{
	for (;;) {
		struct heap_node *first = heap_first(&queue.schedule);
		int64_t wake_us = in_s(1);

		look_at_clock();
		while (first != NULL && first->key <= now_us() &&
		       may_start(MAX_RETRIES)) {
			heap_remove(&queue.schedule, first);
			start_attempt(of_node(first));
			first = heap_first(&queue.schedule);
		}
		if (first != NULL && first->key < wake_us &&
		    may_start(MAX_RETRIES))
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
schedule_now(struct queued *q)
{
	destination_leave(q);
	heap_remove(&queue.schedule, &q->due);
	if (queue.clock != NULL && may_start(MAX_ACTIVE)) {
		start_attempt(q);
		return;
	}
	heap_insert(&queue.schedule, &q->due, now_us());
	if (queue.table.content_octets > WAITING_CONTENT_OCTETS)
		message_doze(&queue.table, q);
}

void
schedule_at(struct queued *q, int64_t wall_at_us)
{
	int64_t left_us = wall_at_us - wall_us();

	if (left_us < 0)
		left_us = 0;
	if (left_us > MAX_WAIT_S * US_PER_S) // the clock was set back
		left_us = MAX_WAIT_S * US_PER_S;
	destination_leave(q);
	heap_remove(&queue.schedule, &q->due);
	heap_insert(&queue.schedule, &q->due, now_us() + left_us);
	if (queue.clock != NULL && heap_first(&queue.schedule) == &q->due)
		co_wake(queue.clock);
}

void
schedule_remove(struct queued *q)
{
	destination_leave(q);
	heap_remove(&queue.schedule, &q->due);
}
