/* SPDX-License-Identifier: MIT
 * mta/in/session.c - the life of one SMTP connection. */
#include "mta/in/session.h"

#include "lib/base/check.h"
#include "lib/mail/smtp_reply.h"
#include "lib/mail/tls_policy.h"

enum {
	TLS_TIMEOUT_S = 30,
	TLS_EXCLUDED_OCTETS = 16 * 1024,
	LOOK_S = 5,
	CROWD_LEAST_S = 20,
	CROWD_SPREAD_S = 30,
	REPLY_TIMEOUT_S = 30,
	BANNER_TIMEOUT_S = 30,
	/* RFC 4954 4: 12288 octets for AUTH; others are checked later. */
	LINE_MAX_OCTETS = 12288 + 2,
	REPLY_TEXT_MAX_OCTETS = 16 * 1024, // with a footer of many lines
	TLS_HANDSHAKE = 0x16,		   // RFC 8446 5.1
	TLS_MAJOR = 3,
	BANNER_MAX_OCTETS = 240, // RFC 5321 4.5.3.1.5, less the name
};

void
session_reset_mail(struct session *s)
{
	call_free(&s->call);
	policy_reset(s);
	recipient_forget(s);
	s->is_ahead_wrong = false;
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

/* smtpd_reject_footer */
static enum err
format_refusal(const struct session *s, int code, struct str enhanced,
	       struct str text, struct buf *out)
{
	time_t t = (time_t)wall_s();
	char now[32];
	struct tm tm;
	size_t n = strftime(now, sizeof(now), "%b %e %H:%M:%S",
			    localtime_r(&t, &tm));
	const struct smtp_footer_value values[] = {
		{ "client_address", session_client(s) },
		{ "server_name", settings_of(s->current)->hostname },
		{ "localtime", str_of(now, n) },
	};

	return smtp_reply_format_footer(out, code, enhanced, text,
					s->rules->reject_footer, values,
					sizeof(values) / sizeof(*values));
}

void
session_say(struct session *s, int code, struct str enhanced, struct str text)
{
	struct buf line = BUF_INIT(REPLY_TEXT_MAX_OCTETS);
	bool has_footer = code >= 400 && s->rules != NULL &&
			  s->rules->reject_footer.n > 0;
	enum err e = has_footer
			     ? format_refusal(s, code, enhanced, text, &line)
			     : smtp_reply_format(&line, code, enhanced, text);

	if (e == OK)
		stream_put(s->stream, buf_str(&line));
	else
		stream_put(s->stream, S("451 4.3.0 Internal error\r\n"));
	buf_release(&line);
}

void
session_reply(struct session *s, int code, struct str enhanced, struct str text)
{
	session_say(s, code, enhanced, text);
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
	session_say(s, 421, S("4.7.0"), S("Too many errors"));
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
	settings_drop(&s->current);
	s->current = settings_hold();
	s->rules = s->current ? &settings_of(s->current)
					 ->smtpd[s->service][in.is_stressed]
			      : NULL;
	return s->rules != NULL;
}

bool
session_overrides(const struct session *s, struct str option)
{
	struct str list = s->rules->overrides, word;

	while (settings_word(&list, &word))
		if (str_ieq(word, option))
			return true;
	return false;
}

void
session_owes(struct session *s)
{
	in.n_owed += !s->is_owing;
	s->is_owing = true;
}

static void
session_has_paid(struct session *s)
{
	in.n_owed -= s->is_owing;
	s->is_owing = false;
}

/* Those who came together must not all go, and come again, together. */
static uint64_t
crowd_timeout_s(const struct session *s)
{
	uint64_t sum = 0;

	for (const char *p = s->id; *p != '\0'; p++)
		sum = sum * 31 + (unsigned char)*p;
	return CROWD_LEAST_S + sum % CROWD_SPREAD_S;
}

struct session_time
session_time(const struct session *s)
{
	const struct router_smtpd *r =
		in.is_stressed
			? &settings_of(s->current)->smtpd[s->service][true]
			: s->rules;
	struct session_time time = { r->timeout_s, r->is_deadline };

	if (in.is_crowded) {
		uint64_t most_s = crowd_timeout_s(s);

		time.is_deadline = true;
		if (time.timeout_s > most_s)
			time.timeout_s = most_s;
	}
	return time;
}

int64_t
session_look(int64_t until_us)
{
	int64_t look_us = in_s(LOOK_S);

	return until_us < look_us ? until_us : look_us;
}

struct str
session_client(const struct session *s)
{
	return str_c(s->client_address);
}

void
session_reset(struct session *s)
{
	session_reset_mail(s);
	policy_forget(s);
	arena_clear(&s->session_memory);
	s->has_greeted = s->is_extended = false;
	s->offers = 0;
	s->helo = s->login = s->client_name = s->discarded = STR_NONE;
}

bool
session_is_submission(const struct session *s)
{
	return s->kind != LISTEN_SMTP;
}

bool
session_must_encrypt(const struct session *s)
{
	return str_ieq(s->rules->tls_level, S("encrypt")) && !s->is_local &&
	       !stream_is_tls(s->stream);
}

bool
session_may_auth(const struct session *s)
{
	return session_is_submission(s) && !s->is_local &&
	       !session_must_encrypt(s) &&
	       (stream_is_tls(s->stream) ||
		(options_is_plaintext_auth_allowed(in.role->options) &&
		 !s->rules->is_tls_auth_only));
}

bool
session_may_starttls(const struct session *s)
{
	return in.tls != NULL && !stream_is_tls(s->stream) && !s->is_local &&
	       !str_ieq(s->rules->tls_level, S("none")) &&
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
void
session_banner(struct session *s)
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
	bool is_relay_decided;

	if (!screen_admits(co, s))
		return OK;
	if (!policy_admits(co, s, POLICY_AT_CONNECT, S(""),
			   &is_relay_decided)) {
		session_hang_up(s);
		return OK;
	}
	session_banner(s);
	return stream_flush(co, s->stream, in_s(BANNER_TIMEOUT_S));
}

/* S16: a TLS client at a plain port sends no line end for long. */
static enum err
wait_for_words(struct co *co, struct session *s)
{
	struct str in_now = stream_peek(s->stream);
	int64_t began_us = now_us();

	while (in_now.n < 2) {
		int64_t until_us =
			began_us +
			(int64_t)session_time(s).timeout_s * US_PER_S;
		enum err e = stream_fill(co, s->stream, session_look(until_us));

		if (e == ERR_TIMEOUT && now_us() < until_us)
			continue;
		if (e != OK)
			return e;
		in_now = stream_peek(s->stream);
		if (in_now.n == 1 && in_now.p[0] != TLS_HANDSHAKE)
			return OK;
	}
	if (in_now.p[0] == TLS_HANDSHAKE && in_now.p[1] == TLS_MAJOR)
		session_syntax(s, SMTP_FOREIGN_PROTOCOL);
	return OK;
}

/* smtpd_forbid_bare_newline: a line that ends with LF alone may be the trace of
 * content that another host took for a command (RFC 5321 2.3.8). */
static bool
is_bare_newline_refused(struct session *s)
{
	struct str value = s->rules->forbid_bare_newline;

	if (str_ieq(value, S("no")) || s->is_trusted)
		return false;
	SESSION_LOG(s, LOG_WARN, "smtp.bare-newline",
		    F("client", session_client(s)));
	if (str_ieq(value, S("note")))
		return false;
	session_reply(s, 521, S("5.5.2"),
		      S("Bare LF in a command (RFC 5321 2.3.8)"));
	session_hang_up(s);
	return true;
}

/* Delays a client that makes mistake after mistake (smtpd_error_sleep_time). */
static enum err
tarpit(struct co *co, struct session *s)
{
	enum err e;

	if (s->is_quit || s->n_errors <= s->rules->soft_errors ||
	    s->rules->error_sleep_s == 0)
		return OK;
	e = co_sleep_until(co, in_s((int64_t)s->rules->error_sleep_s));
	return e == ERR_TIMEOUT ? OK : e;
}

static enum err
run_line(struct co *co, struct session *s, struct str line, bool has_crlf)
{
	enum err e;

	check(session_refresh(s));
	if (!has_crlf && is_bare_newline_refused(s))
		return OK;
	e = command_run(co, s, line);
	return e == OK ? tarpit(co, s) : e;
}

/* What is owed is sent before anything is waited for. Who is slow is looked at
 * again and again, because less time may be left than there was. */
static enum err
next_line(struct co *co, struct session *s, struct str *line, bool *has_crlf)
{
	int64_t began_us = now_us(), until_us;
	enum err e = OK;

	if (s->is_owing && stream_peek(s->stream).n == 0) {
		e = stream_flush(co, s->stream, in_s(REPLY_TIMEOUT_S));
		session_has_paid(s);
	}
	if (e != OK)
		return e;
	do {
		until_us = began_us +
			   (int64_t)session_time(s).timeout_s * US_PER_S;
		e = stream_line(co, s->stream, LINE_MAX_OCTETS,
				session_look(until_us), line, has_crlf);
	} while (e == ERR_TIMEOUT && now_us() < until_us);
	return e;
}

static enum err
converse(struct co *co, struct session *s)
{
	enum err e = greet(co, s);

	if (e == OK && !s->is_quit)
		e = wait_for_words(co, s);
	while (e == OK && !s->is_quit) {
		struct str line;
		bool has_crlf;

		e = next_line(co, s, &line, &has_crlf);
		if (e == ERR_LIMIT) {
			session_syntax(s, SMTP_LINE_TOO_LONG);
			session_hang_up(s);
			e = OK;
		} else if (e == OK) {
			e = run_line(co, s, line, has_crlf);
		}
	}
	return e;
}

static bool
must_encrypt(const struct session *s)
{
	return s->kind == LISTEN_SUBMISSIONS ||
	       str_ieq(s->rules->tls_level, S("encrypt"));
}

/* Where TLS is required, what smtpd_tls_mandatory_protocols says holds as well.
 * The router has told what is wrong with a setting. */
static unsigned
versions_of(const struct session *s)
{
	const struct router_smtpd *r = s->rules;
	unsigned with, required;

	if (!tls_protocols_parse(r->tls_protocols, &with))
		with = TLS_WITH_1_2 | TLS_WITH_1_3;
	if (!must_encrypt(s))
		return with;
	if (!tls_protocols_parse(r->tls_mandatory_protocols, &required))
		required = TLS_WITH_1_2 | TLS_WITH_1_3;
	return (with & required) != 0 ? with & required : required;
}

/* smtpd_tls_exclude_ciphers, and the list of those who must use TLS. */
static enum err
put_excluded(const struct session *s, struct buf *out)
{
	enum err e = buf_add(out, s->rules->tls_exclude);

	if (e == OK && must_encrypt(s))
		e = buf_addc(out, ',');
	if (e == OK && must_encrypt(s))
		e = buf_add(out, s->rules->tls_mandatory_exclude);
	return e;
}

enum err
session_accept_tls(struct co *co, struct session *s)
{
	unsigned with = versions_of(s);
	struct buf excluded = BUF_INIT(TLS_EXCLUDED_OCTETS);
	enum err e;

	stream_without_tls(s->stream, !(with & TLS_WITH_1_2),
			   !(with & TLS_WITH_1_3));
	e = put_excluded(s, &excluded);
	if (e == OK && excluded.n > 1)
		stream_without_ciphers(s->stream, buf_str(&excluded));
	if (e == OK)
		e = stream_accept_tls(co, s->stream, in.tls,
				      in_s(TLS_TIMEOUT_S));
	buf_release(&excluded);
	return e;
}

static enum err
serve(struct co *co, struct session *s)
{
	enum err e = OK;

	if (s->kind == LISTEN_SUBMISSIONS) {
		if (in.tls == NULL)
			return ERR_UNAVAILABLE;
		e = session_accept_tls(co, s);
	}
	if (e == OK)
		e = converse(co, s);
	if (e == ERR_TIMEOUT)
		stream_put(s->stream, S("421 4.4.2 Timeout\r\n"));
	return e;
}

void
session_run(struct co *co, struct session *s)
{
	enum err e;

	SESSION_LOG(s, LOG_DEBUG, "smtp.connect",
		    F("client", session_client(s)));
	e = serve(co, s);
	if (stream_flush(co, s->stream, in_s(1)) != OK && e == OK)
		e = ERR_EOF;
	session_has_paid(s);
	SESSION_LOG(s, LOG_DEBUG, "smtp.disconnect", FERR(e));
}
