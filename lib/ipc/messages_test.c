/* SPDX-License-Identifier: MIT
 * lib/ipc/messages_test.c - each message between roles: what was put is read,
 * and nothing else is. */
#include "lib/ipc/auth.c"
#include "lib/ipc/envelope.c"
#include "lib/ipc/frame.c"
#include "lib/ipc/out.c"
#include "lib/ipc/policy.c"
#include "lib/ipc/queue.c"
#include "lib/ipc/router.c"
#include "lib/ipc/service.c"
#include "lib/ipc/store.c"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

enum { ARENA_OCTETS = 1 << 20, MUTATIONS = 20000 };

/* put() writes a message with every field set to its own value; check() reads
 * it and looks; read() reads anything and must survive. */
struct message {
	const char *name;
	void (*put)(struct buf *out);
	enum err (*read)(struct str body, struct arena *arena);
	void (*check)(struct str body, struct arena *arena);
};

/* ---- auth ---- */

static void
put_auth_check(struct buf *out)
{
	auth_put_check(out, &(struct auth_check) { S("u@x"), S("p\0\xff"),
						   S("imap"), S("::1"), true });
}

static enum err
read_auth_check(struct str body, struct arena *arena UNUSED)
{
	return auth_read_check(body, &(struct auth_check) { 0 });
}

static void
check_auth_check(struct str body, struct arena *arena UNUSED)
{
	struct auth_check m;

	assert_int_equal(auth_read_check(body, &m), OK);
	assert_str(m.user, "u@x");
	assert_str(m.password, "p\0\xff");
	assert_str(m.protocol, "imap");
	assert_str(m.client, "::1");
}

static void
put_auth_answer(struct buf *out)
{
	auth_put_answer(out, &(struct auth_answer) { AUTH_UNAVAILABLE, S("u@x"),
						     7, S("v=x") });
}

static enum err
read_auth_answer(struct str body, struct arena *arena UNUSED)
{
	return auth_read_answer(body, &(struct auth_answer) { 0 });
}

static void
check_auth_answer(struct str body, struct arena *arena UNUSED)
{
	struct auth_answer m;

	assert_int_equal(auth_read_answer(body, &m), OK);
	assert_int_equal(m.result, AUTH_UNAVAILABLE);
	assert_str(m.user, "u@x");
	assert_int_equal(m.stamp, 7);
	assert_str(m.final, "v=x");
}

static void
put_auth_scram(struct buf *out)
{
	auth_put_scram(out, &(struct auth_scram) { S("n,,n=u,r=x"), true, false,
						   S("e"), S("p"), S("smtp"),
						   S("::1"), true });
}

static enum err
read_auth_scram(struct str body, struct arena *arena UNUSED)
{
	return auth_read_scram(body, &(struct auth_scram) { 0 });
}

static void
check_auth_scram(struct str body, struct arena *arena UNUSED)
{
	struct auth_scram m;

	assert_int_equal(auth_read_scram(body, &m), OK);
	assert_str(m.message, "n,,n=u,r=x");
	assert_true(m.is_plus && !m.is_plus_offered && m.is_trusted);
	assert_str(m.exporter, "e");
	assert_str(m.end_point, "p");
	assert_str(m.protocol, "smtp");
	assert_str(m.client, "::1");
}

static void
put_auth_offer(struct buf *out)
{
	auth_put_offer(out, &(struct auth_offer) { true });
}

static enum err
read_auth_offer(struct str body, struct arena *arena UNUSED)
{
	return auth_read_offer(body, &(struct auth_offer) { 0 });
}

static void
check_auth_offer(struct str body, struct arena *arena UNUSED)
{
	struct auth_offer m;

	assert_int_equal(auth_read_offer(body, &m), OK);
	assert_true(m.has_scram);
}

static void
put_auth_held(struct buf *out)
{
	auth_put_held(out, &(struct auth_held) { S("u@x"), 9 });
}

static enum err
read_auth_held(struct str body, struct arena *arena UNUSED)
{
	return auth_read_held(body, &(struct auth_held) { 0 });
}

static void
check_auth_held(struct str body, struct arena *arena UNUSED)
{
	struct auth_held m;

	assert_int_equal(auth_read_held(body, &m), OK);
	assert_str(m.user, "u@x");
	assert_int_equal(m.stamp, 9);
}

/* ---- envelope ---- */

static void
put_envelope(struct buf *out)
{
	static const struct recipient rcpts[] = {
		{ STR_INIT("a@x"), STR_INIT("rfc822;a"), NOTIFY_NEVER, 0 },
		{ STR_INIT("b@x"), STR_INIT(""), NOTIFY_BITS_ALL, 8 },
	};

	envelope_put(out, &(struct envelope) {
				  .sender = S("s@y"),
				  .login = S("l@y"),
				  .client = S("10.0.0.1"),
				  .helo = S("helo"),
				  .envid = S("QQ"),
				  .ret = RET_HDRS,
				  .is_8bit = true,
				  .is_smtputf8 = false,
				  .arrived_us = -5,
				  .secret = UINT64_MAX - 1,
				  .xid = S("4f2.9"),
				  .is_repeat = true,
				  .recipients = rcpts,
				  .n_recipients = 2,
			  });
}

static enum err
read_envelope(struct str body, struct arena *arena)
{
	return envelope_read(body, arena, &(struct envelope) { 0 });
}

