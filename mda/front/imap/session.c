/* SPDX-License-Identifier: MIT
 * mda/front/imap/session.c - the life of an IMAP connection.
 *
 * Process: front.  Standards: RFC 3501, RFC 9051 5.4, 7.
 * Owns: the stream, the call to store, the arena of the command.
 * Invariants:
 *  (1) Before login a connection holds STRANGER_COMMAND_MAX octets of input at
 *      most, and ends LOGIN_TIMEOUT_S after it began.
 *  (2) Output beyond OUT_PIECE_OCTETS is sent before more is made, so that a
 *      client that does not read stops its own session and nothing else.
 *  (3) Nothing is written after a failed write.
 */
#include "mda/front/imap/session.h"

#include "lib/base/check.h"
#include "lib/rt/counters.h"
#include "mda/front/imap/capability.h"

#include <unistd.h>

enum {
	INPUT_MAX = 256 * 1024,
	BAD_MAX = 5,		 // wrong commands and passwords of a stranger
	STRANGER_COMMANDS = 100, // honest clients need under ten
	REST_AFTER_S = 1,	 // then buffers and stack pages are given back
	BYE_TIMEOUT_S = 2,
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

	stream_putf(s->stream, "%.*s %s %s\r\n", STR(tag), word, text);
}

enum err
imap_flush(struct co *co, struct imap_session *s)
{
	enum err e = stream_flush(co, s->stream, in_s(WRITE_TIMEOUT_S));

	if (e != OK)
		s->is_mute = true;
	return e;
}

void
imap_put_capability(struct imap_session *s)
{
	struct buf b = BUF_INIT(CAPABILITY_MAX_OCTETS);
	struct settings *settings = settings_hold();
	struct capability_view view = {
		.is_logged_in = s->state != IMAP_NOT_AUTHENTICATED,
		.may_starttls = front.tls != NULL && !stream_is_tls(s->stream),
		.may_login = front_may_login(s->stream),
	};

	if (settings != NULL)
		view.append_limit_octets =
			settings_of(settings)->message_size_limit;
	settings_drop(&settings);
	buf_put(&b, S("CAPABILITY "));
	capability_put(&b, &view);
	stream_put(s->stream, buf_str(&b));
	buf_release(&b);
}

/* ---- input ---- */

void
imap_take_command(struct imap_session *s)
{
	stream_take(s->stream, s->n_command);
	s->n_command = 0;
}

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

	if (stream_peek(s->stream).n > 0)
		return OK;
	if (front.is_stopping)
		front_end(&s->client, "the server is stopping");
	s->client.is_resting = true;
	e = stream_fill(co, s->stream,
			soon_us < deadline_us ? soon_us : deadline_us);
	if (e == ERR_TIMEOUT && soon_us < deadline_us) {
		arena_release(&s->arena);
		e = stream_wait(co, s->stream, deadline_us);
		if (e == OK)
			e = stream_fill(co, s->stream, deadline_us);
	}
	s->client.is_resting = false;
	return e;
}

static enum err
read_more(struct co *co, struct imap_session *s, int64_t deadline_us)
{
	enum err e = imap_flush(co, s);

	if (e != OK)
		return e;
	if (stream_peek(s->stream).n == 0)
		return rest(co, s, deadline_us);
	return stream_fill(co, s->stream, deadline_us);
}

static enum err
read_command(struct co *co, struct imap_session *s,
	     enum imap_command_status *out)
{
	int64_t deadline_us =
		is_stranger(s) ? s->login_deadline_us : in_s(AUTOLOGOUT_S);
	enum err e = OK;

