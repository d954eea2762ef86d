/* SPDX-License-Identifier: MIT
 * mda/front/imap/login.c - LOGIN and AUTHENTICATE (RFC 3501 6.2, RFC 4959).
 *
 * Passwords live in the stream's input, the arena of the command and a buf; the
 * buf is wiped, and none is ever logged. */
#include "mda/front/imap/session.h"

#include "lib/base/base64.h"
#include "lib/base/check.h"
#include "lib/mail/imap_reader.h"
#include "lib/mail/sasl.h"
#include "lib/rt/counters.h"

enum {
	LINE_MAX_OCTETS = SASL_PLAIN_BASE64_MAX + 2,
};

static void
welcome(struct imap_session *s)
{
	struct str id = str_c(s->client.id);

	s->state = IMAP_AUTHENTICATED;
	limits_log_in(s->place);
	counter_add(COUNT_IMAP_LOGINS, 1);
	stream_putf(s->stream, "%.*s OK [", (int)s->n_tag, s->tag);
	imap_put_capability(s);
	stream_put(s->stream, S("] Logged in\r\n"));
	log_at(LOG_INFO, id, "imap.login", F("user", s->client.user),
	       F("client", stream_peer(s->stream)),
	       F("tls", stream_tls_text(s->stream)));
}

static enum err
log_in(struct co *co, struct imap_session *s, struct str user,
       struct str password)
{
	const struct auth_check asked = { user, password, S("imap"),
					  stream_peer(s->stream), false };
	enum auth_result result = front_check_password(co, &s->client, &asked);
	enum err e;

	if (co_is_canceled(co))
		return ERR_CANCELED;
	if (result == AUTH_WRONG) {
		counter_add(COUNT_IMAP_LOGINS_FAILED, 1);
		imap_answer(s, "NO",
			    "[AUTHENTICATIONFAILED] Authentication failed");
		s->n_bad++;
		return OK;
	}
	e = result == AUTH_OK ? front_open_store(co, &s->client, &s->store)
			      : ERR_UNAVAILABLE;
	if (e == OK) {
		welcome(s);
		return OK;
	}
	s->client.user = STR_NONE;
	if (e == ERR_CANCELED)
		return e;
	imap_answer(s, "NO", "[UNAVAILABLE] Try again later");
	s->n_bad++;
	return OK;
}

static bool
is_allowed(struct imap_session *s)
{
	if (front_may_login(s->stream))
		return true;
	imap_answer(s, "NO", "[PRIVACYREQUIRED] Begin TLS first");
	s->n_bad++;
	return false;
}

static enum err
refuse(struct imap_session *s, const char *text)
{
	imap_answer(s, "BAD", text);
	s->n_bad++;
	return OK;
}

enum err
imap_login(struct co *co, struct imap_session *s)
{
	struct str user = STR_NONE, password = STR_NONE;
	struct imap_reader r;

	if (!is_allowed(s))
		return OK;
	imap_reader_init(&r, s->command.args, &s->arena);
	imap_reader_astring(&r, &user);
	imap_reader_space(&r);
	imap_reader_astring(&r, &password);
	if (!imap_reader_end(&r))
		return refuse(s, "Expected a name and a password");
	return log_in(co, s, user, password);
}

/* ---- AUTHENTICATE ---- */

enum reply { REPLY_OK, REPLY_CANCEL, REPLY_BAD };

static enum reply
decode(struct str line, struct buf *out)
{
	if (str_eq(line, S("*")))
		return REPLY_CANCEL;
	buf_clear(out);
	return base64_decode(out, line) == OK ? REPLY_OK : REPLY_BAD;
}

/* The client's next message: the initial response, while there is one, or the
 * line that it sends to the challenge. */
static enum err
read_reply(struct co *co, struct imap_session *s, struct str *initial,
	   struct str challenge, struct buf *out, enum reply *reply_out)
{
	struct str line;
	enum err e;

	if (initial->p != NULL) {
		/* RFC 4959 3: "=" is the empty one. */
		*reply_out = decode(str_eq(*initial, S("=")) ? S("") : *initial,
				    out);
		*initial = STR_NONE;
		return OK;
	}
	imap_take_command(s);
	stream_putf(s->stream, "+ %.*s\r\n", STR(challenge));
	e = imap_flush(co, s);
	if (e != OK)
		return e;
	e = stream_line(co, s->stream, LINE_MAX_OCTETS, s->login_deadline_us,
			&line, NULL);
	if (e == ERR_LIMIT)
		s->bye = "Line is too long";
	if (e == ERR_TIMEOUT)
		s->bye = "Login took too long";
	if (e == OK)
		*reply_out = decode(line, out);
	return e;
}

static enum err
refuse_reply(struct imap_session *s, enum reply reply)
{
	return refuse(s, reply == REPLY_CANCEL ? "Cancelled"
					       : "Malformed response");
}

static enum err
authenticate_plain(struct co *co, struct imap_session *s, struct str initial,
		   struct buf *message, struct buf *unused UNUSED)
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
		return refuse(s, "Malformed response");
	if (parsed == SASL_OK)
		return log_in(co, s, p.authcid, p.passwd);
	imap_answer(s, "NO", "[AUTHORIZATIONFAILED] One name only");
	s->n_bad++;
	return OK;
}

/* No standard: the drafts of 1996 that all clients implement. */
static enum err
authenticate_login(struct co *co, struct imap_session *s, struct str initial,
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
imap_authenticate(struct co *co, struct imap_session *s)
{
	struct buf one = BUF_INIT(SASL_PLAIN_MAX);
	struct buf two = BUF_INIT(SASL_PLAIN_MAX);
	struct str initial = s->command.args, mechanism;
	enum err e;

	str_split(&initial, ' ', &mechanism);
	if (!str_ieq(mechanism, S("PLAIN")) &&
	    !str_ieq(mechanism, S("LOGIN"))) {
		imap_answer(s, "NO", "[CANNOT] Mechanism is not offered");
		s->n_bad++;
		return OK;
	}
	if (!is_allowed(s))
		return OK;
	if (str_ieq(mechanism, S("PLAIN")))
		e = authenticate_plain(co, s, initial, &one, &two);
	else
		e = authenticate_login(co, s, initial, &one, &two);
	buf_wipe(&one);
	buf_wipe(&two);
	return e;
}