static void
check_envelope(struct str body, struct arena *arena)
{
	struct envelope m;

	assert_int_equal(envelope_read(body, arena, &m), OK);
	assert_str(m.sender, "s@y");
	assert_str(m.login, "l@y");
	assert_str(m.client, "10.0.0.1");
	assert_str(m.helo, "helo");
	assert_str(m.envid, "QQ");
	assert_int_equal(m.ret, RET_HDRS);
	assert_true(m.is_8bit);
	assert_false(m.is_smtputf8);
	assert_int_equal(m.arrived_us, -5);
	assert_true(m.secret == UINT64_MAX - 1);
	assert_str(m.xid, "4f2.9");
	assert_true(m.is_repeat);
	assert_int_equal(m.recipients[0].xid_index, 0);
	assert_int_equal(m.recipients[1].xid_index, 8);
	assert_int_equal(m.n_recipients, 2);
	assert_str(m.recipients[0].address, "a@x");
	assert_str(m.recipients[0].orcpt, "rfc822;a");
	assert_int_equal(m.recipients[0].notify, NOTIFY_NEVER);
	assert_str(m.recipients[1].address, "b@x");
	assert_str(m.recipients[1].orcpt, "");
	assert_int_equal(m.recipients[1].notify, NOTIFY_BITS_ALL);
}

/* Older spools have nothing behind the recipients, or 1 for HOLD. */
static void
marks_of_envelopes(void **state UNUSED)
{
	struct arena arena = ARENA_INIT(4096);

	for (unsigned i = 0; i < 9; i++) {
		struct envelope e = { .is_held = i & 1,
				      .is_binary = i & 2,
				      .is_unmapped = i & 4 };
		struct envelope m;
		struct buf b = BUF_INIT(256);
		size_t n;

		envelope_put(&b, &(struct envelope) { .sender = S("") });
		n = b.n;
		buf_clear(&b);
		envelope_put(&b, &e);
		assert_int_equal(b.n, n + (i % 8 != 0));
		if (i == 8)
			buf_putc(&b, 8);
		assert_int_equal(envelope_read(buf_str(&b), &arena, &m),
				 i == 8 ? ERR_FORMAT : OK);
		if (i == 1)
			assert_int_equal(b.p[n], 1);
		if (i < 8) {
			assert_int_equal(m.is_held, e.is_held);
			assert_int_equal(m.is_binary, e.is_binary);
			assert_int_equal(m.is_unmapped, e.is_unmapped);
		}
		buf_release(&b);
	}
	arena_release(&arena);
}

/* ---- out and dns ---- */

static void
put_out_job(struct buf *out)
{
	static const struct out_rcpt rcpts[] = {
		{ STR_INIT("a@x"), STR_INIT("m@x"), STR_INIT("o"),
		  STR_INIT("w@x"), 3, 7 },
		{ STR_INIT("b@x"), STR_INIT(""), STR_INIT(""), STR_INIT(""), 0,
		  9 },
	};

	out_put_job(out, &(struct out_job) {
				 .id = S("ID"),
				 .protocol = OUT_LOCAL,
				 .next_hop = S("[h]:25"),
				 .hostname = S("me"),
				 .sender = S("s@y"),
				 .envid = S("E"),
				 .ret = RET_FULL,
				 .is_8bit = true,
				 .is_smtputf8 = false,
				 .is_binary = true,
				 .is_repeat = true,
				 .secret = 77,
				 .tls_policy = S("may\n"),
				 .sasl_user = S("su"),
				 .sasl_password = S("sp"),
				 .arrived_us = 11,
				 .size_octets = 12,
				 .has_content = true,
				 .content = S("body\r\n"),
				 .rcpts = rcpts,
				 .n_rcpts = 2,
			 });
}

static enum err
read_out_job(struct str body, struct arena *arena)
{
	return out_read_job(body, arena, &(struct out_job) { 0 });
}

static void
check_out_job(struct str body, struct arena *arena)
{
	struct out_job m;

	assert_int_equal(out_read_job(body, arena, &m), OK);
	assert_str(m.id, "ID");
	assert_int_equal(m.protocol, OUT_LOCAL);
	assert_str(m.next_hop, "[h]:25");
	assert_str(m.hostname, "me");
	assert_str(m.sender, "s@y");
	assert_str(m.envid, "E");
	assert_int_equal(m.ret, RET_FULL);
	assert_true(m.is_8bit);
	assert_false(m.is_smtputf8);
	assert_true(m.is_binary);
	assert_true(m.is_repeat);
	assert_str(m.tls_policy, "may\n");
	assert_str(m.sasl_user, "su");
	assert_str(m.sasl_password, "sp");
	assert_int_equal(m.arrived_us, 11);
	assert_int_equal(m.size_octets, 12);
	assert_true(m.has_content);
	assert_str(m.content, "body\r\n");
	assert_int_equal(m.n_rcpts, 2);
	assert_str(m.rcpts[0].address, "a@x");
	assert_str(m.rcpts[0].mailbox, "m@x");
	assert_str(m.rcpts[0].orcpt, "o");
	assert_str(m.rcpts[0].original, "w@x");
	assert_int_equal(m.rcpts[0].notify, 3);
	assert_int_equal(m.rcpts[0].index, 7);
	assert_str(m.rcpts[1].address, "b@x");
	assert_int_equal(m.rcpts[1].index, 9);
}

