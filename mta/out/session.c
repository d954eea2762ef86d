/* SPDX-License-Identifier: MIT
 * mta/out/session.c - the client's side of SMTP and LMTP.
 *
 * Process: out.  Standards: see session.h.
 * Owns: its stream.
 * Invariants:
 *  (1) Commands leave only when no octet of the server waits unread: what comes
 *      early (before a handshake, between replies) ends the session.
 *  (2) The end is sent only after the whole content was, and a recipient counts
 *      as delivered only after the reply to it, 2yz, was read.
 *  (3) After any doubt about where the conversation stands the session is
 *      broken: nothing more is said in it. */
#include "mta/out/session.h"

#include "lib/base/base64.h"
#include "lib/base/check.h"
#include "lib/base/utf8.h"
#include "lib/mail/smtp_data.h"
#include "lib/rt/content_checks.h"
#include "lib/rt/counters.h"
#include "lib/rt/log.h"
#include "mta/out/resume.h"

#include <openssl/rand.h>
#include <unistd.h>

enum {
	AUTH_TIMEOUT_S = 180, // RFC 4954 6
	QUIT_TIMEOUT_MS = 200,
	LAST_WORDS_TIMEOUT_S = 5, // of a server that hung up
	CONTENT_TIMEOUT_S = 60,	  // for the queue's next chunk

	IN_MAX_OCTETS = 64 * 1024,
	PIECE_OCTETS = 32 * 1024,
	/* Content that is flushed at once. */
	FLUSH_AT_OCTETS = 128 * 1024,
	/* Content that goes with its envelope: little is lost when nobody is
	 * accepted. */
	FLIGHT_MAX_OCTETS = 64 * 1024,
	LINES_MAX_OCTETS =
		OUT_MAX_RECIPIENTS * COMMAND_MAX_OCTETS + FLIGHT_MAX_OCTETS,
	MAX_USES = 100,
	LOCAL_IDLE_S = 5,
	SMTP_PORT = 25,
	MAX_CHALLENGES = 4,
	COMMAND_OCTETS = 64,
	CHECKS_MEMORY_OCTETS = 256 * 1024,
	CHECKED_MAX_OCTETS = 4 << 20,
};

static struct peer *checks_router;

struct session {
	struct stream *stream;
	struct setup *setup; // held
	char *resume_key;
	bool is_lmtp, is_unix;
	bool is_broken;
	bool needs_reset; // a transaction is open
	unsigned n_uses;
	bool is_fallback;
	bool may_loop; // nobody sends to ourselves on purpose here
	int64_t began_us;
	struct offers offers;
	struct smtp_reply reply;
	const char *doing; // for the words of a failure
	char remote[OUTCOME_REMOTE_MAX];
};

static const char doing_greeting[] = "the greeting";
static const char doing_end[] =
	"the end of the content, so perhaps it was taken";

void
session_start(struct peer *router)
{
	checks_router = router;
}

/* ---- commands and replies ---- */

static enum err
read_reply(struct co *co, struct session *s, int64_t deadline_us)
{
	smtp_reply_clear(&s->reply);
	for (;;) {
		enum smtp_reply_result result;
		size_t n;
		enum err e;

		result = smtp_reply_feed(&s->reply, stream_peek(s->stream), &n);
		stream_take(s->stream, n);
		if (result == SMTP_REPLY_DONE) {
			if (s->reply.code == 421) // RFC 5321 3.8
				s->is_broken = true;
			return OK;
		}
		e = result == SMTP_REPLY_BAD
			    ? ERR_FORMAT
			    : stream_fill(co, s->stream, deadline_us);
		if (e != OK) {
			s->is_broken = true;
			return e;
		}
	}
}

/* Nothing may wait to be read: see invariant (1). */
static enum err
send_lines(struct co *co, struct session *s, struct str lines,
	   int64_t deadline_us)
{
	enum err e = stream_peek(s->stream).n > 0 ? ERR_FORMAT : OK;

	if (e == OK) {
		stream_put(s->stream, lines);
		e = stream_flush(co, s->stream, deadline_us);
	}
	if (e != OK)
		s->is_broken = true;
	return e;
}

/* Sends line unless it is STR_NONE (it was sent before), reads its reply. */
static enum err
converse(struct co *co, struct session *s, struct str line, const char *doing,
	 int64_t timeout_s)
{
	int64_t deadline_us = in_s(timeout_s);
	enum err e = OK;

	s->doing = doing;
	if (line.n > 0)
		e = send_lines(co, s, line, deadline_us);
	return e == OK ? read_reply(co, s, deadline_us) : e;
}

static bool
is_positive(const struct session *s)
{
	return s->reply.code / 100 == 2;
}

