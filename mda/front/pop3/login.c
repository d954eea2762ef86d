/* SPDX-License-Identifier: MIT
 * mda/front/pop3/login.c - USER and PASS (RFC 1939 7), AUTH (RFC 5034).
 *
 * Passwords live in the stream's input and in a buf that is wiped, and none is
 * ever logged. */
#include "mda/front/pop3/session.h"

#include "lib/base/base64.h"
#include "lib/base/check.h"
#include "lib/mail/sasl.h"
#include "lib/rt/counters.h"

enum { LINE_MAX_OCTETS = SASL_PLAIN_BASE64_MAX + 2 };

static bool
is_allowed(struct pop3_session *s)
{
	if (front_may_login(s->stream))
		return true;
	pop3_error(s, "Begin TLS first (STLS)");
	s->n_bad++;
	return false;
}

static enum err
enter(struct co *co, struct pop3_session *s)
{
	enum err e = front_open_store(co, &s->client, &s->store);

	if (e == OK)
		e = pop3_open_maildrop(co, s);
	if (e == OK) {
		s->state = POP3_TRANSACTION;
		limits_log_in(s->place);
		counter_add(COUNT_POP3_LOGINS, 1);
		stream_putf(s->stream, "+OK Logged in, %zu messages\r\n",
			    s->n_list);
		log_at(LOG_INFO, str_c(s->client.id), "pop3.login",
		       F("user", s->client.user),
		       F("client", stream_peer(s->stream)),
		       F("tls", stream_tls_text(s->stream)));
		return OK;
	}
	if (e == ERR_CANCELED)
		return e;
	pop3_error(s, e == ERR_EXISTS ? "[IN-USE] Another session has it"
				      : "[SYS/TEMP] Try again later");
	/* The session goes on as a stranger's. */
	s->client.user = STR_NONE;
	s->bye = NULL;
	call_free(&s->store);
	pop3_forget_list(s);
	return OK;
}

static enum err
log_in(struct co *co, struct pop3_session *s, struct str user,
       struct str password)
{
	const struct auth_check asked = { user, password, S("pop3"),
					  stream_peer(s->stream), false };
	enum auth_result result = front_check_password(co, &s->client, &asked);

	if (co_is_canceled(co))
		return ERR_CANCELED;
	if (result == AUTH_OK)
		return enter(co, s);
	s->n_bad++;
	if (result == AUTH_WRONG) {
		counter_add(COUNT_POP3_LOGINS_FAILED, 1);
		pop3_error(s, "[AUTH] Authentication failed");
	} else {
		pop3_error(s, "[SYS/TEMP] Try again later");
	}
	return OK;
}

enum err
pop3_user(struct co *co UNUSED, struct pop3_session *s)
{
	struct str name = s->command.args[0];

	if (!is_allowed(s))
		return OK;
	if (name.n > sizeof(s->name)) {
		pop3_error(s, "The name is too long");
		s->n_bad++;
		return OK;
	}
	memcpy(s->name, name.p, name.n);
	s->n_name = name.n;
	pop3_ok(s, "And the password?"); // whether it exists or not
	return OK;
}

enum err
pop3_pass(struct co *co, struct pop3_session *s)
{
	struct str name = str_of(s->name, s->n_name);

	if (!is_allowed(s))
		return OK;
	if (s->n_name == 0) {
		pop3_error(s, "USER first");
		s->n_bad++;
		return OK;
	}
	s->n_name = 0;
	return log_in(co, s, name, s->command.args[0]);
}

/* ---- AUTH ---- */

enum reply { REPLY_OK, REPLY_CANCEL, REPLY_BAD };

/* The client's next message: the initial response, while there is one, or the
 * line that it sends to the challenge. */
static enum err
read_reply(struct co *co, struct pop3_session *s, struct str *initial,
	   struct str challenge, struct buf *out, enum reply *reply_out)
{
	struct str line = *initial;
	enum err e = OK;

	buf_clear(out);
	if (initial->p != NULL) {
		*initial = STR_NONE;
		if (str_eq(line, S("="))) // RFC 5034 4: the empty one
			line = S("");
	} else {
		stream_putf(s->stream, "+ %.*s\r\n", STR(challenge));
		e = pop3_flush(co, s);
		if (e == OK)
			e = stream_line(co, s->stream, LINE_MAX_OCTETS,
					s->login_deadline_us, &line, NULL);
		if (e == ERR_LIMIT)
			s->bye = "Line is too long";
		if (e != OK)
			return e;
		if (str_eq(line, S("*"))) {
			*reply_out = REPLY_CANCEL;
			return OK;
		}
	}
	*reply_out = base64_decode(out, line) == OK ? REPLY_OK : REPLY_BAD;
	return OK;
}

static enum err
refuse_reply(struct pop3_session *s, enum reply reply)
{
	pop3_error(s,
		   reply == REPLY_CANCEL ? "Cancelled" : "Malformed response");
	s->n_bad++;
	return OK;
}

static enum err
auth_plain(struct co *co, struct pop3_session *s, struct str initial,
	   struct buf *message)
{
	enum reply reply = REPLY_BAD;
	struct sasl_plain p;
	enum sasl_result parsed;
	enum err e = read_reply(co, s, &initial, S(""), message, &reply);

	if (e != OK)
		return e;
	if (reply != REPLY_OK)
		return refuse_reply(s, reply);
	parsed = sasl_plain_parse(buf_str(message), &p);
	if (parsed == SASL_MALFORMED)
		return refuse_reply(s, REPLY_BAD);
	if (parsed == SASL_OK)
		return log_in(co, s, p.authcid, p.passwd);
	pop3_error(s, "[AUTH] One name only");
	s->n_bad++;
	return OK;
}

static enum err
auth_login(struct co *co, struct pop3_session *s, struct str initial,
	   struct buf *user, struct buf *password)
{
	enum reply reply = REPLY_BAD;
	enum err e;

	e = read_reply(co, s, &initial, S("VXNlcm5hbWU6"), user, &reply);
	if (e == OK && reply == REPLY_OK)
		e = read_reply(co, s, &initial, S("UGFzc3dvcmQ6"), password,
			       &reply);
	if (e != OK)
		return e;
	if (reply != REPLY_OK)
		return refuse_reply(s, reply);
	return log_in(co, s, buf_str(user), buf_str(password));
}

enum err
pop3_auth(struct co *co, struct pop3_session *s)
{
	struct buf one = BUF_INIT(SASL_PLAIN_MAX),
		   two = BUF_INIT(SASL_PLAIN_MAX);
	struct str mechanism = s->command.args[0];
	struct str initial =
		s->command.n_args > 1 ? s->command.args[1] : STR_NONE;
	enum err e = OK;

	if (s->command.n_args == 0) { // RFC 1734's list, as old clients ask
		pop3_ok(s, "Mechanisms");
		stream_put(s->stream, front_may_login(s->stream)
					      ? S("PLAIN\r\nLOGIN\r\n.\r\n")
					      : S(".\r\n"));
		return OK;
	}
	if (!is_allowed(s))
		return OK;
	if (str_ieq(mechanism, S("PLAIN"))) {
		e = auth_plain(co, s, initial, &one);
	} else if (str_ieq(mechanism, S("LOGIN"))) {
		e = auth_login(co, s, initial, &one, &two);
	} else {
		pop3_error(s, "Mechanism is not offered");
		s->n_bad++;
	}
	buf_wipe(&one);
	buf_wipe(&two);
	return e;
}
