/* SPDX-License-Identifier: MIT
 * lib/ipc/auth.c - messages of mda/auth. */
#include "lib/ipc/auth.h"

#include "lib/ipc/wire.h"

void
auth_put_check(struct buf *out, const struct auth_check *check)
{
	wire_put_str(out, check->user);
	wire_put_str(out, check->password);
	wire_put_str(out, check->protocol);
	wire_put_str(out, check->client);
	wire_put_bool(out, check->is_trusted);
}

enum err
auth_read_check(struct str body, struct auth_check *out)
{
	struct wire w = wire_of(body);

	out->user = wire_str_max(&w, AUTH_USER_MAX_OCTETS);
	out->password = wire_str_max(&w, AUTH_PASSWORD_MAX_OCTETS);
	out->protocol = wire_str_max(&w, 16);
	out->client = wire_str_max(&w, 64);
	out->is_trusted = wire_bool(&w);
	return wire_end(&w);
}

void
auth_put_scram(struct buf *out, const struct auth_scram *scram)
{
	wire_put_str(out, scram->message);
	wire_put_bool(out, scram->is_plus);
	wire_put_bool(out, scram->is_plus_offered);
	wire_put_str(out, scram->exporter);
	wire_put_str(out, scram->end_point);
	wire_put_str(out, scram->protocol);
	wire_put_str(out, scram->client);
	wire_put_bool(out, scram->is_trusted);
}

enum err
auth_read_scram(struct str body, struct auth_scram *out)
{
	struct wire w = wire_of(body);

	out->message = wire_str_max(&w, AUTH_MESSAGE_MAX_OCTETS);
	out->is_plus = wire_bool(&w);
	out->is_plus_offered = wire_bool(&w);
	out->exporter = wire_str_max(&w, AUTH_BINDING_MAX_OCTETS);
	out->end_point = wire_str_max(&w, AUTH_BINDING_MAX_OCTETS);
	out->protocol = wire_str_max(&w, 16);
	out->client = wire_str_max(&w, 64);
	out->is_trusted = wire_bool(&w);
	return wire_end(&w);
}

void
auth_put_offer(struct buf *out, const struct auth_offer *offer)
{
	wire_put_bool(out, offer->has_scram);
}

enum err
auth_read_offer(struct str body, struct auth_offer *out)
{
	struct wire w = wire_of(body);

	out->has_scram = wire_bool(&w);
	return wire_end(&w);
}

void
auth_put_held(struct buf *out, const struct auth_held *held)
{
	wire_put_str(out, held->user);
	wire_put_u64(out, held->stamp);
}

enum err
auth_read_held(struct str body, struct auth_held *out)
{
	struct wire w = wire_of(body);

	out->user = wire_str_max(&w, AUTH_USER_MAX_OCTETS);
	out->stamp = wire_u64(&w);
	return wire_end(&w);
}

void
auth_put_answer(struct buf *out, const struct auth_answer *answer)
{
	wire_put_u8(out, (uint8_t)answer->result);
	wire_put_str(out, answer->user);
	wire_put_u64(out, answer->stamp);
	wire_put_str(out, answer->final);
}

enum err
auth_read_answer(struct str body, struct auth_answer *out)
{
	struct wire w = wire_of(body);

	out->result = wire_below(&w, AUTH_RESULTS);
	out->user = wire_str_max(&w, AUTH_USER_MAX_OCTETS);
	out->stamp = wire_u64(&w);
	out->final = wire_str_max(&w, AUTH_MESSAGE_MAX_OCTETS);
	return wire_end(&w);
}