static void
failure(const struct session *s, enum err e, struct outcome *out)
{
	const char *what = e == ERR_TIMEOUT  ? "no answer in time"
			   : e == ERR_FORMAT ? "the server does not keep to "
					       "the protocol"
			   : e == ERR_TLS    ? "TLS failed"
					     : "the connection was lost";

	outcome_of_us(out, 0, e == ERR_FORMAT ? "4.5.0" : "4.4.2", s->remote,
		      "%s, during %s", what, s->doing);
}

/* ---- before MAIL ---- */

static enum err
say_hello(struct co *co, struct session *s)
{
	struct str hostname = s->setup->smtp.helo_name;
	struct buf line = BUF_INIT(COMMAND_MAX_OCTETS);
	enum err e;

	buf_putf(&line, "%s %.*s\r\n", s->is_lmtp ? "LHLO" : "EHLO",
		 STR(hostname));
	e = converse(co, s, buf_str(&line), "EHLO", s->setup->smtp.helo_s);
	if (e == OK && is_positive(s)) {
		offers_read(&s->reply, &s->offers);
	} else if (e == OK && s->reply.code / 100 == 5 && !s->is_lmtp &&
		   !stream_is_tls(s->stream)) {
		buf_clear(&line); // RFC 5321 3.2
		buf_putf(&line, "HELO %.*s\r\n", STR(hostname));
		e = converse(co, s, buf_str(&line), "HELO",
			     s->setup->smtp.helo_s);
		s->offers = (struct offers) { 0 };
	}
	buf_release(&line);
	return e == OK && !is_positive(s) ? ERR_REFUSED : e;
}

/* What came before the handshake was injected (RFC 3207 6). */
static enum err
shake_hands(struct co *co, struct session *s, const struct policy *policy,
	    bool *is_tls_out)
{
	enum err e;

	s->doing = "the TLS handshake";
	if (stream_peek(s->stream).n > 0)
		return ERR_FORMAT;
	e = stream_connect_tls(co, s->stream, s->setup->tls, &policy->peer,
			       in_s(s->setup->smtp.starttls_s));
	if (e == OK)
		return OK;
	s->is_broken = *is_tls_out = true;
	return e == ERR_TIMEOUT ? e : ERR_TLS;
}

static enum err
start_tls(struct co *co, struct session *s,
	  const struct session_settings *settings, bool *is_tls_out)
{
	enum err e = converse(co, s, S("STARTTLS\r\n"), "STARTTLS",
			      s->setup->smtp.starttls_s);

	if (e != OK)
		return e;
	if (s->reply.code != 220)
		return settings->policy->level == TLS_MAY ? OK : ERR_REFUSED;
	e = shake_hands(co, s, settings->policy, is_tls_out);
	return e == OK ? say_hello(co, s) : e;
}

/* One line of base64: the answer to the challenge, behind the command's name
 * when it goes with that. */
static enum err
put_answer(struct login *l, struct str challenge, const char *command,
	   struct buf *line)
{
	struct buf secret = BUF_INIT(LOGIN_MAX_OCTETS);
	enum err e = login_answer(l, challenge, &secret);

	buf_clear(line);
	buf_put(line, str_c(command));
	if (e == OK)
		e = base64_encode(line, buf_str(&secret));
	if (e == OK)
		e = buf_add(line, S("\r\n"));
	buf_wipe(&secret);
	return e;
}

/* Decodes the text of a 334; what is no base64 means nothing to us but for
 * LOGIN, where it means nothing anyway. */
static enum err
read_challenge(const struct session *s, struct buf *out)
{
	struct str text = smtp_reply_text(&s->reply);
	enum err e;

	buf_clear(out);
	e = base64_decode(out, str_trim(text));
	return e == ERR_FORMAT ? OK : e;
}

static enum err
converse_login(struct co *co, struct session *s, struct login *l,
	       struct buf *line)
{
	struct buf challenge = BUF_INIT(LOGIN_MAX_OCTETS);
	char command[COMMAND_OCTETS];
	enum err e = OK;

	snprintf(command, sizeof(command), "AUTH %s%s",
		 login_name(l->mechanism), login_begins(l) ? " " : "\r\n");
	if (login_begins(l))
		e = put_answer(l, STR_NONE, command, line);
	else
		buf_put(line, str_c(command));
	if (e == OK)
		e = converse(co, s, buf_str(line), "AUTH", AUTH_TIMEOUT_S);
	for (int i = 0; e == OK && s->reply.code == 334; i++) {
		e = i < MAX_CHALLENGES ? read_challenge(s, &challenge)
				       : ERR_FORMAT;
		if (e == OK)
			e = put_answer(l, buf_str(&challenge), "", line);
		if (e == OK)
			e = converse(co, s, buf_str(line), "AUTH",
				     AUTH_TIMEOUT_S);
	}
	buf_release(&challenge);
	if (e == OK && (s->reply.code != 235 || !l->is_server_proved))
		e = ERR_REFUSED;
	return e;
}

