/* SPDX-License-Identifier: MIT
 * mda/front/lmtp/delivery.c - DATA and BDAT: the content flows to each store
 * that owns a recipient, and their answers back.
 *
 * Invariants:
 *  (1) A recipient gets a 2yz reply only if its store said so after it had the
 *      whole content.
 *  (2) When the client breaks off, no store hears the end of the content, and
 *      so none delivers.
 */
#include "mda/front/lmtp/session.h"

#include "lib/base/check.h"
#include "lib/mail/smtp_data.h"
#include "lib/rt/settings.h"

enum {
	CHUNK_AT_OCTETS = 64 * 1024,
	CONTENT_BUF_OCTETS = 2 * LMTP_INPUT_MAX,
	DELIVERY_MAX_OCTETS = 1 << 20,
};

/* What goes to one store process; call is NULL when it has nothing to do, or
 * broke. */
struct part {
	struct call *call;
};

struct lmtp_delivery {
	struct part *parts; // front.n_stores
	struct smtp_data reader;
	struct buf content; // unstuffed, not sent yet
};

static const struct store_answer later = {
	.code = 451,
	.enhanced = STR_INIT("4.3.0"),
	.text = STR_INIT("The mail store failed, try again later"),
};

/* ---- the beginning ---- */

/* "folder" of user+folder@domain; empty when the mailbox is another's. */
static struct str
detail_of(const struct lmtp_rcpt *r, const struct router_snapshot *now)
{
	struct str local =
		str_first(r->address, (size_t)str_rchr(r->address, '@'));
	struct str name =
		str_first(r->mailbox, (size_t)str_chr(r->mailbox, '@'));

	if (str_rchr(r->address, '@') < 0 || str_chr(r->mailbox, '@') < 0 ||
	    !str_istarts(local, name) || local.n <= name.n + 1 ||
	    str_chr(now->recipient_delimiter, local.p[name.n]) < 0)
		return S("");
	return str_from(local, name.n + 1);
}

static void
put_delivery(struct buf *out, const struct lmtp_transaction *t, unsigned store)
{
	struct store_rcpt *rcpts = must_alloc(t->n_rcpts * sizeof(*rcpts));
	struct settings *settings = settings_hold();
	const struct router_snapshot *now =
		settings ? settings_of(settings) : NULL;
	struct store_delivery d = {
		.id = t->id,
		.is_repeat = t->is_repeat,
		.sender = t->sender,
		.arrived_us = wall_us(),
		.size_octets = t->size_octets,
		.duplicate_s = now ? now->duplicate_s : 0,
		.rcpts = rcpts,
	};

	for (size_t i = 0; i < t->n_rcpts; i++) {
		const struct lmtp_rcpt *r = &t->rcpts[i];

		if (r->store == store)
			rcpts[d.n_rcpts++] = (struct store_rcpt) {
				.mailbox = r->mailbox,
				.address = r->address,
				.orig = r->original,
				.folder = now && now->saves_to_detail
						  ? detail_of(r, now)
						  : S(""),
				.index = r->index,
			};
	}
	store_put_delivery(out, &d);
	settings_drop(&settings);
	free(rcpts);
}

static bool
has_rcpt_in(const struct lmtp_transaction *t, unsigned store)
{
	for (size_t i = 0; i < t->n_rcpts; i++)
		if (t->rcpts[i].store == store)
			return true;
	return false;
}

static void
open_part(struct co *co, const struct lmtp_transaction *t, unsigned store,
	  struct part *part)
{
	int64_t deadline_us = in_s(LMTP_ASK_TIMEOUT_S);
	struct buf body = BUF_INIT(DELIVERY_MAX_OCTETS);
	struct chan *chan;

	if (peer_chan(co, front.stores[store], deadline_us, &chan) != OK)
		return;
	part->call = call_open(chan);
	if (part->call == NULL)
		return;
	put_delivery(&body, t, store);
	if (call_send(co, part->call, STORE_DELIVER, buf_str(&body), -1, false,
		      deadline_us) != OK)
		call_free(&part->call);
	buf_release(&body);
}

