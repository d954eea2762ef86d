/* SPDX-License-Identifier: MIT
 * mda/front/sasl.c - logins of mail clients: PLAIN, LOGIN and SCRAM-SHA-256 in
 * one dialogue.
 *
 * Process: front.  Standards: RFC 4422, 4616, 5802, 7677.
 * Invariants:
 *  (1) A mechanism is run only where it is announced.
 *  (2) A session is entered only after auth said AUTH_OK, and not if an account
 *      was taken away while it did.
 */
#include "mda/front/sasl.h"

#include "lib/base/base64.h"
#include "lib/mail/accounts.h"
#include "lib/mail/sasl.h"
#include "lib/rt/alias_login.h"
#include "lib/rt/scram_call.h"

enum { ASK_TIMEOUT_S = 30, EVENT_OCTETS = 32 };

/* Answers; ERR_REFUSED ends the dialogue. */
static enum err
refuse(struct conn *c, enum conn_refusal refusal)
{
	if (refusal == REFUSE_WRONG)
		counter_add(c->protocol->count.logins_failed, 1);
	c->protocol->refuse(c, refusal);
	c->n_bad++;
	return ERR_REFUSED;
}

/* A refused login is an answer; the connection goes on. */
static enum err
after_refusal(enum err e)
{
	return e == ERR_REFUSED ? OK : e;
}

bool
sasl_may_begin(struct conn *c)
{
	if (front_may_login(c->stream))
		return true;
	(void)refuse(c, REFUSE_PLAINTEXT);
	return false;
}

/* ---- in ---- */

static void
log_login(const struct conn *c)
{
	char event[EVENT_OCTETS];

	snprintf(event, sizeof(event), "%s.login", c->protocol->name);
	log_at(LOG_INFO, str_c(c->client.id), event, F("user", c->client.user),
	       F("client", conn_client(c)),
	       F("tls", stream_tls_text(c->stream)));
}

/* c->client.user is who it is. */
static enum err
enter(struct co *co, struct conn *c)
{
	enum err e = front_open_store(co, &c->client, &c->store);

	if (e == OK)
		e = c->protocol->enter(co, c);
	else if (e != ERR_CANCELED)
		e = refuse(c, REFUSE_UNAVAILABLE);
	if (e == OK) {
		c->is_known = true;
		limits_log_in(c->place);
		counter_add(c->protocol->count.logins, 1);
		log_login(c);
	} else if (e == ERR_REFUSED) { // a stranger, as before
		c->client.user = STR_NONE;
		call_free(&c->store);
	}
	return e;
}

static enum err
refuse_result(struct conn *c, enum auth_result result)
{
	return refuse(c, result == AUTH_WRONG	    ? REFUSE_WRONG
			 : result == AUTH_MALFORMED ? REFUSE_MALFORMED
						    : REFUSE_UNAVAILABLE);
}

static enum err
try_password(struct co *co, struct conn *c, struct str user,
	     struct str password)
{
	const struct auth_check asked = { user, password,
					  str_c(c->protocol->name),
					  conn_client(c), false };
	enum auth_result result = front_check_password(co, &c->client, &asked);

	if (co_is_canceled(co))
		return ERR_CANCELED;
	return result == AUTH_OK ? enter(co, c) : refuse_result(c, result);
}

enum err
sasl_log_in(struct co *co, struct conn *c, struct str user, struct str password)
{
	return after_refusal(try_password(co, c, user, password));
}

/* ---- the dialogue ---- */

/* The client's next message: the initial response, while there is one, or the
 * line that it sends to the challenge. */
static enum err
hear(struct co *co, struct conn *c, struct str *initial, struct str challenge,
     struct buf *out)
{
	struct str line = *initial;
	enum err e;

