/* SPDX-License-Identifier: MIT
 * mda/front/imap/session.c - the life of an IMAP connection.
 *
 * Process: front.  Standards: RFC 3501, RFC 9051 5.4, 7.
 * Owns: the arena of the command.
 * Invariants:
 *  (1) Before login a connection holds STRANGER_COMMAND_MAX octets of input at
 *      most.
 *  (2) Output beyond CONN_OUT_PIECE_OCTETS is sent before more is made, so that
 *      a client that does not read stops its own session and nothing else.
 */
#include "mda/front/imap/session.h"

#include "lib/base/check.h"
#include "mda/front/imap/capability.h"
#include "mda/front/sasl.h"

#include <unistd.h>

enum {
	INPUT_MAX = 256 * 1024,
	BAD_MAX = 5,		 // wrong commands and passwords of a stranger
	STRANGER_COMMANDS = 100, // honest clients need under ten
	REST_AFTER_S = 1,	 // then buffers and stack pages are given back
	BREATHE_COMMANDS = 16,
};

static const struct imap_command_limits stranger_limits = {
	.octets_max = STRANGER_COMMAND_MAX,
	.literal_max = STRANGER_LITERAL_MAX,
	.nonsync_max = STRANGER_LITERAL_MAX,
};
static const struct imap_command_limits user_limits = {
	.octets_max = COMMAND_MAX,
	.literal_max = LITERAL_MAX,
	.nonsync_max = UINT64_MAX,
	.has_message = true,
};

/* ---- output ---- */

void
imap_answer(struct imap_session *s, const char *word, const char *text)
{
	struct str tag = s->n_tag > 0 ? str_of(s->tag, s->n_tag) : S("*");

	stream_putf(s->conn.stream, "%.*s %s %s\r\n", STR(tag), word, text);
}

void
imap_put_capability(struct imap_session *s)
{
	struct buf b = BUF_INIT(CAPABILITY_MAX_OCTETS);
	struct buf mechanisms = BUF_INIT(CAPABILITY_MAX_OCTETS);
	struct settings *settings = settings_hold();
	struct capability_view view = {
		.is_logged_in = s->state != IMAP_NOT_AUTHENTICATED,
		.may_starttls =
			front.tls != NULL && !stream_is_tls(s->conn.stream),
		.may_login = front_may_login(s->conn.stream),
	};

	if (settings != NULL)
		view.append_limit_octets =
			settings_of(settings)->message_size_limit;
	settings_drop(&settings);
	sasl_put_mechanisms(&s->conn, " AUTH=", "", &mechanisms);
	view.mechanisms = buf_str(&mechanisms);
	buf_put(&b, S("CAPABILITY "));
	capability_put(&b, &view);
	stream_put(s->conn.stream, buf_str(&b));
	buf_release(&mechanisms);
	buf_release(&b);
}

/* ---- input ---- */

static bool
is_stranger(const struct imap_session *s)
{
	return s->state == IMAP_NOT_AUTHENTICATED;
}

/* Waits for the first octets of a command. */
static enum err
rest(struct co *co, struct imap_session *s, int64_t deadline_us)
{
	int64_t soon_us = in_s(REST_AFTER_S);
	enum err e = OK;

	if (stream_peek(s->conn.stream).n > 0)
		return OK;
	if (s->is_notified) {
		arena_release(&s->arena);
		return imap_wait_with_news(co, s, deadline_us);
	}
	if (front.is_stopping)
		front_end(&s->conn.client, "the server is stopping");
	s->conn.client.is_resting = true;
	e = stream_fill(co, s->conn.stream,
			soon_us < deadline_us ? soon_us : deadline_us);
	if (e == ERR_TIMEOUT && soon_us < deadline_us) {
		arena_release(&s->arena);
		e = stream_wait(co, s->conn.stream, deadline_us);
		if (e == OK)
			e = stream_fill(co, s->conn.stream, deadline_us);
	}
	s->conn.client.is_resting = false;
	return e;
}

static enum err
read_more(struct co *co, struct imap_session *s, int64_t deadline_us)
{
	enum err e = conn_flush(co, &s->conn);

	if (e != OK)
		return e;
	if (stream_peek(s->conn.stream).n == 0)
		return rest(co, s, deadline_us);
	return stream_fill(co, s->conn.stream, deadline_us);
}

static enum err
read_command(struct co *co, struct imap_session *s,
	     enum imap_command_status *out)
{
	int64_t deadline_us =
		is_stranger(s) ? s->conn.login_deadline_us : in_s(AUTOLOGOUT_S);
	enum err e = OK;

