/* SPDX-License-Identifier: MIT
 * mta/in/login.c - AUTH PLAIN, LOGIN and SCRAM (RFC 4954, 4616, 5802). */
#include "lib/base/base64.h"
#include "lib/base/check.h"
#include "lib/ipc/auth.h"
#include "lib/mail/accounts.h"
#include "lib/mail/sasl.h"
#include "lib/rt/alias_login.h"
#include "lib/rt/counters.h"
#include "lib/rt/scram_call.h"
#include "mta/in/session.h"

enum {
	LINE_MAX_OCTETS = 12288 + 2, // RFC 4954 4
	AUTH_TIMEOUT_S = 60,
	FAILURE_LIMIT = 4, // then the connection ends
	DECODED_MAX_OCTETS = 12288,
};

/* ERR_REFUSED: the answer was given. */
static enum err
decode(struct session *s, struct str text, struct buf *out)
{
	/* RFC 4954 4: "=" is an initial response of no octets. */
	if (str_eq(text, S("=")))
		return OK;
	if (base64_decode(out, text) == OK)
		return OK;
	session_reply(s, 501, S("5.5.2"), S("Cannot decode the response"));
	return ERR_REFUSED;
}

/* Sends a challenge and decodes what comes back. */
static enum err
prompt(struct co *co, struct session *s, const char *challenge, struct buf *out)
{
	struct str line;
	enum err e;

	stream_putf(s->stream, "334 %s\r\n", challenge);
	e = stream_line(co, s->stream, LINE_MAX_OCTETS,
			in_s((int64_t)s->rules->timeout_s), &line, NULL);
	if (e == ERR_LIMIT) {
		session_syntax(s, SMTP_LINE_TOO_LONG);
		session_hang_up(s);
		return ERR_REFUSED;
	}
	if (e != OK)
		return e;
	if (str_eq(line, S("*"))) {
		session_reply(s, 501, S("5.7.0"), S("Authentication aborted"));
		return ERR_REFUSED;
	}
	return decode(s, line, out);
}

static enum err
ask_auth(struct co *co, struct session *s, const struct auth_check *check_in,
	 enum auth_result *out)
{
	struct buf body = BUF_INIT(AUTH_CHECK_MAX_OCTETS);
	struct auth_answer answer;
	struct frame f;
	enum err e;

	*out = AUTH_UNAVAILABLE;
	if (check_in->user.n > AUTH_USER_MAX_OCTETS ||
	    check_in->password.n > AUTH_PASSWORD_MAX_OCTETS) {
		*out = AUTH_WRONG;
		return OK;
	}
	auth_put_check(&body, check_in);
	e = peer_ask(co, in.auth, AUTH_CHECK, buf_str(&body),
		     in_s(AUTH_TIMEOUT_S), &f);
	buf_wipe(&body);
	if (e == OK && f.type == AUTH_ANSWER &&
	    auth_read_answer(f.body, &answer) == OK) {
		*out = answer.result;
		if (answer.result == AUTH_OK)
			e = arena_str(&s->session_memory, answer.user,
				      &s->login);
	}
	frame_release(&f);
	return e == ERR_CANCELED ? e : OK;
}

/* What the client hears of the outcome; user is what it said. */
static enum err
say_result(struct session *s, enum auth_result result, struct str user)
{
	switch (result) {
	case AUTH_OK:
		counter_add(COUNT_SMTP_LOGINS, 1);
		SESSION_LOG(s, LOG_INFO, "smtp.login", FA("user", s->login),
			    F("client", session_client(s)),
			    F("tls", stream_tls_text(s->stream)));
		session_reply(s, 235, S("2.7.0"),
			      S("Authentication successful"));
		return OK;
	case AUTH_WRONG:
		counter_add(COUNT_SMTP_LOGINS_FAILED, 1);
		SESSION_LOG(s, LOG_WARN, "smtp.login-failed", FA("user", user),
			    F("client", session_client(s)));
		session_reply(s, 535, S("5.7.8"),
			      S("Authentication failed: check user name and "
				"password"));
		if (++s->n_auth_failures >= FAILURE_LIMIT)
			session_hang_up(s);
		return OK;
	case AUTH_MALFORMED:
		session_reply(s, 501, S("5.5.2"),
			      S("Not a message of SCRAM (RFC 5802)"));
		return OK;
	default:
		session_reply(s, 454, S("4.7.0"),
			      S("Temporary authentication failure, try again "
				"later"));
		return OK;
	}
}