static enum err
log_in(struct co *co, struct session *s, const struct out_job *job,
       enum login_mechanism mechanism)
{
	unsigned char bytes[LOGIN_NONCE_OCTETS / 2];
	char nonce[LOGIN_NONCE_OCTETS + 1];
	struct buf line = BUF_INIT(2 * LOGIN_MAX_OCTETS);
	struct login l;
	enum err e;

	check(RAND_bytes(bytes, sizeof(bytes)) == 1);
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(nonce + 2 * i, 3, "%02x", bytes[i]);
	login_init(&l, mechanism, job->sasl_user, job->sasl_password, nonce);
	e = converse_login(co, s, &l, &line);
	login_release(&l);
	buf_wipe(&line);
	if (e != OK) // in the middle of an exchange, or not trusted
		s->is_broken = true;
	return e;
}

/* The refusal of a session is never final: another server of the same domain,
 * or the same one tomorrow, may let us in. */
static void
refused_session(const struct session *s, struct outcome *out)
{
	outcome_of_reply(out, &s->reply, s->remote);
	out->is_final = out->code / 100 == 5 && s->doing == doing_greeting &&
			!s->setup->smtp.skips_5xx_greeting;
	if (out->code / 100 == 4 || out->is_final)
		return;
	out->code = 0;
	if (out->enhanced[0] != '\0')
		out->enhanced[0] = '4';
}

/* False with *why_out when the login must not or cannot be. */
static bool
log_in_if_due(struct co *co, struct session *s,
	      const struct session_settings *settings, struct outcome *why_out)
{
	const struct out_job *job = settings->job;
	enum login_mechanism mechanism;
	enum err e;

	if (!settings->has_login || s->is_unix)
		return true;
	if (!stream_is_tls(s->stream) && !settings->policy->may_login_plain) {
		outcome_of_us(why_out, 0, "4.7.0", s->remote,
			      "a password is not sent without TLS");
		return false;
	}
	mechanism =
		login_choose(s->offers.logins, s->setup->smtp.sasl_mechanisms,
			     stream_is_tls(s->stream));
	if (mechanism == LOGIN_NONE) {
		outcome_of_us(why_out, 0, "4.7.0", s->remote,
			      "the server offers no AUTH that we may use");
		return false;
	}
	e = log_in(co, s, job, mechanism);
	if (e == ERR_REFUSED)
		outcome_of_us(why_out, 0, "4.7.8", s->remote,
			      "the server does not take our login: %d %.*s",
			      s->reply.code, STR(smtp_reply_text(&s->reply)));
	else if (e != OK)
		failure(s, e, why_out);
	return e == OK;
}

/* Who calls itself as we do is us, by a way that DNS does not show. */
static bool
is_ourselves(const struct session *s)
{
	struct str line, name;
	size_t at = 0;

	return smtp_reply_line(&s->reply, &at, &line) &&
	       str_word(&line, &name) &&
	       str_ieq(name, s->setup->smtp.helo_name);
}

static enum err
greet(struct co *co, struct session *s, const struct session_settings *settings,
      bool *is_tls_out)
{
	const struct policy *policy = settings->policy;
	enum err e = OK;

	if (policy->is_wrapped && !s->is_unix)
		e = shake_hands(co, s, policy, is_tls_out);
	if (e == OK)
		e = converse(co, s, STR_NONE, doing_greeting,
			     s->setup->smtp.helo_s);
	if (e == OK)
		e = is_positive(s) ? say_hello(co, s) : ERR_REFUSED;
	if (e == OK && s->may_loop && is_ourselves(s))
		return ERR_EXISTS;
	if (e != OK || s->is_unix || stream_is_tls(s->stream))
		return e;
	if (policy->level != TLS_NONE && s->offers.has_starttls)
		e = start_tls(co, s, settings, is_tls_out);
	return e;
}

static bool
prepare(struct co *co, struct session *s,
	const struct session_settings *settings, struct outcome *why_out,
	bool *is_tls_out)
{
	enum err e = greet(co, s, settings, is_tls_out);

	if (e == ERR_REFUSED)
		refused_session(s, why_out);
	else if (e == ERR_EXISTS)
		outcome_of_us(why_out, 554, "5.4.6", s->remote,
			      "the mail loops back to this host");
	else if (e == ERR_TLS)
		outcome_of_us(why_out, 0, "4.7.5", s->remote, "no TLS: %.*s",
			      STR(stream_tls_text(s->stream)));
	else if (e != OK)
		failure(s, e, why_out);
	if (e != OK)
		return false;
	if (settings->policy->level >= TLS_ENCRYPT && !s->is_unix &&
	    !stream_is_tls(s->stream)) {
		outcome_of_us(why_out, 0, "4.7.4", s->remote,
			      "TLS is required here, and not offered");
		return false;
	}
	return log_in_if_due(co, s, settings, why_out);
}

