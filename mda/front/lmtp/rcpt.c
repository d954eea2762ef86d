/* SPDX-License-Identifier: MIT
 * mda/front/lmtp/rcpt.c - RCPT: whose mailbox is it, and has it room? */
#include "mda/front/lmtp/session.h"

#include "lib/base/check.h"
#include "lib/ipc/router.h"
#include "lib/rt/recall.h"

#include <string.h>

enum {
	FIRST_RCPTS = 2,
	/* Whether there is room for less than this, its delivery tells. */
	ASK_ROOM_OCTETS = 64 * 1024,
};

/* ---- router ---- */

/* Replies unless the address is a mailbox here; rcpt->mailbox is then set. */
static bool
apply_verdict(struct lmtp_session *s, const struct router_verdict *v,
	      struct lmtp_rcpt *rcpt)
{
	if (v->code != 250) {
		lmtp_reply(s, v->code, v->enhanced, v->text);
		return false;
	}
	/* The configuration changed since the queue asked: it asks again. */
	if (!v->is_local || v->mailbox.n == 0) {
		lmtp_reply(s, 451, S("4.3.5"),
			   S("Not delivered here any more"));
		return false;
	}
	if (arena_str(&s->t.arena, v->mailbox, &rcpt->mailbox) == OK)
		return true;
	lmtp_reply_later(s);
	return false;
}

static bool
ask_router(struct co *co, struct lmtp_session *s, struct lmtp_rcpt *rcpt)
{
	const struct router_ask ask = { .sender = s->t.sender,
					.rcpt = rcpt->address,
					.is_unmapped = rcpt->is_resolved };
	struct buf body = BUF_INIT(ROUTER_ASK_MAX_OCTETS);
	struct router_verdict v;
	bool is_good = false;
	struct frame f;
	enum err e;

	router_put_ask(&body, &ask);
	e = recall_rcpt(co, front.router, buf_str(&body),
			in_s(LMTP_ASK_TIMEOUT_S), &f, &v);
	buf_release(&body);
	if (e == OK)
		is_good = apply_verdict(s, &v, rcpt);
	else
		lmtp_reply_later(s);
	frame_release(&f);
	return is_good;
}

/* ---- store ---- */

static bool
ask_store(struct co *co, struct lmtp_session *s, const struct lmtp_rcpt *rcpt)
{
	struct buf body = BUF_INIT(ROUTER_ASK_MAX_OCTETS);
	struct store_answer a;
	bool has_room = false;
	struct frame f;
	enum err e;

	store_put_room(&body, rcpt->mailbox, s->t.size_octets);
	e = peer_ask(co, front.stores[rcpt->store], STORE_ROOM, buf_str(&body),
		     in_s(LMTP_ASK_TIMEOUT_S), &f);
	buf_release(&body);
	if (e != OK || f.type != STORE_ANSWER ||
	    store_read_answer(f.body, &a) != OK) {
		lmtp_reply_later(s);
	} else {
		has_room = a.code / 100 == 2;
		if (!has_room)
			lmtp_reply(s, a.code, a.enhanced, a.text);
	}
	frame_release(&f);
	return has_room;
}

/* ---- RCPT ---- */

static bool
copy_args(struct lmtp_session *s, const struct smtp_rcpt_args *args,
	  struct lmtp_rcpt *rcpt)
{
	struct buf b = BUF_INIT(ROUTER_ADDRESS_MAX_OCTETS);
	uint64_t index = s->t.n_rcpts;
	bool is_good;

	if (args->xid.n > 0 && !str_to_u64(args->xid, UINT32_MAX, &index)) {
		const struct smtp_answer *a =
			smtp_syntax_answer(SMTP_BAD_PARAM);

		lmtp_reply(s, (unsigned)a->code, a->enhanced, a->text);
		return false;
	}
	rcpt->index = (uint32_t)index;
	rcpt->is_resolved = args->xid.n > 0; // our queue has seen to aliases
	is_good = address_format(&b, &args->to) == OK &&
		  arena_str(&s->t.arena, buf_str(&b), &rcpt->address) == OK &&
		  arena_str(&s->t.arena, args->original, &rcpt->original) == OK;
	buf_release(&b);
	if (!is_good)
		lmtp_reply_later(s);
	return is_good;
}

static bool
add_rcpt(struct lmtp_transaction *t, const struct lmtp_rcpt *rcpt)
{
	if (t->n_rcpts == t->rcpts_cap) {
		size_t cap = t->rcpts_cap ? t->rcpts_cap * 2 : FIRST_RCPTS;
		struct lmtp_rcpt *rcpts =
			arena_array(&t->arena, cap, sizeof(*rcpts));

		if (rcpts == NULL)
			return false;
		if (t->n_rcpts > 0)
			memcpy(rcpts, t->rcpts, t->n_rcpts * sizeof(*rcpts));
		t->rcpts = rcpts;
		t->rcpts_cap = cap;
	}
	t->rcpt_octets += rcpt->address.n + rcpt->mailbox.n + rcpt->original.n;
	t->rcpts[t->n_rcpts++] = *rcpt;
	return true;
}

static void
accept_rcpt(struct co *co, struct lmtp_session *s,
	    const struct smtp_rcpt_args *args)
{
	struct lmtp_transaction *t = &s->t;
	struct lmtp_rcpt rcpt = { 0 };

	if (t->n_rcpts == STORE_MAX_RECIPIENTS ||
	    t->rcpt_octets > LMTP_RCPTS_MAX_OCTETS) {
		lmtp_reply(s, 452, S("4.5.3"), S("Too many recipients"));
		return;
	}
	if (!copy_args(s, args, &rcpt) || !ask_router(co, s, &rcpt))
		return;
	rcpt.store = store_of_user(rcpt.mailbox, front.n_stores);
	if ((t->size_octets == 0 || t->size_octets > ASK_ROOM_OCTETS) &&
	    !ask_store(co, s, &rcpt))
		return;
	if (!add_rcpt(t, &rcpt)) {
		lmtp_reply_later(s);
		return;
	}
	lmtp_reply(s, 250, S("2.1.5"), S("Recipient ok"));
}

void
lmtp_rcpt(struct co *co, struct lmtp_session *s, struct str arg)
{
	unsigned with = SMTP_WITH_OWN | SMTP_WITH_ORIGINAL |
			SMTP_WITH_LONG_LOCAL |
			(s->t.is_smtputf8 ? SMTP_WITH_UTF8 : 0u);
	struct smtp_rcpt_args args;
	enum smtp_syntax syntax;

	if (!s->t.has_mail || s->t.delivery != NULL) {
		lmtp_reply(s, 503, S("5.5.1"),
			   s->t.has_mail ? S("The content has begun")
					 : S("MAIL first"));
		return;
	}
	syntax = smtp_rcpt_parse(arg, with, &s->t.arena, &args);
	if (syntax == SMTP_OK) {
		accept_rcpt(co, s, &args);
	} else {
		const struct smtp_answer *a = smtp_syntax_answer(syntax);

		lmtp_reply(s, (unsigned)a->code, a->enhanced, a->text);
	}
}
