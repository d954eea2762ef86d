/* SPDX-License-Identifier: MIT
 * lib/ipc/queue.c - messages of the queue. */
#include "lib/ipc/queue.h"

#include "lib/ipc/envelope.h"
#include "lib/ipc/wire.h"

void
queue_put_entry(struct buf *out, const struct queue_entry *entry)
{
	wire_put_str(out, entry->id);
	wire_put_str(out, entry->sender);
	wire_put_u8(out, (uint8_t)entry->state);
	wire_put_bool(out, entry->is_expired);
	wire_put_i64(out, entry->arrived_s);
	wire_put_i64(out, entry->next_try_s);
	wire_put_u32(out, entry->n_attempts);
	wire_put_u64(out, entry->size_octets);
	wire_put_u32(out, (uint32_t)entry->n_rcpts);
	for (size_t i = 0; i < entry->n_rcpts; i++) {
		wire_put_str(out, entry->rcpts[i].address);
		wire_put_str(out, entry->rcpts[i].reason);
	}
}

enum err
queue_read_entry(struct str *row, struct arena *arena, struct queue_entry *out)
{
	struct wire w = wire_of(*row);
	struct queue_entry_rcpt *rcpts;

	out->id = wire_str_max(&w, QUEUE_ID_OCTETS);
	out->sender = wire_str(&w);
	out->state = wire_below(&w, QUEUE_STATES);
	out->is_expired = wire_bool(&w);
	out->arrived_s = wire_i64(&w);
	out->next_try_s = wire_i64(&w);
	out->n_attempts = wire_u32(&w);
	out->size_octets = wire_u64(&w);
	out->n_rcpts = wire_u32(&w);
	if (w.is_bad || out->n_rcpts > ENVELOPE_MAX_RECIPIENTS)
		return ERR_FORMAT;
	rcpts = arena_array(arena, out->n_rcpts, sizeof(*rcpts));
	if (rcpts == NULL)
		return ERR_LIMIT;
	for (size_t i = 0; i < out->n_rcpts; i++) {
		rcpts[i].address = wire_str(&w);
		rcpts[i].reason = wire_str(&w);
	}
	out->rcpts = rcpts;
	*row = w.rest;
	return w.is_bad ? ERR_FORMAT : OK;
}

void
queue_put_change(struct buf *out, enum queue_change what, uint8_t states,
		 struct str id)
{
	wire_put_u8(out, (uint8_t)what);
	wire_put_u8(out, states);
	wire_put_str(out, id);
}

enum err
queue_read_change(struct str body, enum queue_change *what_out,
		  uint8_t *states_out, struct str *id_out)
{
	struct wire w = wire_of(body);

	*what_out = wire_below(&w, CHANGES);
	*states_out = wire_below(&w, QUEUE_STATES_ALL + 1);
	*id_out = wire_str_max(&w, QUEUE_ID_OCTETS);
	return wire_end(&w);
}

void
queue_put_event(struct buf *out, const struct queue_event *e)
{
	wire_put_i64(out, e->at_us);
	wire_put_u8(out, (uint8_t)e->kind);
	wire_put_u16(out, e->code);
	wire_put_str(out, e->id);
	wire_put_str(out, e->address);
	wire_put_str(out, e->other);
	wire_put_str(out, e->text);
}

enum err
queue_read_event(struct str body, struct queue_event *out)
{
	struct wire w = wire_of(body);

	out->at_us = wire_i64(&w);
	out->kind = wire_below(&w, EVENT_KINDS);
	out->code = wire_u16(&w);
	out->id = wire_str_max(&w, QUEUE_ID_OCTETS);
	out->address = wire_str_max(&w, ENVELOPE_ADDRESS_MAX_OCTETS);
	out->other = wire_str_max(&w, ENVELOPE_TEXT_MAX_OCTETS);
	out->text = wire_str_max(&w, ENVELOPE_TEXT_MAX_OCTETS);
	return wire_end(&w);
}

enum err
queue_next_event(struct str *row, struct queue_event *out)
{
	struct wire w = wire_of(*row);
	struct str body = wire_str(&w);

	*row = w.rest;
	return w.is_bad ? ERR_FORMAT : queue_read_event(body, out);
}

void
queue_put_flush(struct buf *out, enum queue_flush what, struct str key)
{
	wire_put_u8(out, (uint8_t)what);
	wire_put_str(out, key);
}

enum err
queue_read_flush(struct str body, enum queue_flush *what_out,
		 struct str *key_out)
{
	struct wire w = wire_of(body);

	*what_out = wire_below(&w, FLUSH_KINDS);
	*key_out = wire_str_max(&w, ENVELOPE_ADDRESS_MAX_OCTETS);
	return wire_end(&w);
}

void
queue_put_count(struct buf *out, uint64_t count)
{
	wire_put_u64(out, count);
}

enum err
queue_read_count(struct str body, uint64_t *out)
{
	struct wire w = wire_of(body);

	*out = wire_u64(&w);
	return wire_end(&w);
}

enum err
queue_read_refusal(struct str body, enum queue_refusal *out)
{
	struct wire w = wire_of(body);

	*out = wire_below(&w, REFUSALS);
	return wire_end(&w);
}