struct session *
session_new(struct co *co, int fd, const struct target *target,
	    const struct session_settings *settings, struct outcome *why_out,
	    bool *is_tls_out)
{
	struct session *s = must_alloc(sizeof(*s));

	counter_up(COUNT_OUT_SESSIONS_NOW);
	counter_add(COUNT_OUT_SESSIONS, 1);
	*is_tls_out = false;
	s->stream = stream_new(fd, IN_MAX_OCTETS);
	s->setup = settings->setup;
	s->setup->n_holds++;
	s->resume_key = str_dup_c(settings->resume_key);
	s->is_fallback = target->is_fallback;
	s->may_loop = settings->job->protocol == OUT_SMTP &&
		      (target->hop.port == 0 || target->hop.port == SMTP_PORT);
	s->began_us = now_us();
	s->is_lmtp = settings->job->protocol != OUT_SMTP;
	s->is_unix =
		settings->job->protocol == OUT_LOCAL || target->unix_path.n > 0;
	smtp_reply_init(&s->reply);
	snprintf(s->remote, sizeof(s->remote), "%.*s[%.*s]", STR(target->name),
		 STR(target->address));
	if (s->is_unix)
		snprintf(s->remote, sizeof(s->remote), "%.*s",
			 STR(target->name));
	if (prepare(co, s, settings, why_out, is_tls_out))
		return s;
	why_out->is_dead = why_out->code / 100 != 5;
	why_out->is_final = !why_out->is_dead;
	session_quit(co, &s);
	return NULL;
}

static void
keep_tls(const struct session *s)
{
	struct ssl_session_st *session = stream_tls_session(s->stream);

	if (session != NULL)
		resume_keep(str_c(s->resume_key), session);
}

void
session_quit(struct co *co, struct session **session_ref)
{
	struct session *s = *session_ref;

	*session_ref = NULL;
	if (s == NULL)
		return;
	/* The reply tells nothing that we would act on. */
	if (!s->is_broken &&
	    send_lines(co, s, S("QUIT\r\n"), in_ms(QUIT_TIMEOUT_MS)) != OK)
		s->is_broken = true;
	if (stream_is_tls(s->stream) && s->n_uses > 0)
		keep_tls(s);
	counter_down(COUNT_OUT_SESSIONS_NOW);
	stream_free(&s->stream);
	smtp_reply_release(&s->reply);
	setup_drop(&s->setup);
	free(s->resume_key);
	free(s);
}

/* ---- one message ---- */

struct transaction {
	struct delivery *d;
	size_t asked[OUT_MAX_RECIPIENTS]; // indexes of rcpts: a line was made
	size_t accepted[OUT_MAX_RECIPIENTS];
	size_t n_asked, n_accepted;
	bool is_mail_ok;
	bool has_reply; // the server reacted to this message
	bool is_flight; // the content goes with the envelope
};

/* To all whose outcome is open. */
static void
settle(struct delivery *d, const struct outcome *o)
{
	for (size_t i = 0; i < d->job->n_rcpts; i++)
		if (!d->outcomes[i].is_set)
			d->outcomes[i] = *o;
}

static void
settle_by_reply(struct session *s, struct delivery *d)
{
	struct outcome o;

	outcome_of_reply(&o, &s->reply, s->remote);
	settle(d, &o);
}

static void
settle_by_failure(struct session *s, struct delivery *d, enum err e)
{
	struct outcome o;

	s->is_broken = true;
	failure(s, e, &o);
	settle(d, &o);
}

/* Those that only SMTPUTF8 can reach, or all. True when nobody is left. */
static bool
is_refused_for_utf8(const struct session *s, struct delivery *d)
{
	bool is_all = command_needs_utf8_for_all(d->job);
	size_t n_left = 0;

	for (size_t i = 0; i < d->job->n_rcpts; i++) {
		if (is_all || !utf8_is_ascii(d->job->rcpts[i].address))
			outcome_of_us(&d->outcomes[i], 553, "5.6.7", s->remote,
				      "the server does not offer SMTPUTF8");
		else
			n_left++;
	}
	return n_left == 0;
}

