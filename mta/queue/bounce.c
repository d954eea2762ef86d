/* SPDX-License-Identifier: MIT
 * mta/queue/bounce.c - tells senders what could not be delivered. */
#include "lib/base/check.h"
#include "lib/mail/dsn.h"
#include "lib/rt/log.h"
#include "mta/queue/queue_private.h"

#include <openssl/rand.h>

enum {
	HEADER_MAX_OCTETS = 64 * 1024, // of the original that goes along
	FULL_MAX_OCTETS = 1 << 20,     // RET=FULL up to here (RFC 3461 6.2)
	DSN_OCTETS = 64 * 1024,	       // of a report, without what it is about
	DSN_RCPT_OCTETS = 16 * 1024,   // at most, for each recipient
	TEXT_OCTETS = 4096,
	TOKEN_OCTETS = 20,
	TRIES = 3, // of boundaries
};

static bool
wants_failure(const struct message *m, uint32_t index)
{
	uint8_t notify =
		m->envelope.recipients[m->rcpts[index].original].notify;

	return notify == 0 || (notify & NOTIFY_FAILURE);
}

static void
make_token(char token[TOKEN_OCTETS + 1])
{
	unsigned char bytes[TOKEN_OCTETS / 2];

	check(RAND_bytes(bytes, sizeof(bytes)) == 1);
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(token + 2 * i, 3, "%02x", bytes[i]);
}

/* The header of the message, or all of it. ERR_FORMAT: it is damaged. */
static enum err
read_original(const struct message *m, bool is_full, struct buf *out)
{
	size_t max = is_full ? FULL_MAX_OCTETS : HEADER_MAX_OCTETS;
	ptrdiff_t end;
	enum err e = OK;

	for (size_t i = 0; i < message_n_pieces(m) && out->n < max && e == OK;
	     i++)
		e = message_read_piece(&queue.table, m, i, out);
	if (e != OK)
		return e;
	if (out->n > max)
		buf_truncate(out, max);
	end = str_find(buf_str(out), S("\r\n\r\n"));
	if (!is_full && end >= 0)
		buf_truncate(out, (size_t)end + 2);
	return OK;
}

/* "local@domain", where the local part may hold an '@' of its own. */
static struct address
split(struct str text)
{
	ptrdiff_t at = str_rchr(text, '@');

	if (at < 0)
		return (struct address) { text, STR_NONE };
	return (struct address) { str_first(text, (size_t)at),
				  str_from(text, (size_t)at + 1) };
}

/* ORCPT is kept as "type;address". */
static struct str
orcpt_type(struct str orcpt)
{
	ptrdiff_t end = str_chr(orcpt, ';');

	return str_first(orcpt, end < 0 ? 0 : (size_t)end);
}

static struct str
orcpt_address(struct str orcpt)
{
	ptrdiff_t end = str_chr(orcpt, ';');

	return end < 0 ? orcpt : str_from(orcpt, (size_t)end + 1);
}

static size_t
fill_rcpts(const struct message *m, const struct failure *failures, size_t n,
	   struct dsn_rcpt *rcpts, struct buf *texts)
{
	size_t n_rcpts = 0;

	for (size_t i = 0; i < n; i++) {
		const struct failure *f = &failures[i];
		const struct message_rcpt *r = &m->rcpts[f->index];
		struct str orcpt = m->envelope.recipients[r->original].orcpt;
		bool has_reply = f->remote[0] != '\0';
		size_t at = texts->n;

		if (!wants_failure(m, f->index))
			continue;
		buf_putf(texts, "%d %s", f->code, f->text);
		rcpts[n_rcpts++] = (struct dsn_rcpt) {
			.final = split(r->address),
			.original_type = orcpt_type(orcpt),
			.original = orcpt_address(orcpt),
			.action = DSN_FAILED,
			.status = str_c(f->enhanced),
			.remote_mta = str_c(f->remote),
			.diagnostic = has_reply ? str_from(buf_str(texts), at)
						: STR_NONE,
			.reason = str_c(f->text),
			.last_attempt_at_s = wall_s(),
		};
	}
	return n_rcpts;
}

