/* SPDX-License-Identifier: MIT
 * mta/in/session.c - the life of one SMTP connection. */
#include "mta/in/session.h"

#include "lib/base/check.h"
#include "lib/mail/smtp_reply.h"

enum {
	/* RFC 5321 4.5.3.2.7 asks for 5 minutes. */
	COMMAND_TIMEOUT_S = 300,
	TLS_TIMEOUT_S = 30,
	BANNER_TIMEOUT_S = 30,
	SETTINGS_WAIT_S = 5,
	/* RFC 4954 4: 12288 octets for AUTH; others are checked later. */
	LINE_MAX_OCTETS = 12288 + 2,
	REPLY_TEXT_MAX_OCTETS = 2048,
	BANNER_MAX_OCTETS = 240, // RFC 5321 4.5.3.1.5, less the name
};

void
session_reset_mail(struct session *s)
{
	call_free(&s->call);
	settings_drop(&s->settings);
	arena_clear(&s->memory);
	buf_release(&s->out);
	s->has_mail = false;
	s->sender = STR_NONE;
	s->n_rcpts = s->rcpt_octets = 0;
	s->n_overshoot = 0;
	s->transfer = TRANSFER_NONE;
	s->is_header_sent = false;
	memset(&s->mail, 0, sizeof(s->mail));
}

void
session_reply(struct session *s, int code, struct str enhanced, struct str text)
{
	struct buf line = BUF_INIT(REPLY_TEXT_MAX_OCTETS);

	if (smtp_reply_format(&line, code, enhanced, text) == OK)
		stream_put(s->stream, buf_str(&line));
	else
		stream_put(s->stream, S("451 4.3.0 Internal error\r\n"));
	buf_release(&line);
	if (code >= 400)
		session_count_error(s);
}

void
session_count_error(struct session *s)
{
	uint64_t limit = s->rules ? s->rules->hard_errors : 1;

	if (++s->n_errors < limit || s->is_quit)
		return;
	s->is_quit = true;
	stream_put(s->stream, S("421 4.7.0 Too many errors\r\n"));
	SESSION_LOG(s, LOG_WARN, "smtp.too-many-errors");
}

void
session_forgive(struct session *s)
{
	s->n_errors = s->n_junk = 0;
}

void
session_syntax(struct session *s, enum smtp_syntax what)
{
	const struct smtp_answer *a = smtp_syntax_answer(what);

	session_reply(s, a->code, a->enhanced, a->text);
	if (what == SMTP_FOREIGN_PROTOCOL)
		session_hang_up(s);
}

void
session_hang_up(struct session *s)
{
	s->is_quit = true;
}

bool
session_refresh(struct session *s)
{
	static const enum router_smtpd_service services[] = {
		[LISTEN_SMTP] = ROUTER_SMTPD_SMTP,
		[LISTEN_SUBMISSION] = ROUTER_SMTPD_SUBMISSION,
		[LISTEN_SUBMISSIONS] = ROUTER_SMTPD_SUBMISSIONS,
	};

	settings_drop(&s->current);
	s->current = settings_hold();
	s->rules = s->current
			   ? &settings_of(s->current)
				      ->smtpd[services[s->kind]][in.is_stressed]
			   : NULL;
	return s->rules != NULL;
}

bool
session_is_submission(const struct session *s)
{
	return s->kind != LISTEN_SMTP;
}

bool
session_may_auth(const struct session *s)
{
	return session_is_submission(s) &&
	       (stream_is_tls(s->stream) ||
		options_is_plaintext_auth_allowed(in.role->options));
}

bool
session_may_starttls(const struct session *s)
{
	return in.tls != NULL && !stream_is_tls(s->stream) &&
	       s->kind != LISTEN_SUBMISSIONS;
}

size_t
session_recipient_limit(const struct session *s)
{
	uint64_t limit = s->rules->recipient_limit;

	return limit < ENVELOPE_MAX_RECIPIENTS ? (size_t)limit
					       : ENVELOPE_MAX_RECIPIENTS;
}

/* RFC 5321 4.2: the host's name stands first, whatever the operator wrote. */
static void
say_banner(struct session *s)
{
	struct str name = settings_of(s->current)->hostname;
	struct str text = s->rules->banner;

	if (str_istarts(text, name))
		text = str_ltrim(str_from(text, name.n));
	stream_putf(s->stream, "220 %.*s %.*s\r\n", STR(name),
		    STR(str_first(text, BANNER_MAX_OCTETS)));
}

static enum err
greet(struct co *co, struct session *s)
{
	/* A server that talks before the banner is no mail server. */
	if (s->kind == LISTEN_SMTP && !s->is_trusted &&
	    stream_has_octets(s->stream)) {
		SESSION_LOG(s, LOG_WARN, "smtp.pregreet",
			    F("client", stream_peer(s->stream)));
		session_reply(s, 554, S("5.5.1"),
			      S("you spoke before I greeted"));
		session_hang_up(s);
		return OK;
	}
	if (settings_wait(co, in_s(SETTINGS_WAIT_S)) != OK) {
		session_reply(s, 421, S("4.3.2"),
			      S("not ready yet, try again later"));
		session_hang_up(s);
		return OK;
	}
	check(session_refresh(s));
	say_banner(s);
	return stream_flush(co, s->stream, in_s(BANNER_TIMEOUT_S));
}

static enum err
serve(struct co *co, struct session *s)
{
	enum err e = OK;

	if (s->kind == LISTEN_SUBMISSIONS) {
		if (in.tls == NULL)
			return ERR_UNAVAILABLE;
		e = stream_accept_tls(co, s->stream, in.tls,
				      in_s(TLS_TIMEOUT_S));
	}
	if (e == OK)
		e = greet(co, s);
	while (e == OK && !s->is_quit) {
		struct str line;
		bool has_crlf;

		e = stream_line(co, s->stream, LINE_MAX_OCTETS,
				in_s(COMMAND_TIMEOUT_S), &line, &has_crlf);
		if (e == ERR_LIMIT) {
			session_syntax(s, SMTP_LINE_TOO_LONG);
			session_hang_up(s);
			e = OK;
		} else if (e == OK) {
			e = command_run(co, s, line);
		}
	}
	if (e == ERR_TIMEOUT)
		stream_put(s->stream, S("421 4.4.2 Timeout\r\n"));
	return e;
}

void
session_run(struct co *co, struct session *s)
{
	enum err e;

	SESSION_LOG(s, LOG_DEBUG, "smtp.connect",
		    F("client", stream_peer(s->stream)));
	e = serve(co, s);
	if (stream_flush(co, s->stream, in_s(1)) != OK && e == OK)
		e = ERR_EOF;
	SESSION_LOG(s, LOG_DEBUG, "smtp.disconnect", FERR(e));
}