/* What the server cannot take can be known before it is asked. */
static bool
is_possible(const struct session *s, struct delivery *d)
{
	struct outcome o;

	if (s->offers.size_max_octets > 0 &&
	    d->job->size_octets > s->offers.size_max_octets) {
		outcome_of_us(&o, 552, "5.3.4", s->remote,
			      "the message has %llu octets, the server takes "
			      "%llu",
			      (unsigned long long)d->job->size_octets,
			      (unsigned long long)s->offers.size_max_octets);
		settle(d, &o);
		return false;
	}
	/* RFC 3030 3: DATA would change it, and nobody here may re-encode what
	 * a signature may cover. */
	if (d->job->is_binary &&
	    !(s->offers.has_binary && s->offers.has_chunking)) {
		outcome_of_us(&o, 554, "5.6.1", s->remote,
			      "the message is BINARYMIME, which the server "
			      "does not offer");
		settle(d, &o);
		return false;
	}
	return s->offers.has_utf8 || !is_refused_for_utf8(s, d);
}

static void
bad_address(struct outcome *o, const char *enhanced, const char *whose)
{
	outcome_of_us(o, 553, enhanced, "",
		      "the %s address cannot be written in SMTP", whose);
}

/* Whole lines that end in CRLF and hold no other CR or LF. */
static bool
has_clean_lines(struct str text)
{
	const char *p = text.p, *end = text.p + text.n;

	while (p < end) {
		size_t left = (size_t)(end - p);
		const char *lf = memchr(p, '\n', left);

		if (lf == NULL || lf == p ||
		    memchr(p, '\r', (size_t)(lf - p)) != lf - 1)
			return false;
		p = lf + 1;
	}
	return text.n > 0;
}

/* smtp_header_checks and their kin are for SMTP. */
static bool
is_checked(const struct session *s)
{
	return s->setup->smtp.has_checks && !s->is_lmtp;
}

/* Another host of ours takes envelope and content in one write (RFC 3030 4.2),
 * and knows a repeat when its replies get lost. */
static bool
is_flight(const struct session *s, const struct out_job *job)
{
	return !is_checked(s) && s->offers.has_own &&
	       s->offers.has_pipelining && s->offers.has_chunking &&
	       job->has_content && job->content.n <= FLIGHT_MAX_OCTETS &&
	       (job->is_binary || has_clean_lines(job->content));
}

/* All lines up to DATA, or the content, one after the other. False when nobody
 * is left to deliver to. */
static bool
make_lines(struct session *s, struct transaction *t, struct buf *lines)
{
	struct delivery *d = t->d;
	const struct out_job *job = d->job;
	struct outcome o;

	if (s->needs_reset)
		buf_put(lines, S("RSET\r\n"));
	if (!command_mail(lines, job, &s->offers)) {
		bad_address(&o, "5.1.7", "sender's");
		settle(d, &o);
		return false;
	}
	for (size_t i = 0; i < job->n_rcpts; i++) {
		if (d->outcomes[i].is_set)
			continue;
		if (command_rcpt(lines, &job->rcpts[i], &s->offers))
			t->asked[t->n_asked++] = i;
		else
			bad_address(&d->outcomes[i], "5.1.3", "recipient's");
	}
	t->is_flight = is_flight(s, job);
	if (t->is_flight) {
		buf_putf(lines, "BDAT %zu LAST\r\n", job->content.n);
		buf_put(lines, job->content);
	} else if (!job->is_binary) {
		buf_put(lines, S("DATA\r\n"));
	}
	return t->n_asked > 0;
}

/* Takes the next line; STR_NONE when all were sent in one go. */
static struct str
next_line(const struct session *s, struct str *lines)
{
	ptrdiff_t lf = str_chr(*lines, '\n');
	struct str line;

	if (s->offers.has_pipelining || lf < 0)
		return STR_NONE;
	line = str_first(*lines, (size_t)lf + 1);
	*lines = str_from(*lines, line.n);
	return line;
}

static enum err
ask_rcpts(struct co *co, struct session *s, struct transaction *t,
	  struct str *lines)
{
	for (size_t i = 0; i < t->n_asked; i++) {
		enum err e = converse(co, s, next_line(s, lines), "RCPT TO",
				      s->setup->smtp.rcpt_s);

		if (e != OK)
			return e;
		if (!t->is_mail_ok)
			continue; // sent with MAIL; answered, and void
		if (is_positive(s))
			t->accepted[t->n_accepted++] = t->asked[i];
		else
			outcome_of_reply(&t->d->outcomes[t->asked[i]],
					 &s->reply, s->remote);
	}
	return OK;
}

static void
read_verdicts(struct co *co, struct session *s, struct transaction *t);

/* The content has left already: what became of it. */
static enum err
end_flight(struct co *co, struct session *s, struct transaction *t)
{
	s->doing = doing_end;
	if (t->n_accepted > 0) {
		read_verdicts(co, s, t);
		return OK;
	}
	/* One reply, that nobody is there (RFC 3030 2). */
	return read_reply(co, s, in_s(s->setup->smtp.data_done_s));
}