static enum err
check_password(struct co *co, struct session *s, struct str user,
	       struct str password)
{
	struct auth_check c = { user, password, S("smtp"), session_client(s),
				s->is_trusted };
	struct buf memory = BUF_INIT(AUTH_USER_MAX_OCTETS);
	enum auth_result result;
	enum err unknown = alias_login(co, in.router, user, &memory, &c.user);
	enum err e = ask_auth(co, s, &c, &result);

	buf_release(&memory);
	if (unknown != OK && result == AUTH_WRONG)
		result = AUTH_UNAVAILABLE;
	if (e == OK && result == AUTH_OK && s->login.n == 0)
		result = AUTH_UNAVAILABLE;
	return e == OK ? say_result(s, result, user) : e;
}

/* ---- SCRAM ---- */

bool
login_may_scram(void)
{
	return in.has_scram && !alias_login_is_on();
}

bool
login_may_bind(const struct session *s)
{
	return login_may_scram() && stream_is_tls(s->stream);
}

/* Hands auth's challenge to the client, and its answer to auth. */
static enum err
pass_challenge(struct co *co, struct session *s, struct call *call,
	       struct str challenge)
{
	struct buf coded = BUF_INIT(2 * AUTH_MESSAGE_MAX_OCTETS);
	struct buf message = BUF_INIT(AUTH_MESSAGE_MAX_OCTETS);
	enum err e = base64_encode(&coded, challenge);

	if (e == OK)
		e = buf_addc(&coded, '\0');
	if (e == OK)
		e = prompt(co, s, coded.p, &message);
	if (e == OK && call_send(co, call, AUTH_RESPONSE, buf_str(&message), -1,
				 true, in_s(AUTH_TIMEOUT_S)) != OK)
		e = ERR_UNAVAILABLE;
	buf_release(&coded);
	buf_release(&message);
	return e;
}

/* RFC 4954 4: data that comes with success is a challenge, to which the client
 * answers with an empty line. */
static enum err
finish_scram(struct co *co, struct session *s, const struct auth_answer *a)
{
	struct buf coded = BUF_INIT(2 * AUTH_MESSAGE_MAX_OCTETS);
	struct buf empty = BUF_INIT(16);
	struct str user;
	enum err e = base64_encode(&coded, a->final);

	if (e == OK)
		e = buf_addc(&coded, '\0');
	if (e == OK)
		e = arena_str(&s->session_memory, a->user, &user);
	if (e == OK)
		e = prompt(co, s, coded.p, &empty);
	if (e == OK && empty.n > 0) {
		session_reply(s, 501, S("5.5.2"), S("Expected an empty line"));
		e = ERR_REFUSED;
	}
	if (e == OK) {
		s->login = user;
		e = say_result(s, AUTH_OK, user);
	}
	buf_release(&coded);
	buf_release(&empty);
	return e;
}

static enum err
end_scram(struct co *co, struct session *s, const struct frame *f)
{
	struct auth_answer a;

	if (f->type != AUTH_ANSWER || auth_read_answer(f->body, &a) != OK)
		return say_result(s, AUTH_UNAVAILABLE, S(""));
	if (a.result == AUTH_OK && a.user.n > 0 && a.final.n > 0)
		return finish_scram(co, s, &a);
	return say_result(s, a.result == AUTH_OK ? AUTH_UNAVAILABLE : a.result,
			  a.user);
}

static enum err
converse_scram(struct co *co, struct session *s, struct str message,
	       bool is_plus)
{
	const struct auth_scram asked = {
		.message = message,
		.is_plus = is_plus,
		.is_plus_offered = login_may_bind(s),
		.protocol = S("smtp"),
		.client = session_client(s),
		.is_trusted = s->is_trusted,
	};
	struct call *call = NULL;
	struct frame f = { .fd = -1 };
	enum err e = scram_open(co, in.auth, s->stream, &asked,
				in_s(AUTH_TIMEOUT_S), &call);

	if (e == OK)
		e = call_recv(co, call, in_s(AUTH_TIMEOUT_S), &f);
	if (e == OK && f.type == AUTH_CHALLENGE) {
		e = pass_challenge(co, s, call, f.body);
		if (e == OK) {
			frame_release(&f);
			f = (struct frame) { .fd = -1 };
			if (call_recv(co, call, in_s(AUTH_TIMEOUT_S), &f) != OK)
				e = ERR_UNAVAILABLE;
		} else if (e != ERR_UNAVAILABLE) {
			frame_release(&f);
			call_free(&call);
			return e; // of the connection, or said
		}
	}
	e = e == OK		? end_scram(co, s, &f)
	    : e == ERR_CANCELED ? e
				: say_result(s, AUTH_UNAVAILABLE, S(""));
	frame_release(&f);
	call_free(&call);
	return e;
}