	buf_clear(out);
	if (initial->p != NULL) {
		*initial = STR_NONE;
		if (str_eq(line, S("="))) // RFC 4959 3, RFC 5034 4: no octets
			return OK;
		return base64_decode(out, line) == OK
			       ? OK
			       : refuse(c, REFUSE_MALFORMED);
	}
	conn_take_command(c);
	stream_putf(c->stream, "+ %.*s\r\n", STR(challenge));
	e = conn_flush(co, c);
	if (e != OK)
		return e;
	e = stream_line(co, c->stream, SASL_LINE_MAX_OCTETS,
			c->login_deadline_us, &line, NULL);
	if (e == ERR_LIMIT)
		c->bye = "Line is too long";
	if (e == ERR_TIMEOUT)
		c->bye = "Login took too long";
	if (e != OK)
		return e;
	if (str_eq(line, S("*")))
		return refuse(c, REFUSE_CANCELED);
	return base64_decode(out, line) == OK ? OK
					      : refuse(c, REFUSE_MALFORMED);
}

/* RFC 4616 2: authcid's password opens authzid's mailbox, if authcid is a
 * master. */
static enum err
try_master(struct co *co, struct conn *c, const struct sasl_plain *p,
	   struct buf *login)
{
	if (!masters_join(p->authzid, p->authcid, login))
		return refuse(c, REFUSE_PROXY);
	return try_password(co, c, buf_str(login), p->passwd);
}

static enum err
run_plain(struct co *co, struct conn *c, struct str initial, struct buf *one,
	  struct buf *two)
{
	struct sasl_plain p;
	enum err e = hear(co, c, &initial, S(""), one);

	if (e != OK)
		return e;
	switch (sasl_plain_parse(buf_str(one), &p)) {
	case SASL_MALFORMED:
		return refuse(c, REFUSE_MALFORMED);
	case SASL_PROXY:
		return try_master(co, c, &p, two);
	case SASL_OK:
		break;
	}
	return try_password(co, c, p.authcid, p.passwd);
}

/* No standard: the drafts of 1996 that all clients implement. */
static enum err
run_login(struct co *co, struct conn *c, struct str initial, struct buf *one,
	  struct buf *two)
{
	enum err e = hear(co, c, &initial, S("VXNlcm5hbWU6"), one);

	if (e == OK)
		e = hear(co, c, &initial, S("UGFzc3dvcmQ6"), two);
	return e == OK ? try_password(co, c, buf_str(one), buf_str(two)) : e;
}

/* ---- SCRAM ---- */

static bool
may_scram(const struct conn *c UNUSED)
{
	return front.has_scram && !alias_login_is_on();
}

static bool
may_bind(const struct conn *c)
{
	return may_scram(c) && stream_is_tls(c->stream);
}

/* Sends a message as a challenge. */
static enum err
challenge(struct co *co, struct conn *c, struct str message, struct buf *out)
{
	struct buf coded = BUF_INIT(SASL_LINE_MAX_OCTETS);
	struct str none = STR_NONE;
	enum err e = base64_encode(&coded, message);

	if (e == OK)
		e = hear(co, c, &none, buf_str(&coded), out);
	buf_release(&coded);
	return e;
}

/* Leaves in *f what auth says to the client's messages; of type 0: nothing,
 * for now. An error is the connection's, or refused. */
static enum err
exchange(struct co *co, struct conn *c, const struct auth_scram *asked,
	 struct buf *message, struct frame *f)
{
	int64_t deadline_us = in_s(ASK_TIMEOUT_S);
	struct call *call = NULL;
	enum err heard = OK;
	enum err e = scram_open(co, front.auth, c->stream, asked, deadline_us,
				&call);

	if (e == OK)
		e = call_recv(co, call, deadline_us, f);
	if (e == OK && f->type == AUTH_CHALLENGE) {
		heard = challenge(co, c, f->body, message);
		frame_release(f);
		if (heard == OK)
			e = call_send(co, call, AUTH_RESPONSE, buf_str(message),
				      -1, true, in_s(ASK_TIMEOUT_S));
		if (heard == OK && e == OK)
			e = call_recv(co, call, in_s(ASK_TIMEOUT_S), f);
	}
	if (e != OK)
		*f = (struct frame) { .fd = -1 };
	call_free(&call);
	return heard != OK ? heard : e == ERR_CANCELED ? e : OK;
}

/* The server's last message is a challenge, to which the client says nothing
 * (RFC 9051 6.2.2, RFC 5034 4). */
static enum err
finish(struct co *co, struct conn *c, const struct frame *f, uint64_t n_gone,
       struct buf *message)
{
	struct auth_answer a = { .result = AUTH_UNAVAILABLE };
	enum err e;

