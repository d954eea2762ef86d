/* SPDX-License-Identifier: MIT
 * mta/queue/bounce.c - tells senders what could not be delivered. */
#include "lib/base/check.h"
#include "lib/base/utf8.h"
#include "lib/mail/dsn.h"
#include "lib/rt/log.h"
#include "mta/queue/message_draft.h"
#include "mta/queue/queue_private.h"

#include <openssl/rand.h>

enum {
	HEADER_MAX_OCTETS = 64 * 1024, // of the original that goes along
	FULL_MAX_OCTETS = 1 << 20,     // RET=FULL up to here (RFC 3461 6.2)
	DSN_OCTETS = 192 * 1024, // of a report with its words, without what it
				 // is about
	DSN_RCPT_OCTETS = 16 * 1024, // at most, for each recipient
	TEXT_OCTETS = 4096,
	TOKEN_OCTETS = 20,
	TRIES = 3, // of boundaries
};

bool
bounce_lists_word(struct str list, struct str word)
{
	while (list.n > 0) {
		size_t n = 0;

		while (n < list.n && list.p[n] != ',' &&
		       !ascii_is_space(list.p[n]))
			n++;
		if (str_eq(str_first(list, n), word))
			return true;
		list = str_from(list, n + 1);
	}
	return false;
}

bool
bounce_is_of_list(const struct message *m, uint32_t index)
{
	size_t n = 0;

	for (size_t i = m->envelope.n_recipients; i < m->n_rcpts; i++)
		n += m->rcpts[i].original == m->rcpts[index].original;
	return index >= m->envelope.n_recipients && n > 1;
}