static enum err
format(struct dsn *d, struct buf *content)
{
	enum err e = ERR_EXISTS;

	for (int i = 0; i < TRIES && e == ERR_EXISTS; i++) {
		char token[TOKEN_OCTETS + 1];

		make_token(token);
		d->token = str_c(token);
		buf_clear(content);
		e = dsn_format(content, d);
	}
	d->token = STR_NONE;
	return e;
}

static enum err
enqueue(struct co *co, const struct message *about, struct str hostname,
	struct str content)
{
	struct recipient to = { .address = about->envelope.sender,
				.notify = NOTIFY_NEVER };
	struct envelope envelope = {
		.client = S("local"),
		.helo = hostname,
		.is_8bit = about->envelope.is_8bit,
		.is_smtputf8 = about->envelope.is_smtputf8,
		.arrived_us = wall_us(),
		.recipients = &to,
		.n_recipients = 1,
	};
	struct message_draft *draft = message_draft_new();
	struct buf body = BUF_INIT(QUEUE_ENVELOPE_MAX_OCTETS);
	struct message *m;
	enum err e;

	check(RAND_bytes((unsigned char *)&envelope.secret,
			 sizeof(envelope.secret)) == 1);
	e = message_draft_add(co, &queue.table, draft, content);

	envelope_put(&body, &envelope);
	if (e == OK)
		e = message_commit(co, &queue.table, &draft, buf_str(&body),
				   &m);
	if (e == OK) {
		log_info("bounce", FC("id", about->id), FC("dsn", m->id),
			 FA("to", about->envelope.sender));
		schedule_now(m->queued);
	}
	message_draft_free(&queue.table, &draft);
	buf_release(&body);
	return e;
}

enum err
bounce_send(struct co *co, const struct message *m,
	    const struct failure *failures, size_t n)
{
	struct settings *settings = settings_hold();
	struct buf original =
		BUF_INIT(FULL_MAX_OCTETS + RECORD_BODY_MAX_OCTETS);
	struct buf content =
		BUF_INIT(DSN_OCTETS + FULL_MAX_OCTETS + n * DSN_RCPT_OCTETS);
	struct buf texts = BUF_INIT(n * TEXT_OCTETS + 1);
	struct dsn_rcpt *rcpts = must_alloc(n * sizeof(*rcpts));
	struct dsn d = { .rcpts = rcpts };
	enum err e = OK;

	// the texts must not move
	check(buf_reserve(&texts, n * TEXT_OCTETS) == OK);
	d.n_rcpts = fill_rcpts(m, failures, n, rcpts, &texts);
	if (m->envelope.sender.n == 0 || d.n_rcpts == 0) {
		log_info("bounce.none", FC("id", m->id),
			 FC("why", d.n_rcpts ? "null sender" : "NOTIFY"));
		goto out;
	}
	if (settings == NULL) {
		e = ERR_UNAVAILABLE;
		goto out;
	}
	d.host = settings_of(settings)->hostname;
	d.to = split(m->envelope.sender);
	d.envid = m->envelope.envid;
	d.arrived_at_s = m->envelope.arrived_us / US_PER_S;
	d.now_s = wall_s();
	d.utc_offset_minutes = utc_offset_minutes(d.now_s);
	d.is_full = m->envelope.ret == RET_FULL &&
		    m->size_octets <= FULL_MAX_OCTETS;
	e = read_original(m, d.is_full, &original);
	d.original = buf_str(&original);
	if (e == OK)
		e = format(&d, &content);
	if (e == OK)
		e = enqueue(co, m, d.host, buf_str(&content));
out:
	free(rcpts);
	buf_release(&original);
	buf_release(&content);
	buf_release(&texts);
	settings_drop(&settings);
	return e;
}