/* RSET, MAIL, RCPT ..., DATA. OK with *is_ready_out: the server waits for the
 * content. Otherwise every outcome is set, or an error says why not. */
static enum err
ask_envelope(struct co *co, struct session *s, struct transaction *t,
	     struct str lines, bool *is_ready_out)
{
	struct delivery *d = t->d;
	enum err e = OK;

	*is_ready_out = false;
	s->doing = "MAIL FROM";
	if (s->offers.has_pipelining)
		e = send_lines(co, s, lines, in_s(s->setup->smtp.mail_s));
	if (e == OK && s->needs_reset)
		e = converse(co, s, next_line(s, &lines), "RSET",
			     s->setup->smtp.rset_s);
	s->needs_reset = false;
	if (e == OK)
		e = converse(co, s, next_line(s, &lines), "MAIL FROM",
			     s->setup->smtp.mail_s);
	if (e != OK)
		return e;
	if (s->reply.code == 421 && s->n_uses > 0)
		return ERR_EOF;
	t->has_reply = true;
	t->is_mail_ok = is_positive(s);
	if (!t->is_mail_ok) {
		settle_by_reply(s, d);
		if (!s->offers.has_pipelining)
			return OK;
	}
	e = ask_rcpts(co, s, t, &lines);
	if (e != OK)
		return e;
	s->needs_reset = t->is_mail_ok;
	if (t->is_flight)
		return end_flight(co, s, t);
	if (d->job->is_binary) { // BDAT needs no leave
		*is_ready_out = t->n_accepted > 0;
		return OK;
	}
	if (t->n_accepted == 0 && !s->offers.has_pipelining)
		return OK;
	e = converse(co, s, next_line(s, &lines), "DATA",
		     s->setup->smtp.data_init_s);
	if (e != OK)
		return e;
	*is_ready_out = s->reply.code == 354 && t->n_accepted > 0;
	/* An empty message for nobody must not be finished: RFC 2920 3.1 would
	 * have us send ".", which some servers deliver. */
	if (s->reply.code == 354 && t->n_accepted == 0)
		s->is_broken = true;
	if (s->reply.code != 354 && s->reply.code / 100 < 4)
		settle_by_failure(s, d, ERR_FORMAT);
	else if (s->reply.code != 354)
		settle_by_reply(s, d);
	return OK;
}

struct content {
	bool is_chunk; // all of it is one BDAT: not a byte is changed
	uint64_t left; // octets that the BDAT line has promised
	struct smtp_stuff stuff;
	struct buf piece;
	struct content_checks *checks; // it goes by them; NULL: not
	const char *trouble;	       // of ours, when it did not get through
};

/* What leaves for these octets of the content. */
static enum err
put_content(struct session *s, struct content *c, struct str octets)
{
	if (c->is_chunk) {
		if (octets.n > c->left)
			return ERR_UNAVAILABLE; // not what was promised
		c->left -= octets.n;
		stream_put(s->stream, octets);
		return OK;
	}
	buf_clear(&c->piece);
	check(smtp_data_stuff(&c->piece, octets, &c->stuff) == OK);
	stream_put(s->stream, buf_str(&c->piece));
	return OK;
}

/* ERR_REFUSED: the server answered before the end; its reply is there. */
static enum err
send_piece(struct co *co, struct session *s, struct content *c,
	   struct str octets)
{
	while (octets.n > 0) {
		struct str piece = str_first(octets, PIECE_OCTETS);
		enum err e = put_content(s, c, piece);

		if (e != OK)
			return e;
		octets = str_from(octets, piece.n);
		if (stream_unsent(s->stream) < FLUSH_AT_OCTETS)
			continue;
		if (stream_has_input(s->stream))
			return ERR_REFUSED;
		e = stream_flush(co, s->stream,
				 in_s(s->setup->smtp.data_xfer_s));
		if (e != OK)
			return e;
	}
	return OK;
}

/* What the rules ordered; only notes for the log mean something here. */
static enum err
take_checks(struct session *s, struct content *c)
{
	struct arena arena = ARENA_INIT(CHECKS_MEMORY_OCTETS);
	struct policy_answer a;
	enum err e = content_checks_answer(c->checks, &arena, &a);

	for (size_t i = 0; e == OK && i < a.n_effects; i++)
		log_info("smtp.header-checks", FC("remote", s->remote),
			 F("text", a.effects[i].text),
			 F("rule", a.effects[i].rule));
	if (e == OK && a.outcome != POLICY_PASS)
		e = ERR_UNAVAILABLE;
	content_checks_free(&c->checks);
	arena_release(&arena);
	return e;
}