static void
put_out_result(struct buf *out)
{
	out_put_result(out, &(struct out_result) { 4, 550, S("5.1.1"), S("no"),
						   S("mx"), true, true, true });
}

static enum err
read_out_result(struct str body, struct arena *arena UNUSED)
{
	return out_read_result(body, &(struct out_result) { 0 });
}

static void
check_out_result(struct str body, struct arena *arena UNUSED)
{
	struct out_result m;

	assert_int_equal(out_read_result(body, &m), OK);
	assert_int_equal(m.index, 4);
	assert_int_equal(m.code, 550);
	assert_str(m.enhanced, "5.1.1");
	assert_str(m.text, "no");
	assert_str(m.remote, "mx");
	assert_true(m.is_destination_dead);
	assert_true(m.is_not_tried);
}

static void
put_dns_answer(struct buf *out)
{
	static const struct dns_host hosts[] = {
		{ STR_INIT("mx1"), STR_INIT("10.0.0.1"), 5 },
		{ STR_INIT("mx2"), STR_INIT("::2"), 65535 },
	};

	dns_put_answer(out, &(struct dns_answer) { DNS_TEMPORARY, hosts, 2 });
}

static enum err
read_dns_answer(struct str body, struct arena *arena)
{
	return dns_read_answer(body, arena, &(struct dns_answer) { 0 });
}

static void
check_dns_answer(struct str body, struct arena *arena)
{
	struct dns_answer m;

	assert_int_equal(dns_read_answer(body, arena, &m), OK);
	assert_int_equal(m.result, DNS_TEMPORARY);
	assert_int_equal(m.n_hosts, 2);
	assert_str(m.hosts[0].name, "mx1");
	assert_str(m.hosts[0].address, "10.0.0.1");
	assert_int_equal(m.hosts[0].preference, 5);
	assert_str(m.hosts[1].name, "mx2");
	assert_str(m.hosts[1].address, "::2");
	assert_int_equal(m.hosts[1].preference, 65535);
}

static void
put_no_hosts(struct buf *out)
{
	dns_put_answer(out, &(struct dns_answer) { DNS_NULL_MX, NULL, 0 });
}

static void
check_no_hosts(struct str body, struct arena *arena)
{
	struct dns_answer m;

	assert_int_equal(dns_read_answer(body, arena, &m), OK);
	assert_int_equal(m.result, DNS_NULL_MX);
	assert_int_equal(m.n_hosts, 0);
}

/* ---- queue ---- */

static void
put_entry(struct buf *out)
{
	static const struct queue_entry_rcpt rcpts[] = {
		{ STR_INIT("a@x"), STR_INIT("refused") },
		{ STR_INIT("b@x"), STR_INIT("") },
	};

	queue_put_entry(out, &(struct queue_entry) { S("ID"), S("s@y"),
						     QUEUE_HOLD, true, -1, -2,
						     7, UINT64_MAX, rcpts, 2 });
}

static enum err
read_entry(struct str body, struct arena *arena)
{
	enum err e =
		queue_read_entry(&body, arena, &(struct queue_entry) { 0 });

	return e == OK && body.n > 0 ? ERR_FORMAT : e;
}

static void
check_entry(struct str body, struct arena *arena)
{
	struct queue_entry m;

	assert_int_equal(queue_read_entry(&body, arena, &m), OK);
	assert_int_equal(body.n, 0);
	assert_true(m.is_expired);
	assert_int_equal(m.next_try_s, -2);
	assert_int_equal(m.n_attempts, 7);
	assert_str(m.id, "ID");
	assert_str(m.sender, "s@y");
	assert_int_equal(m.state, QUEUE_HOLD);
	assert_int_equal(m.arrived_s, -1);
	assert_true(m.size_octets == UINT64_MAX);
	assert_int_equal(m.n_rcpts, 2);
	assert_str(m.rcpts[0].address, "a@x");
	assert_str(m.rcpts[0].reason, "refused");
	assert_str(m.rcpts[1].address, "b@x");
	assert_str(m.rcpts[1].reason, "");
}

static void
put_event(struct buf *out)
{
	queue_put_event(out,
			&(struct queue_event) { -7, EVENT_SENT, 250, S("ID"),
						S("a@x"), S("mx"), S("ok") });
}

static enum err
read_event(struct str body, struct arena *arena UNUSED)
{
	return queue_read_event(body, &(struct queue_event) { 0 });
}

static void
check_event(struct str body, struct arena *arena UNUSED)
{
	struct queue_event m;

	assert_int_equal(queue_read_event(body, &m), OK);
	assert_int_equal(m.at_us, -7);
	assert_int_equal(m.kind, EVENT_SENT);
	assert_int_equal(m.code, 250);
	assert_str(m.id, "ID");
	assert_str(m.address, "a@x");
	assert_str(m.other, "mx");
	assert_str(m.text, "ok");
}

static void
put_flush(struct buf *out)
{
	queue_put_flush(out, FLUSH_SITE, S("example.org"));
}

static enum err
read_flush(struct str body, struct arena *arena UNUSED)
{
	enum queue_flush what;
	struct str key;

	return queue_read_flush(body, &what, &key);
}

static void
check_flush(struct str body, struct arena *arena UNUSED)
{
	enum queue_flush what;
	struct str key;

	assert_int_equal(queue_read_flush(body, &what, &key), OK);
	assert_int_equal(what, FLUSH_SITE);
	assert_str(key, "example.org");
}