/* ---- the content ---- */

static void
send_piece(struct co *co, struct lmtp_delivery *d, struct str piece,
	   bool is_end)
{
	for (unsigned i = 0; i < front.n_stores; i++) {
		struct part *part = &d->parts[i];

		if (part->call != NULL &&
		    call_send(co, part->call, STORE_CHUNK, piece, -1, is_end,
			      in_s(LMTP_STORE_TIMEOUT_S)) != OK)
			call_free(&part->call);
	}
}

static void
send_content(struct co *co, struct lmtp_delivery *d, bool is_end)
{
	struct str left = buf_str(&d->content);

	while (left.n > STORE_CHUNK_MAX_OCTETS) {
		send_piece(co, d, str_first(left, STORE_CHUNK_MAX_OCTETS),
			   false);
		left = str_from(left, STORE_CHUNK_MAX_OCTETS);
	}
	send_piece(co, d, left, is_end);
	buf_clear(&d->content);
}

/* Bare line ends: nobody can be sure where the content ended. What was sent to
 * the stores has no end yet and is dropped there; what follows here must not
 * run as commands. */
static void
refuse_content(struct lmtp_session *s, struct lmtp_delivery *d)
{
	static const struct store_answer bare = {
		.code = 550,
		.enhanced = STR_INIT("5.5.2"),
		.text = STR_INIT("Bare CR or LF in the message"),
	};

	for (unsigned i = 0; i < front.n_stores; i++)
		call_free(&d->parts[i].call);
	for (size_t i = 0; i < s->t.n_rcpts; i++)
		s->t.rcpts[i].answer = bare;
	s->is_quit = true;
}

/* Up to the final dot. */
static enum err
move_content(struct co *co, struct lmtp_session *s, struct lmtp_delivery *d)
{
	for (;;) {
		enum smtp_data_result r;
		size_t n = 0;
		enum err e;

		r = smtp_data_feed(&d->reader, stream_peek(s->stream), &n,
				   &d->content);
		stream_take(s->stream, n);
		if (r == SMTP_DATA_END)
			return OK;
		if (d->content.n >= CHUNK_AT_OCTETS)
			send_content(co, d, false);
		e = stream_fill(co, s->stream, in_s(LMTP_READ_TIMEOUT_S));
		if (e != OK)
			return e;
	}
}

/* Reads size octets; into the delivery, or nowhere. */
static enum err
read_chunk(struct co *co, struct lmtp_session *s, struct lmtp_delivery *d,
	   uint64_t size)
{
	while (size > 0) {
		struct str now = stream_peek(s->stream);
		size_t n;

		if (now.n == 0) {
			enum err e = stream_fill(co, s->stream,
						 in_s(LMTP_READ_TIMEOUT_S));

			if (e != OK)
				return e;
			continue;
		}
		now = str_first(now, size < now.n ? (size_t)size : now.n);
		if (d != NULL)
			check(smtp_data_feed(&d->reader, now, &n,
					     &d->content) == SMTP_DATA_MORE);
		stream_take(s->stream, now.n);
		size -= now.n;
		if (d != NULL && d->content.n >= CHUNK_AT_OCTETS)
			send_content(co, d, false);
	}
	return OK;
}

/* ---- the end ---- */

static enum err
receive_answer(struct co *co, struct lmtp_session *s, struct part *part,
	       struct store_answer *out)
{
	struct store_answer a;
	struct frame f;
	enum err e = call_recv(co, part->call, in_s(LMTP_STORE_TIMEOUT_S), &f);

	if (e == OK &&
	    (f.type != STORE_ANSWER || store_read_answer(f.body, &a) != OK ||
	     a.code < 200 || a.code > 599))
		e = ERR_FORMAT;
	if (e == OK)
		e = arena_str(&s->t.arena, a.enhanced, &out->enhanced);
	if (e == OK)
		e = arena_str(&s->t.arena, a.text, &out->text);
	if (e == OK)
		out->code = a.code;
	frame_release(&f);
	return e;
}

