/* SPDX-License-Identifier: MIT
 * lib/ipc/policy.c - see policy.h. */
#include "lib/ipc/policy.h"

#include "lib/ipc/router.h"
#include "lib/ipc/wire.h"

static void
put_reply(struct buf *out, const struct policy_reply *r)
{
	wire_put_u16(out, r->code);
	wire_put_str(out, r->dsn);
	wire_put_str(out, r->text);
}

static void
read_reply(struct wire *w, struct policy_reply *out)
{
	out->code = wire_u16(w);
	out->dsn = wire_str_max(w, 16);
	out->text = wire_str_max(w, ROUTER_TEXT_MAX_OCTETS);
}

void
policy_put_ask(struct buf *out, const struct policy_ask *ask)
{
	wire_put_u8(out, ask->service);
	wire_put_u8(out, (uint8_t)ask->at);
	wire_put_bool(out, ask->is_trusted);
	wire_put_bool(out, ask->is_extended);
	wire_put_bool(out, ask->is_tls);
	wire_put_bool(out, ask->is_pipelining);
	wire_put_bool(out, ask->has_sender);
	wire_put_bool(out, ask->has_rcpt);
	wire_put_str(out, ask->client);
	wire_put_str(out, ask->helo);
	wire_put_str(out, ask->login);
	wire_put_str(out, ask->sender);
	wire_put_str(out, ask->rcpt);
	wire_put_str(out, ask->instance);
	wire_put_u64(out, ask->size_octets);
	wire_put_u32(out, ask->n_rcpts);
	put_reply(out, &ask->carried);
	wire_put_u32(out, (uint32_t)ask->n_facts);
	for (size_t i = 0; i < ask->n_facts; i++) {
		wire_put_u8(out, (uint8_t)ask->facts[i].kind);
		wire_put_u8(out, (uint8_t)ask->facts[i].status);
		wire_put_str(out, ask->facts[i].key);
		wire_put_str(out, ask->facts[i].value);
	}
}

enum err
policy_read_ask(struct str body, struct arena *arena, struct policy_ask *out)
{
	struct wire w = wire_of(body);
	struct policy_fact *facts;

	out->service = wire_below(&w, ROUTER_SMTPD_SERVICES);
	out->at = wire_below(&w, POLICY_STAGES);
	out->is_trusted = wire_bool(&w);
	out->is_extended = wire_bool(&w);
	out->is_tls = wire_bool(&w);
	out->is_pipelining = wire_bool(&w);
	out->has_sender = wire_bool(&w);
	out->has_rcpt = wire_bool(&w);
	out->client = wire_str_max(&w, 64);
	out->helo = wire_str_max(&w, ROUTER_TEXT_MAX_OCTETS);
	out->login = wire_str_max(&w, ROUTER_ADDRESS_MAX_OCTETS);
	out->sender = wire_str_max(&w, ROUTER_ADDRESS_MAX_OCTETS);
	out->rcpt = wire_str_max(&w, ROUTER_ADDRESS_MAX_OCTETS);
	out->instance = wire_str_max(&w, 64);
	out->size_octets = wire_u64(&w);
	out->n_rcpts = wire_u32(&w);
	read_reply(&w, &out->carried);
	out->n_facts = wire_u32(&w);
	if (w.is_bad || out->n_facts > POLICY_MAX_FACTS)
		return ERR_FORMAT;
	facts = arena_array(arena, out->n_facts, sizeof(*facts));
	if (facts == NULL)
		return ERR_LIMIT;
	for (size_t i = 0; i < out->n_facts; i++) {
		facts[i].kind = wire_below(&w, POLICY_FACT_KINDS);
		facts[i].status = wire_below(&w, POLICY_FACT_STATUSES);
		facts[i].key = wire_str_max(&w, POLICY_FACT_MAX_OCTETS);
		facts[i].value = wire_str_max(&w, POLICY_FACT_MAX_OCTETS);
	}
	out->facts = facts;
	return wire_end(&w);
}

void
policy_put_answer(struct buf *out, const struct policy_answer *answer)
{
	wire_put_u8(out, (uint8_t)answer->outcome);
	put_reply(out, &answer->reply);
	wire_put_bool(out, answer->is_hang_up);
	wire_put_bool(out, answer->is_relay_decided);
	wire_put_str(out, answer->rule);
	wire_put_u8(out, (uint8_t)answer->need_kind);
	wire_put_str(out, answer->need_key);
	wire_put_u32(out, (uint32_t)answer->n_more);
	for (size_t i = 0; i < answer->n_more; i++)
		wire_put_str(out, answer->more[i]);
	put_reply(out, &answer->carried);
	wire_put_u32(out, (uint32_t)answer->n_effects);
	for (size_t i = 0; i < answer->n_effects; i++) {
		wire_put_u8(out, (uint8_t)answer->effects[i].kind);
		wire_put_str(out, answer->effects[i].text);
		wire_put_str(out, answer->effects[i].rule);
	}
}