	if (f->type != AUTH_ANSWER || auth_read_answer(f->body, &a) != OK)
		a.result = AUTH_UNAVAILABLE;
	/* It may have been that account: a client tries again. */
	if (a.result == AUTH_OK && (a.final.n == 0 || n_gone != front.n_gone ||
				    !front_take_user(&c->client, &a)))
		a.result = AUTH_UNAVAILABLE;
	if (a.result != AUTH_OK)
		return refuse_result(c, a.result);
	e = challenge(co, c, a.final, message);
	if (e == OK && message->n > 0)
		e = refuse(c, REFUSE_MALFORMED);
	if (e != OK) {
		c->client.user = STR_NONE;
		return e;
	}
	return enter(co, c);
}

static enum err
run_scram_as(struct co *co, struct conn *c, struct str initial,
	     struct buf *first, struct buf *last, bool is_plus)
{
	struct auth_scram asked = {
		.is_plus = is_plus,
		.is_plus_offered = may_bind(c),
		.protocol = str_c(c->protocol->name),
		.client = conn_client(c),
	};
	struct frame f = { .fd = -1 };
	uint64_t n_gone = front.n_gone;
	enum err e = hear(co, c, &initial, S(""), first);

	if (e != OK)
		return e;
	asked.is_trusted = front_is_trusted(asked.client);
	asked.message = buf_str(first);
	e = exchange(co, c, &asked, last, &f);
	if (e == OK)
		e = finish(co, c, &f, n_gone, last);
	frame_release(&f);
	return e;
}

static enum err
run_scram(struct co *co, struct conn *c, struct str initial, struct buf *one,
	  struct buf *two)
{
	return run_scram_as(co, c, initial, one, two, false);
}

static enum err
run_scram_plus(struct co *co, struct conn *c, struct str initial,
	       struct buf *one, struct buf *two)
{
	return run_scram_as(co, c, initial, one, two, true);
}

/* ---- mechanisms ---- */

static const struct mechanism {
	struct str name;
	/* With two bufs for what is secret. */
	enum err (*run)(struct co *co, struct conn *c, struct str initial,
			struct buf *one, struct buf *two);
	bool (*is_offered)(const struct conn *c); // NULL: always
} mechanisms[] = {
	{ STR_INIT("PLAIN"), run_plain, NULL },		     // 4616
	{ STR_INIT("LOGIN"), run_login, NULL },		     //
	{ STR_INIT("SCRAM-SHA-256"), run_scram, may_scram }, // 7677
	{ STR_INIT("SCRAM-SHA-256-PLUS"), run_scram_plus, may_bind },
};
enum { N_MECHANISMS = sizeof(mechanisms) / sizeof(*mechanisms) };

static bool
is_offered(const struct mechanism *m, const struct conn *c)
{
	return m->is_offered == NULL || m->is_offered(c);
}

void
sasl_put_mechanisms(const struct conn *c, const char *before, const char *after,
		    struct buf *out)
{
	for (size_t i = 0; i < N_MECHANISMS; i++)
		if (front_may_login(c->stream) && is_offered(&mechanisms[i], c))
			buf_putf(out, "%s%.*s%s", before,
				 STR(mechanisms[i].name), after);
}

enum err
sasl_authenticate(struct co *co, struct conn *c, struct str mechanism,
		  struct str initial)
{
	struct buf one = BUF_INIT(AUTH_MESSAGE_MAX_OCTETS);
	struct buf two = BUF_INIT(AUTH_MESSAGE_MAX_OCTETS);
	const struct mechanism *m = NULL;
	enum err e;

	for (size_t i = 0; i < N_MECHANISMS; i++)
		if (str_ieq(mechanisms[i].name, mechanism) &&
		    is_offered(&mechanisms[i], c))
			m = &mechanisms[i];
	if (m == NULL)
		return after_refusal(refuse(c, REFUSE_NOT_OFFERED));
	if (!sasl_may_begin(c))
		return OK;
	e = m->run(co, c, initial, &one, &two);
	buf_wipe(&one);
	buf_wipe(&two);
	return after_refusal(e);
}