/* By smtp_header_checks and their kin, where there are such. */
static enum err
send_octets(struct co *co, struct session *s, struct content *c,
	    struct str octets, bool is_end)
{
	struct buf passed = BUF_INIT(CHECKED_MAX_OCTETS);
	enum err e;

	if (c->checks == NULL)
		return send_piece(co, s, c, octets);
	e = content_checks_feed(co, c->checks, octets, is_end, &passed);
	if (e == OK && content_checks_is_over(c->checks))
		e = take_checks(s, c);
	if (e != OK && e != ERR_CANCELED) {
		c->trouble = "the content could not be checked "
			     "(smtp_header_checks)";
		e = ERR_UNAVAILABLE;
	}
	if (e == OK)
		e = send_piece(co, s, c, buf_str(&passed));
	buf_release(&passed);
	return e;
}

static enum err
open_checks(struct co *co, struct session *s, struct content *c)
{
	enum err e;

	if (!is_checked(s))
		return OK;
	if (c->is_chunk) { // its size is promised
		log_warn("smtp.unchecked", FC("remote", s->remote),
			 FC("why", "BINARYMIME"));
		return OK;
	}
	e = content_checks_open(co, checks_router, POLICY_CONTENT_SENT, S(""),
				&c->checks);
	if (e == OK || e == ERR_CANCELED)
		return e;
	c->trouble = "the router does not answer";
	return ERR_UNAVAILABLE;
}

/* ERR_UNAVAILABLE: the queue broke off. */
static enum err
send_chunks(struct co *co, struct session *s, struct content *c,
	    struct call *call)
{
	bool is_end = false;
	enum err e = call_post(call, OUT_WANT, STR_NONE, -1, false);

	if (e != OK)
		return ERR_UNAVAILABLE;
	while (!is_end && e == OK) {
		struct frame f;

		if (call_recv(co, call, in_s(CONTENT_TIMEOUT_S), &f) != OK)
			return ERR_UNAVAILABLE;
		is_end = f.is_end;
		e = f.type == OUT_CHUNK ? send_octets(co, s, c, f.body, is_end)
					: ERR_UNAVAILABLE;
		frame_release(&f);
	}
	return e;
}

/* ERR_UNAVAILABLE: a chunk lacks octets that its line promised. */
static enum err
end_of_content(struct session *s, struct content *c)
{
	if (c->is_chunk)
		return c->left == 0 ? OK : ERR_UNAVAILABLE;
	buf_clear(&c->piece);
	check(smtp_data_stuff_end(&c->piece, &c->stuff) == OK);
	stream_put(s->stream, buf_str(&c->piece));
	return OK;
}

/* Up to and with the final dot, or the whole of one last chunk. */
static enum err
send_content(struct co *co, struct session *s, struct delivery *d,
	     const char **trouble_out)
{
	struct content c = { .is_chunk = d->job->is_binary,
			     .left = d->job->size_octets,
			     .stuff = SMTP_STUFF_INIT,
			     .piece = BUF_INIT(2 * PIECE_OCTETS + 64),
			     .trouble = "the queue did not give the content" };
	enum err e = open_checks(co, s, &c);

	s->doing = "the content";
	if (c.is_chunk)
		stream_putf(s->stream, "BDAT %llu LAST\r\n",
			    (unsigned long long)c.left);
	if (e == OK && d->job->has_content)
		e = send_octets(co, s, &c, d->job->content, true);
	else if (e == OK)
		e = send_chunks(co, s, &c, d->call);
	if (e == OK)
		e = end_of_content(s, &c);
	if (e == OK) {
		s->doing = doing_end;
		e = stream_flush(co, s->stream,
				 in_s(s->setup->smtp.data_xfer_s));
	}
	content_checks_free(&c.checks);
	buf_release(&c.piece);
	*trouble_out = c.trouble;
	return e;
}

/* The content did not get through to its end. */
static void
content_failed(struct co *co, struct session *s, struct delivery *d, enum err e,
	       const char *trouble)
{
	struct outcome o;

	s->is_broken = true;
	if (e == ERR_UNAVAILABLE) {
		outcome_of_us(&o, 0, "4.3.0", "", "%s", trouble);
		settle(d, &o);
		return;
	}
	/* A server that gave up usually says why. */
	if (read_reply(co, s, in_s(LAST_WORDS_TIMEOUT_S)) == OK &&
	    s->reply.code / 100 >= 4)
		settle_by_reply(s, d);
	else
		settle_by_failure(s, d, e == ERR_REFUSED ? ERR_FORMAT : e);
}