static void
put_count(struct buf *out)
{
	queue_put_count(out, 0x0123456789abcdef);
}

static enum err
read_count(struct str body, struct arena *arena UNUSED)
{
	return queue_read_count(body, &(uint64_t) { 0 });
}

static void
check_count(struct str body, struct arena *arena UNUSED)
{
	uint64_t n;

	assert_int_equal(queue_read_count(body, &n), OK);
	assert_true(n == 0x0123456789abcdef);
	assert_int_equal(body.p[0], '\xef'); // little-endian, as wire.h says
}

static void
put_refusal(struct buf *out)
{
	buf_putc(out, REFUSED_IO);
}

static enum err
read_refusal(struct str body, struct arena *arena UNUSED)
{
	return queue_read_refusal(body, &(enum queue_refusal) { 0 });
}

static void
check_refusal(struct str body, struct arena *arena UNUSED)
{
	enum queue_refusal why;

	assert_int_equal(queue_read_refusal(body, &why), OK);
	assert_int_equal(why, REFUSED_IO);
}

/* ---- router ---- */

static void
put_ask(struct buf *out)
{
	router_put_ask(
		out, &(struct router_ask) { S("s"), S("r"), true, true, true });
}

static enum err
read_ask(struct str body, struct arena *arena UNUSED)
{
	return router_read_ask(body, &(struct router_ask) { 0 });
}

static void
check_ask(struct str body, struct arena *arena UNUSED)
{
	struct router_ask m;

	assert_int_equal(router_read_ask(body, &m), OK);
	assert_str(m.sender, "s");
	assert_str(m.rcpt, "r");
	assert_true(m.may_relay);
}

static void
put_verdict(struct buf *out)
{
	router_put_verdict(
		out, &(struct router_verdict) { 550, S("5.1.1"), S("no"), true,
						S("m@x"), S("c@x"), 7 });
}

static enum err
read_verdict(struct str body, struct arena *arena UNUSED)
{
	return router_read_verdict(body, &(struct router_verdict) { 0 });
}

static void
check_verdict(struct str body, struct arena *arena UNUSED)
{
	struct router_verdict m;

	assert_int_equal(router_read_verdict(body, &m), OK);
	assert_int_equal(m.code, 550);
	assert_str(m.enhanced, "5.1.1");
	assert_str(m.text, "no");
	assert_true(m.is_local);
	assert_str(m.mailbox, "m@x");
	assert_str(m.bcc, "c@x");
	assert_int_equal(m.lasts_in, 7);
}

static void
put_route(struct buf *out)
{
	router_put_route(out, &(struct router_route) { ROUTE_HOLD, S("a"),
						       S("m"), S("t"), S("n"),
						       S("e"), S("x"), S("u"),
						       S("p"), S("may\n"), 8 });
}

static enum err
read_route(struct str body, struct arena *arena UNUSED)
{
	return router_read_route(body, &(struct router_route) { 0 });
}

static void
check_route(struct str body, struct arena *arena UNUSED)
{
	struct router_route m;

	assert_int_equal(router_read_route(body, &m), OK);
	assert_int_equal(m.class, ROUTE_HOLD);
	assert_str(m.address, "a");
	assert_str(m.mailbox, "m");
	assert_str(m.transport, "t");
	assert_str(m.next_hop, "n");
	assert_str(m.enhanced, "e");
	assert_str(m.text, "x");
	assert_str(m.sasl_user, "u");
	assert_str(m.sasl_password, "p");
	assert_str(m.tls_policy, "may\n");
	assert_int_equal(m.lasts_in, 8);
}

static void
put_quota(struct buf *out)
{
	router_put_quota(
		out,
		&(struct router_quota) {
			true, 1, 2, 3, true, { { "Trash", 4, 5, true } }, 1 });
}

static enum err
read_quota(struct str body, struct arena *arena UNUSED)
{
	return router_read_quota(body, &(struct router_quota) { 0 });
}

static void
check_quota(struct str body, struct arena *arena UNUSED)
{
	struct router_quota m;

	assert_int_equal(router_read_quota(body, &m), OK);
	assert_true(m.exists);
	assert_int_equal(m.storage_octets, 1);
	assert_int_equal(m.messages, 2);
	assert_int_equal(m.grace_octets, 3);
	assert_true(m.is_spanish);
	assert_int_equal(m.n_folders, 1);
	assert_string_equal(m.folders[0].mask, "Trash");
	assert_int_equal(m.folders[0].storage_octets, 4);
	assert_int_equal(m.folders[0].messages, 5);
	assert_true(m.folders[0].is_ignored);
}

static void
put_snapshot(struct buf *out)
{
	struct router_snapshot m = {
		.number = 1,
		.hostname = S("h"),
		.mynetworks = S("127.0.0.0/8"),
		.message_size_limit = 2,
		.recipient_limit = 3,
		.queue_run_delay_s = 4,
		.minimal_backoff_s = 5,
		.maximal_backoff_s = 6,
		.maximal_lifetime_s = 7,
		.bounce_lifetime_s = 8,
		.delay_warning_s = 9,
		.destination_concurrency = 10,
		.recipient_delimiter = S("+"),
		.smtp = S("smtp"),
	};

	m.smtpd[0][0].banner = S("b");
	m.smtpd[0][0].overshoot = 11;
	m.smtpd[0][0].timeout_s = 12;
	m.smtpd[0][1].timeout_s = 13;
	m.smtpd[2][1].is_deadline = true;
	router_put_snapshot(out, &m);
}

