/* SPDX-License-Identifier: MIT
 * mta/queue/message_table.c - which messages are in the queue, and where their
 * records lie.
 *
 * Process: queue.
 * Owns: each struct queued, from message_table_enter() until it is gone and its
 * note is written.
 * Invariant: the segment of each record and piece that the table names is held
 * in the spool, so its file is there; a new place before the old one is let go.
 */
#include "mta/queue/message.h"

#include "lib/base/check.h"
#include "lib/base/map.h"
#include "lib/rt/counters.h"

enum { FIRST_BUCKETS = 64 };

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

/* ---- what is held in the spool ---- */

void
message_table_hold(struct message_table *t, const struct extent *x)
{
	if (x->segment != 0)
		spool_hold(t->spool, x->segment, record_size(x->n_octets));
}

void
message_table_drop(struct message_table *t, const struct extent *x)
{
	if (x->segment != 0)
		spool_drop(t->spool, x->segment, record_size(x->n_octets));
}

static void
hold_extents(struct message_table *t, const struct extent *extents, size_t n)
{
	for (size_t i = 0; i < n; i++)
		message_table_hold(t, &extents[i]);
}

void
message_table_drop_all(struct message_table *t, const struct extent *extents,
		       size_t n)
{
	for (size_t i = 0; i < n; i++)
		message_table_drop(t, &extents[i]);
}

/* Where its MESSAGE record lies now, and the content. Holds the new place
 * before the old one is let go. */
void
message_set_place(struct message_table *t, struct queued *q,
		  struct extent record, const struct extent *extents,
		  size_t n_extents)
{
	struct extent old_record = q->record, *old = q->extents;
	size_t n_old = q->n_extents;

	message_table_hold(t, &record);
	hold_extents(t, extents, n_extents);
	q->record = record;
	q->extents = NULL;
	q->n_extents = (uint32_t)n_extents;
	if (n_extents > 0) {
		q->extents = must_alloc(n_extents * sizeof(*extents));
		memcpy(q->extents, extents, n_extents * sizeof(*extents));
	}
	message_table_drop_all(t, old, n_old);
	message_table_drop(t, &old_record);
	free(old);
}

void
message_set_status_place(struct message_table *t, struct queued *q,
			 struct extent status)
{
	struct extent old = q->status;

	message_table_hold(t, &status);
	q->status = status;
	message_table_drop(t, &old);
}

bool
message_lies_in(const struct queued *q, uint64_t segment)
{
	for (size_t i = 0; i < q->n_extents; i++)
		if (q->extents[i].segment == segment)
			return true;
	return q->record.segment == segment || q->status.segment == segment;
}

/* ---- who is in ---- */

struct queued *
queued_new(struct str id)
{
	struct queued *q = must_alloc(sizeof(*q));

	check(id.n <= QUEUE_ID_OCTETS);
	memcpy(q->id, id.p, id.n);
	return q;
}

void
message_table_enter(struct message_table *t, struct queued *q)
{
	struct queued **bucket;

	more_buckets(t);
	bucket = bucket_of(t, str_c(q->id));
	q->next = *bucket;
	*bucket = q;
	TAILQ_INSERT_TAIL(&t->all, q, link);
	counter_set(COUNT_QUEUE_MESSAGES_NOW, ++t->n);
}

void
message_table_leave(struct message_table *t, struct queued *q)
{
	struct queued **at = bucket_of(t, str_c(q->id));

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	if (t->compacted == q)
		t->compacted = TAILQ_NEXT(q, link);
	TAILQ_REMOVE(&t->all, q, link);
	counter_set(COUNT_QUEUE_MESSAGES_NOW, --t->n);
	message_set_place(t, q, (struct extent) { 0 }, NULL, 0);
	message_set_status_place(t, q, (struct extent) { 0 });
	message_free(t, &q->message);
	q->is_gone = true;
	if (!q->is_noting)
		free(q);
}