	imap_command_init(&s->command,
			  is_stranger(s) ? &stranger_limits : &user_limits);
	while (e == OK) {
		*out = imap_command_scan(&s->command,
					 stream_peek(s->conn.stream));
		if (*out == IMAP_COMMAND_LITERAL)
			stream_put(s->conn.stream, S("+ OK\r\n"));
		else if (*out != IMAP_COMMAND_MORE)
			break;
		if (*out == IMAP_COMMAND_MORE)
			e = read_more(co, s, deadline_us);
	}
	if (e == ERR_TIMEOUT && !s->conn.is_mute)
		s->conn.bye = is_stranger(s) ? "Login took too long"
					     : "Autologout, idle for too long";
	s->conn.n_command = s->command.n;
	s->n_tag = e == OK ? s->command.tag.n : 0;
	check(s->n_tag <= sizeof(s->tag));
	if (s->n_tag > 0)
		memcpy(s->tag, s->command.tag.p, s->n_tag);
	return e;
}

/* ---- the loop ---- */

static enum err
run_command(struct co *co, struct imap_session *s,
	    enum imap_command_status status)
{
	switch (status) {
	case IMAP_COMMAND_DONE:
		return imap_run(co, s);
	case IMAP_COMMAND_MESSAGE:
		return imap_append_message(co, s);
	case IMAP_COMMAND_TOO_BIG:
		stream_putf(s->conn.stream, "%.*s NO [TOOBIG] %s\r\n",
			    (int)s->n_tag, s->tag, s->command.text);
		s->conn.n_bad++;
		return OK;
	case IMAP_COMMAND_BAD:
	case IMAP_COMMAND_FATAL:
		imap_answer(s, "BAD", s->command.text);
		s->conn.n_bad++;
		if (status == IMAP_COMMAND_FATAL) {
			s->conn.bye = "The next command cannot be found";
			s->conn.is_quit = true;
		}
		return OK;
	case IMAP_COMMAND_MORE:
	case IMAP_COMMAND_LITERAL:
		break;
	}
	check_failed("command is not complete", __FILE__, __LINE__);
}

static void
watch_stranger(struct imap_session *s)
{
	if (!is_stranger(s)) {
		s->conn.n_bad = 0;
		return;
	}
	if (s->conn.n_bad < BAD_MAX && s->conn.n_commands < STRANGER_COMMANDS)
		return;
	s->conn.bye = "Too many commands without a login";
	s->conn.is_quit = true;
}

static enum err
serve_commands(struct co *co, struct imap_session *s)
{
	enum err e = OK;

	while (e == OK && !s->conn.is_quit) {
		enum imap_command_status status = IMAP_COMMAND_MORE;

		e = read_command(co, s, &status);
		if (e != OK)
			break;
		s->conn.n_commands++;
		e = run_command(co, s, status);
		if (e != OK)
			break;
		conn_take_command(&s->conn);
		arena_clear(&s->arena);
		watch_stranger(s);
		if (stream_unsent(s->conn.stream) > CONN_OUT_PIECE_OCTETS)
			e = conn_flush(co, &s->conn);
		if (s->conn.n_commands % BREATHE_COMMANDS == 0)
			co_breathe(co);
	}
	return e;
}

static enum err
serve(struct co *co, struct conn *c)
{
	return serve_commands(co, imap_of(c));
}

static void
greet(struct conn *c)
{
	stream_put(c->stream, S("* OK ["));
	imap_put_capability(imap_of(c));
	stream_put(c->stream, S("] Estafeta ready\r\n"));
}

static void
free_session(struct conn *c)
{
	struct imap_session *s = imap_of(c);

	arena_release(&s->arena);
	free(s);
}

static const struct conn_protocol protocol = {
	.name = "imap",
	.bye = "* BYE",
	.end = "logout",
	.count = { COUNT_IMAP_SESSIONS_NOW, COUNT_IMAP_SESSIONS,
		   COUNT_IMAP_LOGINS, COUNT_IMAP_LOGINS_FAILED },
	.greet = greet,
	.serve = serve,
	.free = free_session,
	.refuse = imap_refuse_login,
	.enter = imap_enter,
};

/* ---- the beginning ---- */

/* Best effort, without waiting. */
static void
refuse(int fd, bool is_tls, const char *why)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "* BYE %s\r\n", why);
	ssize_t sent =
		is_tls ? 0
		       : send(fd, line, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);

	(void)sent;
	close(fd);
}

void
imap_accept(int fd, const union address_any *peer, bool is_tls)
{
	struct limit_place *place;
	struct imap_session *s;

	if (front.is_stopping || (is_tls && front.tls == NULL)) {
		refuse(fd, is_tls, "[UNAVAILABLE] Not now");
		return;
	}
	place = limits_enter(&front.limits, &peer->any);
	if (place == NULL) {
		refuse(fd, is_tls, "[LIMIT] Too many connections");
		return;
	}
	s = must_alloc(sizeof(*s));
	s->state = IMAP_NOT_AUTHENTICATED;
	arena_init(&s->arena, ARENA_MAX);
	conn_begin(&s->conn, &protocol, fd, place, is_tls, INPUT_MAX);
}