static enum err
read_snapshot(struct str body, struct arena *arena UNUSED)
{
	return router_read_snapshot(body, &(struct router_snapshot) { 0 });
}

static void
check_snapshot(struct str body, struct arena *arena UNUSED)
{
	struct router_snapshot m;

	assert_int_equal(router_read_snapshot(body, &m), OK);
	assert_int_equal(m.number, 1);
	assert_str(m.hostname, "h");
	assert_str(m.mynetworks, "127.0.0.0/8");
	assert_int_equal(m.message_size_limit, 2);
	assert_int_equal(m.recipient_limit, 3);
	assert_int_equal(m.queue_run_delay_s, 4);
	assert_int_equal(m.minimal_backoff_s, 5);
	assert_int_equal(m.maximal_backoff_s, 6);
	assert_int_equal(m.maximal_lifetime_s, 7);
	assert_int_equal(m.bounce_lifetime_s, 8);
	assert_int_equal(m.delay_warning_s, 9);
	assert_int_equal(m.destination_concurrency, 10);
	assert_str(m.smtpd[0][0].banner, "b");
	assert_int_equal(m.smtpd[0][0].overshoot, 11);
	assert_int_equal(m.smtpd[0][0].timeout_s, 12);
	assert_int_equal(m.smtpd[0][1].timeout_s, 13);
	assert_str(m.recipient_delimiter, "+");
	assert_str(m.smtp, "smtp");
	assert_true(m.smtpd[2][1].is_deadline);
	assert_false(m.smtpd[2][0].is_deadline);
}

/* ---- store ---- */

static void
put_command(struct buf *out)
{
	store_put_command(out,
			  &(struct store_command) { VERB_GETQUOTAROOT, true,
						    S("INBOX"), S("a1") });
}

static enum err
read_command(struct str body, struct arena *arena UNUSED)
{
	return store_read_command(body, &(struct store_command) { 0 });
}

static void
check_command(struct str body, struct arena *arena UNUSED)
{
	struct store_command m;

	assert_int_equal(store_read_command(body, &m), OK);
	assert_int_equal(m.verb, VERB_GETQUOTAROOT);
	assert_true(m.is_uid);
	assert_str(m.args, "INBOX");
}

static void
put_append(struct buf *out)
{
	store_put_append(out, &(struct store_append) { S("INBOX ()"), 77, 99,
						       true, .is_uid = true });
}

static enum err
read_append(struct str body, struct arena *arena UNUSED)
{
	return store_read_append(body, &(struct store_append) { 0 });
}

static void
check_append(struct str body, struct arena *arena UNUSED)
{
	struct store_append m;

	assert_int_equal(store_read_append(body, &m), OK);
	assert_str(m.args, "INBOX ()");
	assert_int_equal(m.size_octets, 77);
	assert_int_equal(m.limit_octets, 99);
	assert_true(m.has_literal && m.is_uid);
	assert_false(m.is_binary || m.is_replace);
}

static void
put_done(struct buf *out)
{
	store_put_done(
		out, &(struct store_done) { STORE_BYE, S("done"), true, true });
}

static enum err
read_done(struct str body, struct arena *arena UNUSED)
{
	return store_read_done(body, &(struct store_done) { 0 });
}

static void
check_done(struct str body, struct arena *arena UNUSED)
{
	struct store_done m;

	assert_int_equal(store_read_done(body, &m), OK);
	assert_int_equal(m.status, STORE_BYE);
	assert_str(m.text, "done");
	assert_true(m.is_selected);
	assert_true(m.is_notifying);
}

static void
put_body(struct buf *out)
{
	store_put_body(out, &(struct store_body) { 1, UINT64_MAX });
}

static enum err
read_body(struct str body, struct arena *arena UNUSED)
{
	return store_read_body(body, &(struct store_body) { 0 });
}

static void
check_body(struct str body, struct arena *arena UNUSED)
{
	struct store_body m;

	assert_int_equal(store_read_body(body, &m), OK);
	assert_int_equal(m.offset, 1);
	assert_true(m.n_octets == UINT64_MAX);
}

static void
put_room(struct buf *out)
{
	store_put_room(out, S("m@x"), 9);
}

static enum err
read_room(struct str body, struct arena *arena UNUSED)
{
	struct str mailbox;
	uint64_t size;

	return store_read_room(body, &mailbox, &size);
}

static void
check_room(struct str body, struct arena *arena UNUSED)
{
	struct str mailbox;
	uint64_t size;

	assert_int_equal(store_read_room(body, &mailbox, &size), OK);
	assert_str(mailbox, "m@x");
	assert_int_equal(size, 9);
}

static void
put_delivery(struct buf *out)
{
	static const struct store_rcpt rcpts[] = {
		{ STR_INIT("m@x"), STR_INIT("a@x"), STR_INIT("o"),
		  STR_INIT("f"), 4 },
		{ STR_INIT("n@x"), STR_INIT("b@x"), STR_INIT(""), STR_INIT(""),
		  5 },
	};

	store_put_delivery(out,
			   &(struct store_delivery) { S("ID"), true, S("s@y"),
						      6, 7, 8, rcpts, 2 });
}

