/* SPDX-License-Identifier: MIT
 * lib/ipc/store.c - messages between front and store. */
#include "lib/ipc/store.h"

#include "lib/base/crc32c.h"
#include "lib/ipc/wire.h"

void
store_put_command(struct buf *out, const struct store_command *command)
{
	wire_put_u8(out, (uint8_t)command->verb);
	wire_put_bool(out, command->is_uid);
	wire_put_str(out, command->args);
	wire_put_str(out, command->tag);
}

enum err
store_read_command(struct str body, struct store_command *out)
{
	struct wire w = wire_of(body);

	out->verb = wire_below(&w, VERBS);
	out->is_uid = wire_bool(&w);
	out->args = wire_str(&w);
	out->tag = wire_str(&w);
	return wire_end(&w);
}

void
store_put_append(struct buf *out, const struct store_append *append)
{
	wire_put_str(out, append->args);
	wire_put_u64(out, append->size_octets);
	wire_put_u64(out, append->limit_octets);
	wire_put_bool(out, append->has_literal);
	wire_put_bool(out, append->is_binary);
	wire_put_bool(out, append->is_replace);
	wire_put_bool(out, append->is_uid);
}

enum err
store_read_append(struct str body, struct store_append *out)
{
	struct wire w = wire_of(body);

	out->args = wire_str(&w);
	out->size_octets = wire_u64(&w);
	out->limit_octets = wire_u64(&w);
	out->has_literal = wire_bool(&w);
	out->is_binary = wire_bool(&w);
	out->is_replace = wire_bool(&w);
	out->is_uid = wire_bool(&w);
	return wire_end(&w);
}

void
store_put_done(struct buf *out, const struct store_done *done)
{
	wire_put_u8(out, (uint8_t)done->status);
	wire_put_str(out, done->text);
	wire_put_bool(out, done->is_selected);
	wire_put_bool(out, done->is_notifying);
}

enum err
store_read_done(struct str body, struct store_done *out)
{
	struct wire w = wire_of(body);

	out->status = wire_below(&w, STORE_STATUSES);
	out->text = wire_str(&w);
	out->is_selected = wire_bool(&w);
	out->is_notifying = wire_bool(&w);
	return wire_end(&w);
}

void
store_put_body(struct buf *out, const struct store_body *range)
{
	wire_put_u64(out, range->offset);
	wire_put_u64(out, range->n_octets);
}

enum err
store_read_body(struct str body, struct store_body *out)
{
	struct wire w = wire_of(body);

	out->offset = wire_u64(&w);
	out->n_octets = wire_u64(&w);
	return wire_end(&w);
}

void
store_put_pipe(struct buf *out, const struct store_pipe *pipe)
{
	wire_put_u32(out, pipe->n_octets);
	wire_put_bool(out, pipe->ends_line);
}

enum err
store_read_pipe(struct str body, struct store_pipe *out)
{
	struct wire w = wire_of(body);

	out->n_octets = wire_u32(&w);
	out->ends_line = wire_bool(&w);
	return wire_end(&w);
}

void
store_put_room(struct buf *out, struct str mailbox, uint64_t size)
{
	wire_put_str(out, mailbox);
	wire_put_u64(out, size);
}

enum err
store_read_room(struct str body, struct str *mailbox_out, uint64_t *size_out)
{
	struct wire w = wire_of(body);

	*mailbox_out = wire_str_max(&w, STORE_USER_MAX_OCTETS);
	*size_out = wire_u64(&w);
	return wire_end(&w);
}

void
store_put_delivery(struct buf *out, const struct store_delivery *d)
{
	wire_put_str(out, d->id);
	wire_put_bool(out, d->is_repeat);
	wire_put_str(out, d->sender);
	wire_put_i64(out, d->arrived_us);
	wire_put_u64(out, d->size_octets);
	wire_put_u32(out, d->duplicate_s);
	wire_put_u32(out, (uint32_t)d->n_rcpts);
	for (size_t i = 0; i < d->n_rcpts; i++) {
		wire_put_str(out, d->rcpts[i].mailbox);
		wire_put_str(out, d->rcpts[i].address);
		wire_put_str(out, d->rcpts[i].orig);
		wire_put_str(out, d->rcpts[i].folder);
		wire_put_u32(out, d->rcpts[i].index);
	}
}

enum err
store_read_delivery(struct str body, struct arena *arena,
		    struct store_delivery *out)
{
	struct wire w = wire_of(body);
	struct store_rcpt *rcpts;

	out->id = wire_str_max(&w, 64);
	out->is_repeat = wire_bool(&w);
	out->sender = wire_str_max(&w, 512);
	out->arrived_us = wire_i64(&w);
	out->size_octets = wire_u64(&w);
	out->duplicate_s = wire_u32(&w);
	out->n_rcpts = wire_u32(&w);
	if (w.is_bad || out->n_rcpts > STORE_MAX_RECIPIENTS)
		return ERR_FORMAT;
	rcpts = arena_array(arena, out->n_rcpts, sizeof(*rcpts));
	if (rcpts == NULL)
		return ERR_LIMIT;
	for (size_t i = 0; i < out->n_rcpts; i++) {
		rcpts[i].mailbox = wire_str_max(&w, STORE_USER_MAX_OCTETS);
		rcpts[i].address = wire_str_max(&w, 512);
		rcpts[i].orig = wire_str_max(&w, 512);
		rcpts[i].folder = wire_str_max(&w, 512);
		rcpts[i].index = wire_u32(&w);
	}
	out->rcpts = rcpts;
	return wire_end(&w);
}

void
store_put_answer(struct buf *out, const struct store_answer *answer)
{
	wire_put_u16(out, answer->code);
	wire_put_str(out, answer->enhanced);
	wire_put_str(out, answer->text);
}

enum err
store_read_answer(struct str body, struct store_answer *out)
{
	struct wire w = wire_of(body);

	out->code = wire_u16(&w);
	out->enhanced = wire_str_max(&w, 16);
	out->text = wire_str(&w);
	return wire_end(&w);
}

unsigned
store_of_user(struct str user, unsigned n_stores)
{
	/* Not the keyed hash: every process must come to the same answer. */
	return n_stores <= 1 ? 0 : crc32c(0, user) % n_stores;
}