/* RFC 3461 4.1: without NOTIFY of failures and, here, of delays. */
bool
bounce_is_wanted(const struct message *m, enum report report, uint32_t index)
{
	static const uint8_t bits[] = {
		[REPORT_FAILURE] = NOTIFY_FAILURE,
		[REPORT_DELAY] = NOTIFY_DELAY,
		[REPORT_SUCCESS] = NOTIFY_SUCCESS,
	};
	uint8_t notify =
		m->envelope.recipients[m->rcpts[index].original].notify;

	if (notify == 0)
		return report != REPORT_SUCCESS;
	return notify & bits[report];
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

/* BINARYMIME: a report has lines, so its copy of the header has no octet that
 * could not stand in one. */
static void
make_lines_of(struct buf *header)
{
	for (size_t i = 0; i < header->n; i++) {
		char c = header->p[i];
		char next = i + 1 < header->n ? header->p[i + 1] : '\0';

		if (c == '\r' && next == '\n')
			i++;
		else if (c == '\r' || c == '\n' || c == '\0')
			header->p[i] = '?';
	}
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
fill_rcpts(const struct message *m, enum report report,
	   const struct failure *failures, size_t n, int64_t retry_until_s,
	   struct dsn_rcpt *rcpts, struct buf *texts)
{
	size_t n_rcpts = 0;

	for (size_t i = 0; i < n; i++) {
		const struct failure *f = &failures[i];
		const struct message_rcpt *r = &m->rcpts[f->index];
		struct str orcpt = m->envelope.recipients[r->original].orcpt;
		bool has_reply = f->remote[0] != '\0';
		size_t at = texts->n;

		if (!bounce_is_wanted(m, report, f->index))
			continue;
		buf_putf(texts, "%d %s", f->code, f->text);
		rcpts[n_rcpts++] = (struct dsn_rcpt) {
			.final = split(r->address),
			.original_type = orcpt_type(orcpt),
			.original = orcpt_address(orcpt),
			.action = f->action,
			.status = str_c(f->enhanced),
			.remote_mta = str_c(f->remote),
			.diagnostic = has_reply ? str_from(buf_str(texts), at)
						: STR_NONE,
			.reason = has_reply ? STR_NONE : str_c(f->text),
			.last_attempt_at_s = wall_s(),
			.retry_until_s = retry_until_s,
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

/* Who is told, and as whom. */
struct route_back {
	struct str from; // envelope sender: empty for the null path
	struct str to;
};

static enum err
enqueue(struct co *co, const struct message *about,
	const struct route_back *back, struct str hostname, struct str content)
{
	struct recipient to = { .address = back->to, .notify = NOTIFY_NEVER };
	struct envelope envelope = {
		.sender = back->from,
		.client = S("local"),
		.helo = hostname,
		.is_8bit = !utf8_is_ascii(content),
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
			 FA("to", back->to));
		history_add(queue.history,
			    &(struct queue_event) { .kind = EVENT_REPORTED,
						    .id = str_c(about->id),
						    .address = back->to,
						    .other = str_c(m->id) });
		history_add(queue.history,
			    &(struct queue_event) { .kind = EVENT_ACCEPTED,
						    .id = str_c(m->id),
						    .other = S("local"),
						    .text = S("a report") });
		schedule_now(m->queued);
	}
	message_draft_free(&queue.table, &draft);
	buf_release(&body);
	return e;
}

static void
none(const struct message *m, const char *why)
{
	log_info("bounce.none", FC("id", m->id), FC("why", why));
}

/* Names of notify_classes. */
static const struct str *
classes(void)
{
	static const struct str names[] = { [REPORT_FAILURE] =
						    STR_INIT("bounce"),
					    [REPORT_DELAY] = STR_INIT("delay"),
					    [REPORT_SUCCESS] = STR_INIT("") };

	return names;
}

/* For a message from the null path: nobody, or the postmaster. What was sent as
 * double_bounce_sender is the end of it (S22). */
static bool
find_way_back(const struct message *m, enum report report,
	      const struct router_snapshot *s, struct str double_bounce,
	      struct route_back *out)
{
	out->from = STR_NONE;
	out->to = m->envelope.sender;
	if (str_ieq(m->envelope.sender, double_bounce)) {
		none(m, "double bounce");
		return false;
	}
	if (m->envelope.sender.n > 0)
		return true;
	if (report != REPORT_FAILURE ||
	    !bounce_lists_word(s->queue.notify_classes, S("2bounce"))) {
		none(m, "null sender");
		return false;
	}
	out->from = double_bounce;
	out->to = s->queue.double_bounce_recipient;
	return true;
}

static void
fill_report(struct dsn *d, const struct message *m, enum report report,
	    const struct router_snapshot *s)
{
	static const uint8_t templates[] = {
		// as in bounce(5)
		[REPORT_FAILURE] = 0,
		[REPORT_DELAY] = 1,
		[REPORT_SUCCESS] = 2,
	};
	const struct router_report *own = &s->reports[templates[report]];
	uint64_t limit = s->queue.bounce_size_limit;

	d->language = str_eq(s->queue.bounce_language, S("es")) ? DSN_SPANISH
								: DSN_ENGLISH;
	d->own = (struct dsn_words) { own->charset, own->from, own->subject,
				      own->copy_subject, own->text };
	d->host = s->hostname;
	d->envid = m->envelope.envid;
	d->arrived_at_s = m->envelope.arrived_us / US_PER_S;
	d->now_s = wall_s();
	d->utc_offset_minutes = utc_offset_minutes(d->now_s);
	d->is_utf8 = m->envelope.is_smtputf8;
	if (limit > FULL_MAX_OCTETS)
		limit = FULL_MAX_OCTETS;
	d->is_full = m->envelope.ret != RET_HDRS && m->size_octets <= limit;
}

static enum err
send_report(struct co *co, const struct message *m, struct dsn *d,
	    const struct route_back *back)
{
	struct buf original =
		BUF_INIT(FULL_MAX_OCTETS + RECORD_BODY_MAX_OCTETS);
	struct buf content = BUF_INIT(DSN_OCTETS + FULL_MAX_OCTETS +
				      d->n_rcpts * DSN_RCPT_OCTETS);
	bool is_binary = m->envelope.is_binary;
	enum err e;

	d->is_full = d->is_full && !is_binary;
	e = read_original(m, d->is_full, &original);
	if (is_binary)
		make_lines_of(&original);

	d->to = split(back->to);
	d->original = buf_str(&original);
	if (e == OK)
		e = format(d, &content);
	if (e == OK)
		e = enqueue(co, m, back, d->host, buf_str(&content));
	buf_release(&original);
	buf_release(&content);
	return e;
}

/* notify_classes: header alone, and nobody waits for it. */
static void
send_copy(struct co *co, const struct message *m, enum report report,
	  const struct router_snapshot *s, struct str from, struct dsn *d)
{
	struct route_back back = { from, report == REPORT_DELAY
						 ? s->queue.delay_recipient
						 : s->queue.bounce_recipient };

	if (m->envelope.sender.n == 0 || classes()[report].n == 0 ||
	    !bounce_lists_word(s->queue.notify_classes, classes()[report]))
		return;
	d->is_copy = true;
	d->is_full = false;
	if (send_report(co, m, d, &back) != OK)
		log_warn("bounce.no-copy", FC("id", m->id));
}

enum err
bounce_send(struct co *co, const struct message *m, enum report report,
	    const struct failure *list, size_t n)
{
	struct settings *settings = settings_hold();
	const struct router_snapshot *s = settings_of(settings);
	struct buf texts = BUF_INIT(n * TEXT_OCTETS + 1);
	struct buf double_bounce = BUF_INIT(ROUTER_TEXT_MAX_OCTETS * 2);
	struct dsn_rcpt *rcpts = must_alloc(n * sizeof(*rcpts));
	int64_t retry_until_s = m->envelope.arrived_us / US_PER_S +
				(int64_t)s->maximal_lifetime_s;
	struct dsn d = { .rcpts = rcpts };
	struct route_back back;
	enum err e = OK;

	// the texts must not move
	check(buf_reserve(&texts, n * TEXT_OCTETS) == OK);
	buf_put(&double_bounce, s->queue.double_bounce_sender);
	if (str_chr(buf_str(&double_bounce), '@') < 0) {
		buf_putc(&double_bounce, '@');
		buf_put(&double_bounce, s->hostname);
	}
	d.n_rcpts =
		fill_rcpts(m, report, list, n, retry_until_s, rcpts, &texts);
	fill_report(&d, m, report, s);
	if (d.n_rcpts == 0)
		none(m, "NOTIFY");
	else if (find_way_back(m, report, s, buf_str(&double_bounce), &back)) {
		e = send_report(co, m, &d, &back);
		if (e == OK)
			send_copy(co, m, report, s, buf_str(&double_bounce),
				  &d);
	}
	free(rcpts);
	buf_release(&texts);
	buf_release(&double_bounce);
	settings_drop(&settings);
	return e;
}