static enum err
read_delivery(struct str body, struct arena *arena)
{
	return store_read_delivery(body, arena, &(struct store_delivery) { 0 });
}

static void
check_delivery(struct str body, struct arena *arena)
{
	struct store_delivery m;

	assert_int_equal(store_read_delivery(body, arena, &m), OK);
	assert_str(m.id, "ID");
	assert_true(m.is_repeat);
	assert_str(m.sender, "s@y");
	assert_int_equal(m.arrived_us, 6);
	assert_int_equal(m.size_octets, 7);
	assert_int_equal(m.n_rcpts, 2);
	assert_str(m.rcpts[0].mailbox, "m@x");
	assert_str(m.rcpts[0].address, "a@x");
	assert_str(m.rcpts[0].orig, "o");
	assert_str(m.rcpts[0].folder, "f");
	assert_int_equal(m.duplicate_s, 8);
	assert_int_equal(m.rcpts[0].index, 4);
	assert_str(m.rcpts[1].mailbox, "n@x");
	assert_int_equal(m.rcpts[1].index, 5);
}

static void
put_answer(struct buf *out)
{
	store_put_answer(out,
			 &(struct store_answer) { 452, S("4.2.2"), S("full") });
}

static enum err
read_answer(struct str body, struct arena *arena UNUSED)
{
	return store_read_answer(body, &(struct store_answer) { 0 });
}

static void
check_answer(struct str body, struct arena *arena UNUSED)
{
	struct store_answer m;

	assert_int_equal(store_read_answer(body, &m), OK);
	assert_int_equal(m.code, 452);
	assert_str(m.enhanced, "4.2.2");
	assert_str(m.text, "full");
}

/* ---- parent and frames ---- */

static void
put_control(struct buf *out)
{
	control_put(out,
		    &(struct control) { CONTROL_CONNECTED, SERVICE_LMTP, 3 });
}

static enum err
read_control(struct str body, struct arena *arena UNUSED)
{
	return control_read(body, &(struct control) { 0 });
}

static void
check_control(struct str body, struct arena *arena UNUSED)
{
	struct control m;

	assert_int_equal(control_read(body, &m), OK);
	assert_int_equal(m.type, CONTROL_CONNECTED);
	assert_int_equal(m.what, SERVICE_LMTP);
	assert_int_equal(m.copy, 3);
}

static void
put_policy_ask(struct buf *out)
{
	struct policy_fact facts[] = {
		{ POLICY_EXCHANGES, POLICY_FOUND, S("a.b"), S("mx.a.b\nmx2") },
		{ POLICY_TEXT, POLICY_TEMPORARY, S("c.d"), S("") },
	};
	struct policy_ask m = {
		.service = 1,
		.at = POLICY_AT_RCPT,
		.has_sender = true,
		.client = S("192.0.2.1"),
		.rcpt = S("r@a.b"),
		.n_rcpts = 7,
		.carried = { 450, S("4.7.1"), S("later") },
		.facts = facts,
		.n_facts = N_OF(facts),
	};

	policy_put_ask(out, &m);
}

static enum err
read_policy_ask(struct str body, struct arena *arena)
{
	struct policy_ask m;

	return policy_read_ask(body, arena, &m);
}

static void
check_policy_ask(struct str body, struct arena *arena)
{
	struct policy_ask m;

	assert_int_equal(policy_read_ask(body, arena, &m), OK);
	assert_int_equal(m.at, POLICY_AT_RCPT);
	assert_true(m.has_sender);
	assert_false(m.has_rcpt);
	assert_str(m.client, "192.0.2.1");
	assert_str(m.rcpt, "r@a.b");
	assert_int_equal(m.n_rcpts, 7);
	assert_str(m.carried.text, "later");
	assert_int_equal(m.n_facts, 2);
	assert_str(m.facts[0].value, "mx.a.b\nmx2");
	assert_int_equal(m.facts[1].status, POLICY_TEMPORARY);
}

static void
put_policy_header_ask(struct buf *out)
{
	struct policy_header_ask m = {
		S("a@b"), S("127.0.0.1"),      true, false, true,
		false,	  S("From: x\r\n\r\n")
	};

	policy_put_header_ask(out, &m);
}

static enum err
read_policy_header_ask(struct str body, struct arena *arena UNUSED)
{
	struct policy_header_ask m;

	return policy_read_header_ask(body, &m);
}

static void
check_policy_header_ask(struct str body, struct arena *arena UNUSED)
{
	struct policy_header_ask m;

	assert_int_equal(policy_read_header_ask(body, &m), OK);
	assert_str(m.sender, "a@b");
	assert_str(m.client, "127.0.0.1");
	assert_true(m.is_trusted && !m.has_login);
	assert_true(m.is_unchecked && !m.is_unmapped);
	assert_str(m.header, "From: x\r\n\r\n");
}

static void
put_policy_content(struct buf *out)
{
	policy_put_content(out, POLICY_CONTENT_SENT, S("A: b\r\n\r\n"));
}

static enum err
read_policy_content(struct str body, struct arena *arena UNUSED)
{
	enum policy_content_way way;
	struct str header;

	return policy_read_content(body, &way, &header);
}

static void
check_policy_content(struct str body, struct arena *arena UNUSED)
{
	enum policy_content_way way;
	struct str header;

	assert_int_equal(policy_read_content(body, &way, &header), OK);
	assert_int_equal(way, POLICY_CONTENT_SENT);
	assert_str(header, "A: b\r\n\r\n");
}