static enum err
read_more(struct wire *w, struct arena *arena, struct policy_answer *out)
{
	struct str *more;

	out->n_more = wire_u32(w);
	if (w->is_bad || out->n_more > POLICY_MAX_MORE)
		return ERR_FORMAT;
	more = arena_array(arena, out->n_more, sizeof(*more));
	if (more == NULL)
		return ERR_LIMIT;
	for (size_t i = 0; i < out->n_more; i++)
		more[i] = wire_str_max(w, POLICY_FACT_MAX_OCTETS);
	out->more = more;
	return OK;
}

enum err
policy_read_answer(struct str body, struct arena *arena,
		   struct policy_answer *out)
{
	struct wire w = wire_of(body);
	struct policy_effect *effects;
	enum err e;

	out->outcome = wire_below(&w, POLICY_OUTCOMES);
	read_reply(&w, &out->reply);
	out->is_hang_up = wire_bool(&w);
	out->is_relay_decided = wire_bool(&w);
	out->rule = wire_str_max(&w, ROUTER_TEXT_MAX_OCTETS);
	out->need_kind = wire_below(&w, POLICY_FACT_KINDS);
	out->need_key = wire_str_max(&w, POLICY_FACT_MAX_OCTETS);
	e = read_more(&w, arena, out);
	if (e != OK)
		return e;
	read_reply(&w, &out->carried);
	out->n_effects = wire_u32(&w);
	if (w.is_bad || out->n_effects > POLICY_MAX_EFFECTS)
		return ERR_FORMAT;
	effects = arena_array(arena, out->n_effects, sizeof(*effects));
	if (effects == NULL)
		return ERR_LIMIT;
	for (size_t i = 0; i < out->n_effects; i++) {
		effects[i].kind = wire_below(&w, POLICY_EFFECT_KINDS);
		effects[i].text = wire_str_max(&w, ROUTER_TEXT_MAX_OCTETS);
		effects[i].rule = wire_str_max(&w, ROUTER_TEXT_MAX_OCTETS);
	}
	out->effects = effects;
	return wire_end(&w);
}

void
policy_put_header_ask(struct buf *out, const struct policy_header_ask *ask)
{
	wire_put_str(out, ask->sender);
	wire_put_str(out, ask->client);
	wire_put_bool(out, ask->is_trusted);
	wire_put_bool(out, ask->has_login);
	wire_put_bool(out, ask->is_unchecked);
	wire_put_bool(out, ask->is_unmapped);
	wire_put_str(out, ask->header);
}

enum err
policy_read_header_ask(struct str body, struct policy_header_ask *out)
{
	struct wire w = wire_of(body);

	out->sender = wire_str_max(&w, ROUTER_ADDRESS_MAX_OCTETS);
	out->client = wire_str_max(&w, ROUTER_ADDRESS_MAX_OCTETS);
	out->is_trusted = wire_bool(&w);
	out->has_login = wire_bool(&w);
	out->is_unchecked = wire_bool(&w);
	out->is_unmapped = wire_bool(&w);
	out->header = wire_str_max(&w, POLICY_HEADER_MAX_OCTETS);
	return wire_end(&w);
}

void
policy_put_header(struct buf *out, struct str header,
		  const struct policy_answer *answer)
{
	wire_put_str(out, header);
	policy_put_answer(out, answer);
}

enum err
policy_read_header(struct str body, struct arena *arena, struct str *header_out,
		   struct policy_answer *out)
{
	struct wire w = wire_of(body);

	*header_out = wire_str_max(&w, POLICY_HEADER_OUT_MAX_OCTETS);
	return w.is_bad ? ERR_FORMAT : policy_read_answer(w.rest, arena, out);
}

void
policy_put_content(struct buf *out, enum policy_content_way way,
		   struct str header)
{
	wire_put_u8(out, (uint8_t)way);
	wire_put_str(out, header);
}

enum err
policy_read_content(struct str body, enum policy_content_way *way_out,
		    struct str *header_out)
{
	struct wire w = wire_of(body);

	*way_out = wire_below(&w, POLICY_CONTENT_WAYS);
	*header_out = wire_str_max(&w, POLICY_HEADER_MAX_OCTETS);
	return wire_end(&w);
}

void
policy_put_piece(struct buf *out, bool is_over, struct str octets)
{
	wire_put_bool(out, is_over);
	wire_put_str(out, octets);
}

enum err
policy_read_piece(struct str body, bool *is_over_out, struct str *octets_out)
{
	struct wire w = wire_of(body);

	*is_over_out = wire_bool(&w);
	*octets_out = wire_str_max(&w, POLICY_PIECE_OUT_MAX_OCTETS);
	return wire_end(&w);
}