static enum err
login_scram(struct co *co, struct session *s, struct str initial, bool is_plus)
{
	struct buf message = BUF_INIT(AUTH_MESSAGE_MAX_OCTETS);
	enum err e = initial.n > 0 ? decode(s, initial, &message)
				   : prompt(co, s, "", &message);

	if (e == OK)
		e = converse_scram(co, s, buf_str(&message), is_plus);
	buf_release(&message);
	return e == ERR_REFUSED ? OK : e;
}

/* ---- PLAIN, LOGIN ---- */

/* RFC 4616 2: authcid acts as authzid, if it is a master. */
static enum err
check_master(struct co *co, struct session *s, const struct sasl_plain *plain)
{
	struct buf login = BUF_INIT(AUTH_USER_MAX_OCTETS);
	enum err e = OK;

	if (masters_join(plain->authzid, plain->authcid, &login))
		e = check_password(co, s, buf_str(&login), plain->passwd);
	else
		session_reply(s, 535, S("5.7.8"),
			      S("You may act as yourself only"));
	buf_release(&login);
	return e;
}

static enum err
login_plain(struct co *co, struct session *s, struct str initial)
{
	struct buf message = BUF_INIT(DECODED_MAX_OCTETS);
	struct sasl_plain plain;
	enum err e = initial.n > 0 ? decode(s, initial, &message)
				   : prompt(co, s, "", &message);

	if (e == OK) {
		switch (sasl_plain_parse(buf_str(&message), &plain)) {
		case SASL_OK:
			break;
		case SASL_MALFORMED:
			session_reply(s, 501, S("5.5.2"),
				      S("Not a PLAIN response (RFC 4616)"));
			e = ERR_REFUSED;
			break;
		case SASL_PROXY:
			e = check_master(co, s, &plain);
			buf_wipe(&message);
			return e;
		}
	}
	if (e == OK)
		e = check_password(co, s, plain.authcid, plain.passwd);
	buf_wipe(&message);
	return e == ERR_REFUSED ? OK : e;
}

static enum err
login_login(struct co *co, struct session *s, struct str initial)
{
	struct buf user = BUF_INIT(DECODED_MAX_OCTETS);
	struct buf password = BUF_INIT(DECODED_MAX_OCTETS);
	enum err e = initial.n > 0 ? decode(s, initial, &user)
				   : prompt(co, s, "VXNlcm5hbWU6", &user);

	if (e == OK)
		e = prompt(co, s, "UGFzc3dvcmQ6", &password);
	if (e == OK)
		e = check_password(co, s, buf_str(&user), buf_str(&password));
	buf_release(&user);
	buf_wipe(&password);
	return e == ERR_REFUSED ? OK : e;
}

enum err
login_run(struct co *co, struct session *s, struct str argument)
{
	struct str copy, mechanism, rest;

	if (!session_may_auth(s)) {
		if (session_is_submission(s))
			session_reply(s, 538, S("5.7.11"),
				      S("Encryption required: say STARTTLS "
					"first"));
		else
			session_reply(s, 503, S("5.5.1"),
				      S("No authentication at this port; use "
					"587 or 465"));
		return OK;
	}
	if (s->login.n > 0) {
		session_reply(s, 503, S("5.5.1"), S("Already authenticated"));
		return OK;
	}
	if (session_is_too_fast(s, RATE_AUTHS, s->rules->auth_rate)) {
		session_reply(s, 450, S("4.7.1"),
			      S("Too many logins from your address, try again "
				"later"));
		return OK;
	}
	/* The line's memory goes when the next one is read. */
	if (arena_str(&s->memory, argument, &copy) != OK) {
		session_syntax(s, SMTP_NO_MEMORY);
		return OK;
	}
	rest = copy;
	if (!str_word(&rest, &mechanism)) {
		session_syntax(s, SMTP_NEEDS_ARGUMENT);
		return OK;
	}
	rest = str_trim(rest);
	enum err e = OK;
	if (str_ieq(mechanism, S("PLAIN")))
		e = login_plain(co, s, rest);
	else if (str_ieq(mechanism, S("LOGIN")))
		e = login_login(co, s, rest);
	else if (login_may_scram() && str_ieq(mechanism, S("SCRAM-SHA-256")))
		e = login_scram(co, s, rest, false);
	else if (login_may_bind(s) &&
		 str_ieq(mechanism, S("SCRAM-SHA-256-PLUS")))
		e = login_scram(co, s, rest, true);
	else
		session_reply(s, 504, S("5.5.4"),
			      S("Mechanism not offered: use PLAIN or LOGIN"));
	if (copy.n > 0)
		explicit_bzero((void *)(uintptr_t)copy.p, copy.n);
	return e;
}