/* SMTP has one reply for all, LMTP one for each accepted (RFC 2033 4.2). */
static void
read_verdicts(struct co *co, struct session *s, struct transaction *t)
{
	int64_t deadline_us = in_s(s->setup->smtp.data_done_s);
	size_t n = s->is_lmtp ? t->n_accepted : 1;

	for (size_t i = 0; i < n; i++) {
		enum err e = read_reply(co, s, deadline_us);

		if (e == OK && s->reply.code / 100 == 3)
			e = ERR_FORMAT;
		if (e != OK) {
			settle_by_failure(s, t->d, e);
			return;
		}
		if (s->is_lmtp)
			outcome_of_reply(&t->d->outcomes[t->accepted[i]],
					 &s->reply, s->remote);
		else
			settle_by_reply(s, t->d);
	}
	for (size_t i = 0; i < t->n_accepted; i++)
		t->d->outcomes[t->accepted[i]].is_reported =
			s->offers.has_dsn && !s->is_lmtp;
	s->needs_reset = false;
}

static enum err
transact(struct co *co, struct session *s, struct transaction *t,
	 struct str lines)
{
	const char *trouble;
	bool is_ready;
	enum err e = ask_envelope(co, s, t, lines, &is_ready);

	if (e != OK && !t->has_reply && s->n_uses > 0 && e != ERR_TIMEOUT) {
		s->is_broken = true;
		return ERR_EOF;
	}
	if (e != OK) {
		if (t->is_flight)
			s->doing = doing_end;
		settle_by_failure(s, t->d, e);
		return OK;
	}
	if (!is_ready)
		return OK;
	e = send_content(co, s, t->d, &trouble);
	if (e == OK)
		read_verdicts(co, s, t);
	else
		content_failed(co, s, t->d, e, trouble);
	return OK;
}

static enum err
deliver_part(struct co *co, struct session *s, struct delivery *d)
{
	struct transaction *t = must_alloc(sizeof(*t));
	struct buf lines = BUF_INIT(LINES_MAX_OCTETS);
	enum err e = OK;

	t->d = d;
	if (is_possible(s, d) && make_lines(s, t, &lines))
		e = transact(co, s, t, buf_str(&lines));
	s->n_uses++;
	buf_release(&lines);
	free(t);
	return e;
}

/* Content that was streamed cannot be streamed again. */
static void
put_off_rest(const struct session *s, struct delivery *d)
{
	struct outcome o;

	outcome_of_us(&o, 0, "4.5.3", s->remote,
		      "the rest of the recipients has to wait");
	settle(d, &o);
}

/* In as many transactions as the server wants (RFC 9422 4). */
enum err
session_deliver(struct co *co, struct session *s, struct delivery *d)
{
	uint64_t most =
		s->offers.rcpt_max > 0 ? s->offers.rcpt_max : d->job->n_rcpts;
	enum err e = OK;

	for (size_t at = 0; at < d->job->n_rcpts; at += most) {
		struct out_job job = *d->job;
		struct delivery part = { .job = &job,
					 .call = d->call,
					 .outcomes = d->outcomes + at };

		bool is_used_up = s->offers.mail_max > 0 &&
				  s->n_uses >= s->offers.mail_max;

		if (at > 0 &&
		    (s->is_broken || is_used_up || !job.has_content)) {
			put_off_rest(s, d);
			break;
		}
		job.rcpts += at;
		job.n_rcpts -= at;
		if (job.n_rcpts > most)
			job.n_rcpts = most;
		e = deliver_part(co, s, &part);
		if (e != OK && at == 0)
			return e;
		if (e != OK)
			s->is_broken = true;
	}
	if (e != OK)
		put_off_rest(s, d);
	return OK;
}

bool
session_is_reusable(struct session *s)
{
	const struct router_smtp *m = &s->setup->smtp;
	uint64_t most = m->reuse_count > 0 ? m->reuse_count : MAX_USES;

	/* One that came about because the next hop is away must not be found
	 * under its name. */
	if (s->offers.mail_max > 0 && s->offers.mail_max < most)
		most = s->offers.mail_max;
	if (s->is_broken || s->is_fallback || s->n_uses >= most)
		return false;
	if (!s->is_unix &&
	    (!m->is_cache_on ||
	     now_us() - s->began_us > (int64_t)m->reuse_s * US_PER_S))
		return false;
	return !stream_has_input(s->stream);
}

int64_t
session_idle_until_us(const struct session *s)
{
	return in_s(s->is_unix ? LOCAL_IDLE_S : s->setup->smtp.cache_s);
}

const char *
session_tls(const struct session *s)
{
	static char text[SESSION_TLS_OCTETS];

	if (!stream_is_tls(s->stream))
		return "";
	snprintf(text, sizeof(text), "%s %.*s",
		 stream_is_peer_trusted(s->stream) ? "trusted" : "untrusted",
		 STR(stream_tls_text(s->stream)));
	return text;
}
