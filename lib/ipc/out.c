/* SPDX-License-Identifier: MIT
 * lib/ipc/out.c - messages of deliveries and name look-ups. */
#include "lib/ipc/out.h"

#include "lib/ipc/envelope.h"
#include "lib/ipc/wire.h"

void
out_put_job(struct buf *out, const struct out_job *job)
{
	wire_put_str(out, job->id);
	wire_put_u8(out, (uint8_t)job->protocol);
	wire_put_str(out, job->next_hop);
	wire_put_str(out, job->hostname);
	wire_put_str(out, job->sender);
	wire_put_str(out, job->envid);
	wire_put_u8(out, job->ret);
	wire_put_bool(out, job->is_8bit);
	wire_put_bool(out, job->is_smtputf8);
	wire_put_bool(out, job->is_binary);
	wire_put_bool(out, job->is_repeat);
	wire_put_u64(out, job->secret);
	wire_put_str(out, job->tls_policy);
	wire_put_str(out, job->sasl_user);
	wire_put_str(out, job->sasl_password);
	wire_put_i64(out, job->arrived_us);
	wire_put_u64(out, job->size_octets);
	wire_put_bool(out, job->has_content);
	wire_put_str(out, job->content);
	wire_put_u32(out, (uint32_t)job->n_rcpts);
	for (size_t i = 0; i < job->n_rcpts; i++) {
		wire_put_str(out, job->rcpts[i].address);
		wire_put_str(out, job->rcpts[i].mailbox);
		wire_put_str(out, job->rcpts[i].orcpt);
		wire_put_str(out, job->rcpts[i].original);
		wire_put_u8(out, job->rcpts[i].notify);
		wire_put_u32(out, job->rcpts[i].index);
	}
}

enum err
out_read_job(struct str body, struct arena *arena, struct out_job *job)
{
	struct wire w = wire_of(body);
	struct out_rcpt *rcpts;

	job->id = wire_str_max(&w, 64);
	job->protocol = wire_below(&w, OUT_PROTOCOLS);
	job->next_hop = wire_str_max(&w, ENVELOPE_TEXT_MAX_OCTETS);
	job->hostname = wire_str_max(&w, 256);
	job->sender = wire_str_max(&w, ENVELOPE_ADDRESS_MAX_OCTETS);
	job->envid = wire_str_max(&w, ENVELOPE_TEXT_MAX_OCTETS);
	job->ret = wire_below(&w, RET_KINDS);
	job->is_8bit = wire_bool(&w);
	job->is_smtputf8 = wire_bool(&w);
	job->is_binary = wire_bool(&w);
	job->is_repeat = wire_bool(&w);
	job->secret = wire_u64(&w);
	job->tls_policy = wire_str_max(&w, ENVELOPE_TEXT_MAX_OCTETS);
	job->sasl_user = wire_str_max(&w, ENVELOPE_TEXT_MAX_OCTETS);
	job->sasl_password = wire_str_max(&w, ENVELOPE_TEXT_MAX_OCTETS);
	job->arrived_us = wire_i64(&w);
	job->size_octets = wire_u64(&w);
	job->has_content = wire_bool(&w);
	job->content = wire_str(&w);
	job->n_rcpts = wire_u32(&w);
	if (w.is_bad || job->n_rcpts > OUT_MAX_RECIPIENTS)
		return ERR_FORMAT;
	rcpts = arena_array(arena, job->n_rcpts, sizeof(*rcpts));
	if (rcpts == NULL)
		return ERR_LIMIT;
	for (size_t i = 0; i < job->n_rcpts; i++) {
		rcpts[i].address =
			wire_str_max(&w, ENVELOPE_ADDRESS_MAX_OCTETS);
		rcpts[i].mailbox =
			wire_str_max(&w, ENVELOPE_ADDRESS_MAX_OCTETS);
		rcpts[i].orcpt = wire_str_max(&w, ENVELOPE_TEXT_MAX_OCTETS);
		rcpts[i].original =
			wire_str_max(&w, ENVELOPE_ADDRESS_MAX_OCTETS);
		rcpts[i].notify = wire_below(&w, NOTIFY_BITS_ALL + 1);
		rcpts[i].index = wire_u32(&w);
	}
	job->rcpts = rcpts;
	return wire_end(&w);
}

void
out_put_result(struct buf *out, const struct out_result *result)
{
	wire_put_u32(out, result->index);
	wire_put_u16(out, result->code);
	wire_put_str(out, result->enhanced);
	wire_put_str(out, result->text);
	wire_put_str(out, result->remote);
	wire_put_bool(out, result->is_destination_dead);
	wire_put_bool(out, result->is_reported);
	wire_put_bool(out, result->is_not_tried);
}

enum err
out_read_result(struct str body, struct out_result *out)
{
	struct wire w = wire_of(body);

	out->index = wire_u32(&w);
	out->code = wire_u16(&w);
	out->enhanced = wire_str_max(&w, 16);
	out->text = wire_str_max(&w, ENVELOPE_TEXT_MAX_OCTETS);
	out->remote = wire_str_max(&w, ENVELOPE_TEXT_MAX_OCTETS);
	out->is_destination_dead = wire_bool(&w);
	out->is_reported = wire_bool(&w);
	out->is_not_tried = wire_bool(&w);
	return wire_end(&w);
}

void
dns_put_records(struct buf *out, enum dns_kind kind, struct str name)
{
	wire_put_u8(out, (uint8_t)kind);
	wire_put_str(out, name);
}

enum err
dns_read_records(struct str body, enum dns_kind *kind_out, struct str *name_out)
{
	struct wire w = wire_of(body);

	*kind_out = wire_below(&w, DNS_KINDS);
	*name_out = wire_str_max(&w, 256);
	return wire_end(&w);
}

void
dns_put_answer(struct buf *out, const struct dns_answer *answer)
{
	wire_put_u8(out, (uint8_t)answer->result);
	wire_put_u32(out, (uint32_t)answer->n_hosts);
	for (size_t i = 0; i < answer->n_hosts; i++) {
		wire_put_str(out, answer->hosts[i].name);
		wire_put_str(out, answer->hosts[i].address);
		wire_put_u16(out, answer->hosts[i].preference);
	}
}

enum err
dns_read_answer(struct str body, struct arena *arena, struct dns_answer *out)
{
	struct wire w = wire_of(body);
	struct dns_host *hosts;

	out->result = wire_below(&w, DNS_RESULTS);
	out->n_hosts = wire_u32(&w);
	if (w.is_bad || out->n_hosts > DNS_MAX_ADDRESSES)
		return ERR_FORMAT;
	hosts = arena_array(arena, out->n_hosts, sizeof(*hosts));
	if (hosts == NULL)
		return ERR_LIMIT;
	for (size_t i = 0; i < out->n_hosts; i++) {
		hosts[i].name = wire_str_max(&w, 256);
		hosts[i].address = wire_str_max(&w, 64);
		hosts[i].preference = wire_u16(&w);
	}
	out->hosts = hosts;
	return wire_end(&w);
}