	imap_command_init(&s->command,
			  is_stranger(s) ? &stranger_limits : &user_limits);
	while (e == OK) {
		*out = imap_command_scan(&s->command, stream_peek(s->stream));
		if (*out == IMAP_COMMAND_LITERAL)
			stream_put(s->stream, S("+ OK\r\n"));
		else if (*out != IMAP_COMMAND_MORE)
			break;
		if (*out == IMAP_COMMAND_MORE)
			e = read_more(co, s, deadline_us);
	}
	if (e == ERR_TIMEOUT && !s->is_mute)
		s->bye = is_stranger(s) ? "Login took too long"
					: "Autologout, idle for too long";
	s->n_command = s->command.n;
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
		stream_putf(s->stream, "%.*s NO [TOOBIG] %s\r\n", (int)s->n_tag,
			    s->tag, s->command.text);
		s->n_bad++;
		return OK;
	case IMAP_COMMAND_BAD:
	case IMAP_COMMAND_FATAL:
		imap_answer(s, "BAD", s->command.text);
		s->n_bad++;
		if (status == IMAP_COMMAND_FATAL) {
			s->bye = "The next command cannot be found";
			s->is_quit = true;
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
		s->n_bad = 0;
		return;
	}
	if (s->n_bad < BAD_MAX && s->n_commands < STRANGER_COMMANDS)
		return;
	s->bye = "Too many commands without a login";
	s->is_quit = true;
}

static enum err
serve_commands(struct co *co, struct imap_session *s)
{
	enum err e = OK;

	while (e == OK && !s->is_quit) {
		enum imap_command_status status = IMAP_COMMAND_MORE;

		e = read_command(co, s, &status);
		if (e != OK)
			break;
		s->n_commands++;
		e = run_command(co, s, status);
		if (e != OK)
			break;
		imap_take_command(s);
		arena_clear(&s->arena);
		watch_stranger(s);
		if (stream_unsent(s->stream) > OUT_PIECE_OCTETS)
			e = imap_flush(co, s);
		if (s->n_commands % BREATHE_COMMANDS == 0)
			co_breathe(co);
	}
	return e;
}

static enum err
greet(struct co *co, struct imap_session *s, bool is_tls)
{
	if (is_tls) {
		enum err e =
			front_accept_tls(co, s->stream, s->login_deadline_us);

		if (e != OK) {
			s->is_mute = true;
			return e;
		}
	}
	stream_put(s->stream, S("* OK ["));
	imap_put_capability(s);
	stream_put(s->stream, S("] Estafeta ready\r\n"));
	return OK;
}

static void
say_bye(struct co *co, struct imap_session *s)
{
	const char *text = s->bye != NULL ? s->bye : s->client.bye;
	enum err e;

	if (s->is_mute)
		return;
	if (text != NULL)
		stream_putf(s->stream, "* BYE %s\r\n", text);
	e = stream_flush(co, s->stream, in_s(BYE_TIMEOUT_S));
	(void)e; // the connection ends anyhow
}

static void
log_end(const struct imap_session *s, enum err e)
{
	const char *why = s->bye	  ? s->bye
			  : s->client.bye ? s->client.bye
			  : s->is_quit	  ? "logout"
					  : err_text(e);

	log_at(is_stranger(s) ? LOG_DEBUG : LOG_INFO, str_c(s->client.id),
	       "imap.logout", F("user", s->client.user), FC("why", why),
	       FN("commands", s->n_commands),
	       FN("s", (now_us() - s->began_us) / US_PER_S));
}

static void
free_session(struct imap_session *s)
{
	counter_down(COUNT_IMAP_SESSIONS_NOW);
	limits_leave(&front.limits, &s->place, is_stranger(s));
	call_free(&s->store);
	stream_free(&s->stream);
	arena_release(&s->arena);
	free(s);
}

static void
serve(struct co *co, struct imap_session *s, bool is_tls)
{
	enum err e = greet(co, s, is_tls);

	if (e == OK)
		e = serve_commands(co, s);
	say_bye(co, s);
	log_end(s, e);
	front_leave(&s->client);
	free_session(s);
}

static void
serve_plain(struct co *co, void *arg)
{
	serve(co, arg, false);
}

static void
serve_tls(struct co *co, void *arg)
{
	serve(co, arg, true);
}

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
	counter_up(COUNT_IMAP_SESSIONS_NOW);
	counter_add(COUNT_IMAP_SESSIONS, 1);
	s = must_alloc(sizeof(*s));
	s->place = place;
	s->state = IMAP_NOT_AUTHENTICATED;
	s->began_us = now_us();
	s->login_deadline_us = in_s(LOGIN_TIMEOUT_S);
	arena_init(&s->arena, ARENA_MAX);
	s->stream = stream_new(fd, INPUT_MAX);
	if (!front_begin(&s->client, is_tls ? serve_tls : serve_plain, s,
			 "imap")) {
		log_error("imap.limit");
		free_session(s);
	}
}
