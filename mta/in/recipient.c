/* SPDX-License-Identifier: MIT
 * mta/in/recipient.c - questions about recipients, some ahead of their turn.
 *
 * Invariants:
 *  (1) A check that runs ahead borrows nothing from the session: it may outlive
 *      it, and frees itself when it was forgotten.
 *  (2) An answer is used for the address that was asked about, in the
 *      transaction that asked. */
#include "mta/in/recipient.h"

#include "lib/base/check.h"
#include "lib/rt/recall.h"
#include "mta/in/session.h"

enum {
	ROUTER_TIMEOUT_S = 30,
	ROOM_TIMEOUT_MS = 2000, // without an answer there is no opinion
	ROOM_ASK_OCTETS = 1024,
	AHEAD = 32,	  // of one session
	MAX_AHEAD = 1000, // of all: the store takes no more questions
	LINE_ARENA_OCTETS = 16 * 1024,
};

static size_t n_ahead;

/* smtpd_reject_unlisted_recipient = no. Whoever it is taken from gets the
 * bounce, so not from strangers, who write any sender. */
static bool
takes_unknown(const struct session *s)
{
	return (s->login.n > 0 || s->is_trusted) &&
	       (!s->rules->is_unlisted_refused ||
		session_overrides(s, S("no_unknown_recipient_checks")));
}

static struct recipient_check *
new_check(const struct session *s, struct str address, bool may_relay)
{
	struct recipient_check *c = must_alloc(sizeof(*c));
	struct router_ask ask = {
		.sender = s->sender,
		.rcpt = address,
		.may_relay = may_relay || s->login.n > 0 || s->is_trusted,
		.takes_unknown = takes_unknown(s),
	};

	buf_init(&c->ask, ROUTER_ASK_MAX_OCTETS);
	router_put_ask(&c->ask, &ask);
	c->address = str_dup_c(address);
	c->may_relay = may_relay;
	c->size_octets = s->mail.size_octets;
	c->verdict_frame.fd = c->room_frame.fd = -1;
	return c;
}

void
recipient_check_free(struct recipient_check **check)
{
	struct recipient_check *c = *check;

	*check = NULL;
	if (c == NULL)
		return;
	frame_release(&c->verdict_frame);
	frame_release(&c->room_frame);
	buf_release(&c->ask);
	free(c->address);
	free(c);
}

/* Has the mailbox room? Only a clear no counts. */
static void
ask_room(struct co *co, struct recipient_check *c)
{
	struct buf body = BUF_INIT(ROOM_ASK_OCTETS);
	struct store_answer answer;
	enum err e;

	store_put_room(&body, c->verdict.mailbox, c->size_octets);
	e = peer_ask(co, in.store, STORE_ROOM, buf_str(&body),
		     in_ms(ROOM_TIMEOUT_MS), &c->room_frame);
	buf_release(&body);
	if (e == OK && c->room_frame.type == STORE_ANSWER &&
	    store_read_answer(c->room_frame.body, &answer) == OK &&
	    answer.code >= 500)
		c->refusal = answer;
}

static void
ask(struct co *co, struct recipient_check *c)
{
	c->e = recall_rcpt(co, in.router, buf_str(&c->ask),
			   in_s(ROUTER_TIMEOUT_S), &c->verdict_frame,
			   &c->verdict);
	if (c->e == OK && c->verdict.code == 250 && c->verdict.is_local &&
	    c->verdict.mailbox.n > 0)
		ask_room(co, c);
}

static void
run_ahead(struct co *co, void *arg)
{
	struct recipient_check *c = arg;

	ask(co, c);
	n_ahead--;
	c->is_done = true;
	if (c->is_forgotten)
		recipient_check_free(&c);
	else if (c->waiter != NULL)
		co_wake(c->waiter);
}

static void
forget(struct recipient_check *c)
{
	c->is_forgotten = true;
	c->waiter = NULL;
	if (c->is_done)
		recipient_check_free(&c);
}

void
recipient_forget(struct session *s)
{
	struct recipient_check *c;

	while ((c = TAILQ_FIRST(&s->ahead)) != NULL) {
		TAILQ_REMOVE(&s->ahead, c, link);
		forget(c);
	}
}

/* The recipient of a line; ERR_NOT_FOUND when it is another command, or a RCPT
 * that its turn will look at. */
static enum err
read_line(struct str line, unsigned with, struct buf *address)
{
	struct arena arena = ARENA_INIT(LINE_ARENA_OCTETS);
	struct smtp_command command;
	struct smtp_rcpt_args args;
	enum err e = ERR_NOT_FOUND;

	if (smtp_command_parse(line, &command) == SMTP_OK &&
	    command.verb == SMTP_VERB_RCPT &&
	    smtp_rcpt_parse(command.arg, with, &arena, &args) == SMTP_OK)
		e = address_format(address, &args.to);
	arena_release(&arena);
	return e;
}

static void
ask_ahead(struct session *s, bool may_relay, unsigned with)
{
	struct str rest = stream_peek(s->stream);
	struct buf address = BUF_INIT(ENVELOPE_ADDRESS_MAX_OCTETS);

	for (unsigned i = 0; i < AHEAD && n_ahead < MAX_AHEAD; i++) {
		ptrdiff_t lf = str_chr(rest, '\n');
		struct recipient_check *c;

		buf_clear(&address);
		if (lf < 1 || read_line(str_first(rest, (size_t)lf - 1), with,
					&address) != OK)
			break;
		rest = str_from(rest, (size_t)lf + 1);
		c = new_check(s, buf_str(&address), may_relay);
		if (co_spawn(run_ahead, c, "smtp.recipient") == NULL) {
			recipient_check_free(&c);
			break;
		}
		n_ahead++;
		TAILQ_INSERT_TAIL(&s->ahead, c, link);
	}
	buf_release(&address);
}

static enum err
wait_done(struct co *co, struct recipient_check *c)
{
	c->waiter = co;
	while (!c->is_done)
		if (co_wait(co, NEVER_US) == ERR_CANCELED)
			return ERR_CANCELED;
	return OK;
}

enum err
recipient_check(struct co *co, struct session *s, struct str address,
		bool may_relay, unsigned with, struct recipient_check **out)
{
	struct recipient_check *c = TAILQ_FIRST(&s->ahead);
	enum err e = OK;

	if (c != NULL && (!str_eq(str_c(c->address), address) ||
			  c->may_relay != may_relay)) {
		recipient_forget(s); // written in another way, or refused
		s->is_ahead_wrong = true;
		c = NULL;
	}
	if (c == NULL) {
		*out = new_check(s, address, may_relay);
		if (!s->is_ahead_wrong)
			ask_ahead(s, may_relay, with);
		ask(co, *out);
		return (*out)->e;
	}
	TAILQ_REMOVE(&s->ahead, c, link);
	e = wait_done(co, c);
	if (e != OK) {
		*out = NULL;
		forget(c);
		return e;
	}
	*out = c;
	return c->e;
}
