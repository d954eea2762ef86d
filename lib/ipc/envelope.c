/* SPDX-License-Identifier: MIT
 * lib/ipc/envelope.c - encoding of envelopes. */
#include "lib/ipc/envelope.h"

#include "lib/ipc/wire.h"

/* Behind the recipients, where there is one: envelopes in older spools end
 * before, or have HELD. */
enum { MARK_HELD = 1, MARK_BINARY = 2, MARK_UNMAPPED = 4, MARKS_ALL = 7 };

void
envelope_put(struct buf *out, const struct envelope *e)
{
	uint8_t marks = (uint8_t)((e->is_held ? MARK_HELD : 0) |
				  (e->is_binary ? MARK_BINARY : 0) |
				  (e->is_unmapped ? MARK_UNMAPPED : 0));

	wire_put_str(out, e->sender);
	wire_put_str(out, e->login);
	wire_put_str(out, e->client);
	wire_put_str(out, e->helo);
	wire_put_str(out, e->envid);
	wire_put_u8(out, (uint8_t)e->ret);
	wire_put_bool(out, e->is_8bit);
	wire_put_bool(out, e->is_smtputf8);
	wire_put_i64(out, e->arrived_us);
	wire_put_u64(out, e->secret);
	wire_put_str(out, e->xid);
	wire_put_bool(out, e->is_repeat);
	wire_put_u32(out, (uint32_t)e->n_recipients);
	for (size_t i = 0; i < e->n_recipients; i++) {
		wire_put_str(out, e->recipients[i].address);
		wire_put_str(out, e->recipients[i].orcpt);
		wire_put_u8(out, e->recipients[i].notify);
		wire_put_u32(out, e->recipients[i].xid_index);
	}
	if (marks != 0)
		wire_put_u8(out, marks);
}

enum err
envelope_read(struct str body, struct arena *arena, struct envelope *out)
{
	struct wire w = wire_of(body);
	struct recipient *recipients;

	out->sender = wire_str_max(&w, ENVELOPE_ADDRESS_MAX_OCTETS);
	out->login = wire_str_max(&w, ENVELOPE_ADDRESS_MAX_OCTETS);
	out->client = wire_str_max(&w, ENVELOPE_TEXT_MAX_OCTETS);
	out->helo = wire_str_max(&w, ENVELOPE_TEXT_MAX_OCTETS);
	out->envid = wire_str_max(&w, ENVELOPE_TEXT_MAX_OCTETS);
	out->ret = wire_below(&w, RET_KINDS);
	out->is_8bit = wire_bool(&w);
	out->is_smtputf8 = wire_bool(&w);
	out->arrived_us = wire_i64(&w);
	out->secret = wire_u64(&w);
	out->xid = wire_str_max(&w, ENVELOPE_XID_MAX_OCTETS);
	out->is_repeat = wire_bool(&w);
	out->n_recipients = wire_u32(&w);
	if (w.is_bad || out->n_recipients > ENVELOPE_MAX_RECIPIENTS)
		return ERR_FORMAT;
	recipients = arena_array(arena, out->n_recipients, sizeof(*recipients));
	if (recipients == NULL)
		return ERR_LIMIT;
	for (size_t i = 0; i < out->n_recipients; i++) {
		recipients[i].address =
			wire_str_max(&w, ENVELOPE_ADDRESS_MAX_OCTETS);
		recipients[i].orcpt =
			wire_str_max(&w, ENVELOPE_TEXT_MAX_OCTETS);
		recipients[i].notify = wire_below(&w, NOTIFY_BITS_ALL + 1);
		recipients[i].xid_index = wire_u32(&w);
	}
	out->recipients = recipients;
	unsigned marks = 0;
	if (!w.is_bad && w.rest.n > 0) {
		marks = wire_below(&w, MARKS_ALL + 1);
		if (marks == 0)
			return ERR_FORMAT;
	}
	out->is_held = marks & MARK_HELD;
	out->is_binary = marks & MARK_BINARY;
	out->is_unmapped = marks & MARK_UNMAPPED;
	return wire_end(&w);
}