static void
settle_rcpt(struct co *co, struct lmtp_session *s, struct lmtp_delivery *d,
	    struct lmtp_rcpt *rcpt)
{
	struct part *part = &d->parts[rcpt->store];

	if (part->call != NULL &&
	    receive_answer(co, s, part, &rcpt->answer) != OK)
		call_free(&part->call);
	if (rcpt->answer.code == 0)
		rcpt->answer = later;
	lmtp_reply(s, rcpt->answer.code, rcpt->answer.enhanced,
		   rcpt->answer.text);
	log_at(LOG_INFO, str_c(s->client.id), "lmtp.deliver", F("id", s->t.id),
	       FA("to", rcpt->address), F("mailbox", rcpt->mailbox),
	       FN("code", rcpt->answer.code),
	       FN("size", d->reader.size_octets));
}

/* The content is whole. */
static void
finish(struct co *co, struct lmtp_session *s, struct lmtp_delivery *d)
{
	/* A buffer that could overflow would lose mail: it cannot. */
	check(!d->reader.is_too_big);
	if (!s->t.is_binary && (d->reader.has_bare_cr || d->reader.has_bare_lf))
		refuse_content(s, d);
	else
		send_content(co, d, true);
	for (size_t i = 0; i < s->t.n_rcpts; i++)
		settle_rcpt(co, s, d, &s->t.rcpts[i]);
}

static struct lmtp_delivery *
begin(struct co *co, const struct lmtp_session *s, enum smtp_data_mode mode)
{
	struct lmtp_delivery *d = must_alloc(sizeof(*d));

	d->parts = must_alloc(front.n_stores * sizeof(*d->parts));
	buf_init(&d->content, CONTENT_BUF_OCTETS);
	smtp_data_init(&d->reader, mode, UINT64_MAX);
	for (unsigned i = 0; i < front.n_stores; i++)
		if (has_rcpt_in(&s->t, i))
			open_part(co, &s->t, i, &d->parts[i]);
	return d;
}

void
lmtp_delivery_free(struct lmtp_delivery **delivery)
{
	struct lmtp_delivery *d = *delivery;

	*delivery = NULL;
	if (d == NULL)
		return;
	for (unsigned i = 0; i < front.n_stores; i++)
		call_free(&d->parts[i].call);
	buf_release(&d->content);
	free(d->parts);
	free(d);
}

enum err
lmtp_data(struct co *co, struct lmtp_session *s)
{
	struct lmtp_delivery *d;
	enum err e;

	lmtp_reply(s, 354, STR_NONE, S("End with a dot"));
	d = begin(co, s, SMTP_DATA_DOTS);
	e = move_content(co, s, d);
	if (e == OK)
		finish(co, s, d);
	lmtp_delivery_free(&d);
	return e;
}

static enum err
refuse_chunk(struct co *co, struct lmtp_session *s, uint64_t size)
{
	enum err e = read_chunk(co, s, NULL, size);

	if (e == OK)
		lmtp_reply(s, 503, S("5.5.1"), S("No valid recipients"));
	return e;
}

enum err
lmtp_bdat(struct co *co, struct lmtp_session *s, struct str arg)
{
	struct smtp_bdat_args args;
	enum smtp_syntax syntax = smtp_bdat_parse(arg, &args);
	enum err e;

	if (syntax != SMTP_OK) {
		const struct smtp_answer *a = smtp_syntax_answer(syntax);

		lmtp_reply(s, (unsigned)a->code, a->enhanced, a->text);
		s->is_quit = true; // how much to skip is unknown
		return OK;
	}
	if (s->t.n_rcpts == 0)
		return refuse_chunk(co, s, args.size_octets);
	if (s->t.delivery == NULL)
		s->t.delivery = begin(co, s, SMTP_DATA_CHUNK);
	e = read_chunk(co, s, s->t.delivery, args.size_octets);
	if (e != OK)
		return e;
	if (!args.is_last) {
		lmtp_reply(s, 250, S("2.0.0"), S("Octets received"));
		return OK;
	}
	smtp_data_finish(&s->t.delivery->reader);
	finish(co, s, s->t.delivery);
	lmtp_reset(s);
	return OK;
}