static void
put_policy_piece(struct buf *out)
{
	policy_put_piece(out, true, S("octets"));
}

static enum err
read_policy_piece(struct str body, struct arena *arena UNUSED)
{
	struct str octets;
	bool is_over;

	return policy_read_piece(body, &is_over, &octets);
}

static void
check_policy_piece(struct str body, struct arena *arena UNUSED)
{
	struct str octets;
	bool is_over;

	assert_int_equal(policy_read_piece(body, &is_over, &octets), OK);
	assert_true(is_over);
	assert_str(octets, "octets");
}

static void
put_policy_answer(struct buf *out)
{
	struct policy_effect effects[] = {
		{ POLICY_BCC, S("x@y"), S("rule") },
	};
	struct policy_answer m = {
		.outcome = POLICY_NEED,
		.reply = { 554, S("5.7.1"), S("no") },
		.is_hang_up = true,
		.rule = S("reject"),
		.need_kind = POLICY_SERVERS,
		.need_key = S("a.b"),
		.more = (const struct str[]) { S("m.n"), S("o.p") },
		.n_more = 2,
		.effects = effects,
		.n_effects = 1,
	};

	policy_put_answer(out, &m);
}

static enum err
read_policy_answer(struct str body, struct arena *arena)
{
	struct policy_answer m;

	return policy_read_answer(body, arena, &m);
}

static void
check_policy_answer(struct str body, struct arena *arena)
{
	struct policy_answer m;

	assert_int_equal(policy_read_answer(body, arena, &m), OK);
	assert_int_equal(m.outcome, POLICY_NEED);
	assert_int_equal(m.reply.code, 554);
	assert_true(m.is_hang_up);
	assert_int_equal(m.need_kind, POLICY_SERVERS);
	assert_str(m.need_key, "a.b");
	assert_int_equal(m.n_more, 2);
	assert_str(m.more[1], "o.p");
	assert_int_equal(m.n_effects, 1);
	assert_str(m.effects[0].text, "x@y");
}

static const struct message messages[] = {
#define M(name)                                              \
	{                                                    \
#name, put_##name, read_##name, check_##name \
	}
	M(auth_check),
	M(auth_answer),
	M(auth_scram),
	M(auth_offer),
	M(auth_held),
	M(envelope),
	M(out_job),
	M(out_result),
	M(dns_answer),
	M(entry),
	M(event),
	M(flush),
	M(count),
	M(refusal),
	M(ask),
	M(verdict),
	M(route),
	M(quota),
	M(snapshot),
	M(command),
	M(append),
	M(done),
	M(body),
	M(room),
	M(delivery),
	M(answer),
	M(control),
	M(policy_ask),
	M(policy_header_ask),
	M(policy_content),
	M(policy_piece),
	M(policy_answer),
	{ "no_hosts", put_no_hosts, read_dns_answer, check_no_hosts },
};

static void
what_is_put_is_read(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(messages); i++) {
		struct buf b = BUF_INIT(10000);
		struct arena arena = ARENA_INIT(ARENA_OCTETS);

		messages[i].put(&b);
		assert_true(b.n <= b.max);
		messages[i].check(buf_str(&b), &arena);
		arena_release(&arena);
		buf_release(&b);
	}
}

/* From exact memory, so that a read beyond the end is found. */
static enum err
read_exact(const struct message *m, struct str bytes)
{
	struct arena arena = ARENA_INIT(ARENA_OCTETS);
	char *copy = malloc(bytes.n ? bytes.n : 1);
	enum err e;

	assert_non_null(copy);
	if (bytes.n > 0)
		memcpy(copy, bytes.p, bytes.n);
	e = m->read(str_of(copy, bytes.n), &arena);
	free(copy);
	arena_release(&arena);
	return e;
}

static void
no_prefix_and_no_tail_passes(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(messages); i++) {
		struct buf b = BUF_INIT(10000);

		messages[i].put(&b);
		for (size_t n = 0; n < b.n; n++) {
			enum err e = read_exact(&messages[i],
						str_first(buf_str(&b), n));

			if (e != ERR_FORMAT)
				print_error("%s cut at %zu\n", messages[i].name,
					    n);
			assert_int_equal(e, ERR_FORMAT);
		}
		buf_putc(&b, '\0');
		assert_int_equal(read_exact(&messages[i], buf_str(&b)),
				 ERR_FORMAT);
		buf_release(&b);
	}
}

static void
mutations_never_crash(void **state UNUSED)
{
	unsigned seed = 20260131;

	for (size_t i = 0; i < N_OF(messages); i++) {
		struct buf b = BUF_INIT(10000);
		size_t n_kinds[ERR_MORE + 1] = { 0 };

		messages[i].put(&b);
		for (int turn = 0; turn < MUTATIONS; turn++) {
			char keep[4];
			size_t at[4];

			for (int k = 0; k < 4; k++) {
				at[k] = (size_t)rand_r(&seed) % b.n;
				keep[k] = b.p[at[k]];
				b.p[at[k]] = (char)rand_r(&seed);
				if (k == rand_r(&seed) % 4)
					b.p[at[k]] = '\xff';
			}
			n_kinds[read_exact(&messages[i], buf_str(&b))]++;
			for (int k = 3; k >= 0; k--)
				b.p[at[k]] = keep[k];
		}
		assert_true(n_kinds[ERR_FORMAT] + n_kinds[OK] +
				    n_kinds[ERR_LIMIT] ==
			    MUTATIONS);
		buf_release(&b);
	}
}

