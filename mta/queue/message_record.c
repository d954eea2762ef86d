/* SPDX-License-Identifier: MIT
 * mta/queue/message_record.c - a message made of its records, and its STATUS
 * record made of what is known of it.
 *
 * Process: queue.  Format: record.h.
 * What is read is hostile: a record whose indexes or counts do not fit the
 * others gives no message. */
#include "mta/queue/message_record.h"

#include "lib/base/check.h"

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

struct message *
message_new(struct queued *q)
{
	struct message *m = must_alloc(sizeof(*m));

	m->queued = q;
	m->id = q->id;
	arena_init(&m->arena, MESSAGE_MEMORY_OCTETS);
	return m;
}

/* envelope is copied. */
enum err
message_take_envelope(struct message *m, struct str envelope)
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
		e = message_take_envelope(m, r.envelope);
	if (e == OK)
		m->size_octets = r.size_octets;
	arena_release(&arena);
	return e;
}

enum err
message_take_added(struct message *m, const struct final_rcpt *added, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct str address;

		if (m->n_rcpts == MESSAGE_MAX_RCPTS ||
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
		e = message_take_envelope(m, r.envelope);
	if (e == OK)
		e = message_take_added(m, r.added, r.n_added);
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
struct message *
message_of_record(struct message_table *t, struct queued *q,
		  const struct spool_reading *r)
{
	struct message *m = message_new(q);
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
		message_free(t, &m);
	return m;
}

/* ---- STATUS ---- */

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
	struct buf envelope = BUF_INIT(MESSAGE_STATUS_OCTETS);
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

void
message_put_status(struct buf *out, const struct message *m)
{
	put_status_with(out, m, true);
	if (out->n <= RECORD_BODY_MAX_OCTETS)
		return;
	/* Thousands of recipients, each with a reason of its own. */
	buf_clear(out);
	put_status_with(out, m, false);
}
