/* SPDX-License-Identifier: MIT
 * lib/ipc/router.c - messages of the router. */
#include "lib/ipc/router.h"

#include "lib/ipc/wire.h"

void
router_put_ask(struct buf *out, const struct router_ask *ask)
{
	wire_put_str(out, ask->sender);
	wire_put_str(out, ask->rcpt);
	wire_put_bool(out, ask->may_relay);
}

enum err
router_read_ask(struct str body, struct router_ask *out)
{
	struct wire w = wire_of(body);

	out->sender = wire_str_max(&w, ROUTER_ADDRESS_MAX_OCTETS);
	out->rcpt = wire_str_max(&w, ROUTER_ADDRESS_MAX_OCTETS);
	out->may_relay = wire_bool(&w);
	return wire_end(&w);
}

void
router_put_verdict(struct buf *out, const struct router_verdict *v)
{
	wire_put_u16(out, v->code);
	wire_put_str(out, v->enhanced);
	wire_put_str(out, v->text);
	wire_put_bool(out, v->is_local);
	wire_put_str(out, v->mailbox);
}

enum err
router_read_verdict(struct str body, struct router_verdict *out)
{
	struct wire w = wire_of(body);

	out->code = wire_u16(&w);
	out->enhanced = wire_str_max(&w, 16);
	out->text = wire_str_max(&w, ROUTER_TEXT_MAX_OCTETS);
	out->is_local = wire_bool(&w);
	out->mailbox = wire_str_max(&w, ROUTER_ADDRESS_MAX_OCTETS);
	return wire_end(&w);
}

void
router_put_route(struct buf *out, const struct router_route *r)
{
	wire_put_u8(out, (uint8_t)r->class);
	wire_put_str(out, r->address);
	wire_put_str(out, r->mailbox);
	wire_put_str(out, r->transport);
	wire_put_str(out, r->next_hop);
	wire_put_str(out, r->enhanced);
	wire_put_str(out, r->text);
	wire_put_str(out, r->sasl_user);
	wire_put_str(out, r->sasl_password);
}

enum err
router_read_route(struct str body, struct router_route *out)
{
	struct wire w = wire_of(body);

	out->class = wire_below(&w, ROUTE_CLASSES);
	out->address = wire_str_max(&w, ROUTER_ADDRESS_MAX_OCTETS);
	out->mailbox = wire_str_max(&w, ROUTER_ADDRESS_MAX_OCTETS);
	out->transport = wire_str_max(&w, ROUTER_TEXT_MAX_OCTETS);
	out->next_hop = wire_str_max(&w, ROUTER_TEXT_MAX_OCTETS);
	out->enhanced = wire_str_max(&w, 16);
	out->text = wire_str_max(&w, ROUTER_TEXT_MAX_OCTETS);
	out->sasl_user = wire_str_max(&w, ROUTER_TEXT_MAX_OCTETS);
	out->sasl_password = wire_str_max(&w, ROUTER_TEXT_MAX_OCTETS);
	return wire_end(&w);
}

void
router_put_quota(struct buf *out, const struct router_quota *q)
{
	wire_put_bool(out, q->exists);
	wire_put_u64(out, q->storage_octets);
	wire_put_u64(out, q->messages);
}

enum err
router_read_quota(struct str body, struct router_quota *out)
{
	struct wire w = wire_of(body);

	out->exists = wire_bool(&w);
	out->storage_octets = wire_u64(&w);
	out->messages = wire_u64(&w);
	return wire_end(&w);
}

void
router_put_snapshot(struct buf *out, const struct router_snapshot *s)
{
	wire_put_u64(out, s->number);
	wire_put_str(out, s->hostname);
	wire_put_str(out, s->mynetworks);
	wire_put_u64(out, s->message_size_limit);
	wire_put_u32(out, s->recipient_limit);
	wire_put_u32(out, s->queue_run_delay_s);
	wire_put_u32(out, s->minimal_backoff_s);
	wire_put_u32(out, s->maximal_backoff_s);
	wire_put_u32(out, s->maximal_lifetime_s);
	wire_put_u32(out, s->bounce_lifetime_s);
	wire_put_u32(out, s->delay_warning_s);
	wire_put_u32(out, s->destination_concurrency);
	wire_put_u32(out, s->client_connection_limit);
	wire_put_str(out, s->recipient_delimiter);
	wire_put_str(out, s->tls_level);
	wire_put_bool(out, s->helo_required);
}

enum err
router_read_snapshot(struct str body, struct router_snapshot *out)
{
	struct wire w = wire_of(body);

	out->number = wire_u64(&w);
	out->hostname = wire_str_max(&w, 256);
	out->mynetworks = wire_str(&w);
	out->message_size_limit = wire_u64(&w);
	out->recipient_limit = wire_u32(&w);
	out->queue_run_delay_s = wire_u32(&w);
	out->minimal_backoff_s = wire_u32(&w);
	out->maximal_backoff_s = wire_u32(&w);
	out->maximal_lifetime_s = wire_u32(&w);
	out->bounce_lifetime_s = wire_u32(&w);
	out->delay_warning_s = wire_u32(&w);
	out->destination_concurrency = wire_u32(&w);
	out->client_connection_limit = wire_u32(&w);
	out->recipient_delimiter = wire_str_max(&w, 16);
	out->tls_level = wire_str_max(&w, 32);
	out->helo_required = wire_bool(&w);
	return wire_end(&w);
}