static void
counts_are_bounded(void **state UNUSED)
{
	struct buf b = BUF_INIT(10000);
	struct arena arena = ARENA_INIT(ARENA_OCTETS);
	struct dns_answer m;

	wire_put_u8(&b, DNS_OK);
	wire_put_u32(&b, DNS_MAX_ADDRESSES + 1);
	assert_int_equal(dns_read_answer(buf_str(&b), &arena, &m), ERR_FORMAT);
	arena_release(&arena);
	arena_init(&arena, 16); // no room for the recipients
	buf_clear(&b);
	put_envelope(&b);
	assert_int_equal(read_envelope(buf_str(&b), &arena), ERR_LIMIT);
	arena_release(&arena);
	buf_release(&b);
}

static const struct {
	const char *name;
	struct control in;
	enum err want;
} controls[] = {
	{ "a file", { CONTROL_FILE, FILE_ACCOUNTS, 0 }, OK },
	{ "no such file", { CONTROL_FILE, FILE_KINDS, 0 }, ERR_FORMAT },
	{ "last service", { CONTROL_CONNECT, SERVICES - 1, 9 }, OK },
	{ "no such service", { CONTROL_CONNECT, SERVICES, 0 }, ERR_FORMAT },
	{ "no such type", { CONTROL_TYPES, 0, 0 }, ERR_FORMAT },
};

static void
control_values_are_bounded(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(controls); i++) {
		struct buf b = BUF_INIT(CONTROL_MAX_OCTETS);
		struct control m;

		control_put(&b, &controls[i].in);
		assert_int_equal(control_read(buf_str(&b), &m),
				 controls[i].want);
		buf_release(&b);
	}
	for (enum service s = 0; s < SERVICES; s++)
		assert_true(service_name(s)[0] != '\0');
}

static const struct {
	const char *name;
	struct frame_head head;
	enum err want;
} heads[] = {
	{ "plain", { 5, 0x80000001, 7, FRAME_OPEN | FRAME_END, 0 }, OK },
	{ "largest", { FRAME_BODY_MAX_OCTETS, 1, 65535, 0, 0 }, OK },
	{ "too large", { FRAME_BODY_MAX_OCTETS + 1, 1, 1, 0, 0 }, ERR_FORMAT },
	{ "credit", { 0, 1, 0, FRAME_CREDIT, 99 }, OK },
	{ "credit, body", { 1, 1, 0, FRAME_CREDIT, 9 }, ERR_FORMAT },
	{ "credit, end", { 0, 1, 0, FRAME_CREDIT | FRAME_END, 9 }, ERR_FORMAT },
	{ "gone", { 0, 1, 0, FRAME_GONE, 0 }, OK },
	{ "gone, body", { 1, 1, 0, FRAME_GONE, 0 }, ERR_FORMAT },
	{ "gone, fd", { 0, 1, 0, FRAME_GONE | FRAME_HAS_FD, 0 }, ERR_FORMAT },
	{ "gone, credit",
	  { 0, 1, 0, FRAME_GONE | FRAME_CREDIT, 0 },
	  ERR_FORMAT },
	{ "unknown flag", { 0, 1, 0, 32, 0 }, ERR_FORMAT },
};

static void
frame_heads(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(heads); i++) {
		struct buf b = BUF_INIT(100);
		struct frame_head got;

		frame_put_head(&b, &heads[i].head);
		assert_int_equal(b.n, FRAME_HEAD_OCTETS);
		for (size_t n = 0; n < b.n; n++)
			assert_int_equal(
				frame_read_head(str_first(buf_str(&b), n),
						&got),
				ERR_MORE);
		assert_int_equal(frame_read_head(buf_str(&b), &got),
				 heads[i].want);
		if (heads[i].want == OK) {
			assert_int_equal(got.body_octets,
					 heads[i].head.body_octets);
			assert_int_equal(got.call, heads[i].head.call);
			assert_int_equal(got.type, heads[i].head.type);
			assert_int_equal(got.flags, heads[i].head.flags);
			assert_int_equal(got.credit, heads[i].head.credit);
		}
		buf_release(&b);
	}
}

static void
users_are_spread_over_stores(void **state UNUSED)
{
	unsigned n_users[4] = { 0 };

	for (int i = 0; i < 1000; i++) {
		struct buf b = BUF_INIT(100);

		buf_putf(&b, "user%d@example.org", i);
		n_users[store_of_user(buf_str(&b), 4)]++;
		assert_int_equal(store_of_user(buf_str(&b), 1), 0);
		assert_int_equal(store_of_user(buf_str(&b), 0), 0);
		buf_release(&b);
	}
	for (int i = 0; i < 4; i++)
		assert_true(n_users[i] > 150);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_is_read),
		cmocka_unit_test(no_prefix_and_no_tail_passes),
		cmocka_unit_test(mutations_never_crash),
		cmocka_unit_test(counts_are_bounded),
		cmocka_unit_test(marks_of_envelopes),
		cmocka_unit_test(control_values_are_bounded),
		cmocka_unit_test(frame_heads),
		cmocka_unit_test(users_are_spread_over_stores),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
