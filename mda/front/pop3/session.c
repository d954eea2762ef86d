/* SPDX-License-Identifier: MIT
 * mda/front/pop3/session.c - the life of a POP3 connection.
 *
 * Process: front.  Standards: RFC 1939, 2449, 2595, 3206, 5034, 6856.
 * Owns: the list of messages.
 * Invariants:
 *  (1) Messages are removed after QUIT in the TRANSACTION state alone.
 *  (2) A stranger holds one line of input.
 *  (3) What came in plain text behind STLS is forgotten.
 */
#include "mda/front/pop3/session.h"

#include "lib/base/check.h"
#include "mda/front/sasl.h"

#include <unistd.h>

enum {
	/* A line of AUTH with its initial response fits in (RFC 5034 4). */
	LINE_MAX_OCTETS = SASL_LINE_MAX_OCTETS + POP3_LINE_MAX,
	INPUT_MAX = 64 * 1024,
	BAD_MAX = 5,
	BAD_MAX_KNOWN = 50,
	STRANGER_COMMANDS = 50,
	REST_AFTER_S = 1,
	BREATHE_COMMANDS = 16,
};

/* ---- output ---- */

void
pop3_ok(struct pop3_session *s, const char *text)
{
	stream_putf(s->conn.stream, "+OK %s\r\n", text);
}

void
pop3_error(struct pop3_session *s, const char *text)
{
	stream_putf(s->conn.stream, "-ERR %s\r\n", text);
}

enum err
pop3_flush_some(struct co *co, struct pop3_session *s)
{
	return stream_unsent(s->conn.stream) > CONN_OUT_PIECE_OCTETS
		       ? conn_flush(co, &s->conn)
		       : OK;
}

/* ---- commands ---- */

static enum err
do_stls(struct co *co, struct pop3_session *s)
{
	enum err e;

	if (stream_is_tls(s->conn.stream) || front.tls == NULL) {
		pop3_error(s, "STLS is not offered");
		s->conn.n_bad++;
		return OK;
	}
	pop3_ok(s, "Begin TLS now");
	e = conn_flush(co, &s->conn);
	if (e != OK)
		return e;
	s->n_name = 0;
	s->conn.n_bad = 0;
	return conn_start_tls(co, &s->conn);
}

static enum err
do_capa(struct co *co UNUSED, struct pop3_session *s)
{
	pop3_ok(s, "Capabilities");
	stream_put(s->conn.stream, S("TOP\r\nUIDL\r\nRESP-CODES\r\n"
				     "AUTH-RESP-CODE\r\nPIPELINING\r\nUTF8\r\n"
				     "EXPIRE NEVER\r\nLOGIN-DELAY 0\r\n"));
	if (front_may_login(s->conn.stream)) {
		struct buf b = BUF_INIT(POP3_LINE_MAX);

		sasl_put_mechanisms(&s->conn, " ", "", &b);
		stream_putf(s->conn.stream, "USER\r\nSASL%.*s\r\n",
			    STR(buf_str(&b)));
		buf_release(&b);
	}
	if (front.tls != NULL && !stream_is_tls(s->conn.stream))
		stream_put(s->conn.stream, S("STLS\r\n"));
	stream_put(s->conn.stream, S("IMPLEMENTATION Estafeta\r\n.\r\n"));
	return OK;
}

/* RFC 6856 2.1: headers go out as they are, with or without it. */
static enum err
do_utf8(struct co *co UNUSED, struct pop3_session *s)
{
	pop3_ok(s, "UTF-8 it is");
	return OK;
}

static enum err
do_quit(struct co *co, struct pop3_session *s)
{
	bool is_done = true;
	enum err e = OK;

	s->conn.is_quit = true;
	if (s->state == POP3_TRANSACTION)
		e = pop3_update(co, s, &is_done);
	if (e == ERR_CANCELED)
		return e;
	if (e == OK && is_done)
		pop3_ok(s, "Bye");
	else // RFC 1939 6
		pop3_error(s, "[SYS/TEMP] Some messages were not removed");
	s->conn.bye = NULL;
	return OK;
}

static void
count(const struct pop3_session *s, size_t *n_out, uint64_t *octets_out)
{
	*n_out = 0;
	*octets_out = 0;
	for (size_t i = 0; i < s->n_list; i++)
		if (!s->list[i].is_deleted) {
			++*n_out;
			*octets_out += s->list[i].size_octets;
		}
}

static enum err
do_stat(struct co *co UNUSED, struct pop3_session *s)
{
	uint64_t octets;
	size_t n;

	count(s, &n, &octets);
	stream_putf(s->conn.stream, "+OK %zu %llu\r\n", n,
		    (unsigned long long)octets);
	return OK;
}

/* The message that the first argument names; NULL: answered. */
static struct pop3_message *
named_message(struct pop3_session *s)
{
	uint32_t number;

	if (pop3_number(s->command.args[0], &number) && number >= 1 &&
	    number <= s->n_list && !s->list[number - 1].is_deleted)
		return &s->list[number - 1];
	pop3_error(s, "There is no such message");
	return NULL;
}

static void
put_entry(struct pop3_session *s, const struct pop3_message *m,
	  const char *before)
{
	size_t number = (size_t)(m - s->list) + 1;

	if (s->command.verb == POP3_UIDL)
		stream_putf(s->conn.stream, "%s%zu %s\r\n", before, number,
			    m->uidl);
	else
		stream_putf(s->conn.stream, "%s%zu %llu\r\n", before, number,
			    (unsigned long long)m->size_octets);
}

/* LIST and UIDL. */
static enum err
do_list(struct co *co, struct pop3_session *s)
{
	enum err e = OK;

	if (s->command.n_args > 0) {
		const struct pop3_message *m = named_message(s);

		if (m != NULL)
			put_entry(s, m, "+OK ");
		return OK;
	}
	pop3_ok(s, "Messages");
	for (size_t i = 0; i < s->n_list && e == OK; i++) {
		if (!s->list[i].is_deleted)
			put_entry(s, &s->list[i], "");
		e = pop3_flush_some(co, s);
	}
	stream_put(s->conn.stream, S(".\r\n"));
	return e;
}

static enum err
do_retr(struct co *co, struct pop3_session *s)
{
	struct pop3_message *m = named_message(s);

	return m != NULL ? pop3_send_message(co, s, m, NULL) : OK;
}

static enum err
do_top(struct co *co, struct pop3_session *s)
{
	struct pop3_message *m = named_message(s);
	uint32_t lines;

	if (m == NULL)
		return OK;
	if (!pop3_number(s->command.args[1], &lines)) {
		pop3_error(s, "How many lines?");
		return OK;
	}
	return pop3_send_message(co, s, m, &lines);
}

static enum err
do_dele(struct co *co UNUSED, struct pop3_session *s)
{
	struct pop3_message *m = named_message(s);

	if (m == NULL)
		return OK;
	m->is_deleted = true;
	pop3_ok(s, "Removed at QUIT");
	return OK;
}

static enum err
do_noop(struct co *co UNUSED, struct pop3_session *s)
{
	pop3_ok(s, "Still here");
	return OK;
}

static enum err
do_rset(struct co *co UNUSED, struct pop3_session *s)
{
	for (size_t i = 0; i < s->n_list; i++)
		s->list[i].is_deleted = false;
	pop3_ok(s, "Nothing is removed");
	return OK;
}

enum { IN_AUTHORIZATION = 1, IN_TRANSACTION = 2, IN_BOTH = 3 };

static const struct {
	enum err (*run)(struct co *co, struct pop3_session *s);
	unsigned states;
} verbs[] = {
	[POP3_USER] = { pop3_user, IN_AUTHORIZATION },
	[POP3_PASS] = { pop3_pass, IN_AUTHORIZATION },
	[POP3_AUTH] = { pop3_auth, IN_AUTHORIZATION },
	[POP3_STLS] = { do_stls, IN_AUTHORIZATION },
	[POP3_CAPA] = { do_capa, IN_BOTH },
	[POP3_UTF8] = { do_utf8, IN_AUTHORIZATION },
	[POP3_QUIT] = { do_quit, IN_BOTH },
	[POP3_STAT] = { do_stat, IN_TRANSACTION },
	[POP3_LIST] = { do_list, IN_TRANSACTION },
	[POP3_RETR] = { do_retr, IN_TRANSACTION },
	[POP3_DELE] = { do_dele, IN_TRANSACTION },
	[POP3_NOOP] = { do_noop, IN_TRANSACTION },
	[POP3_RSET] = { do_rset, IN_TRANSACTION },
	[POP3_TOP] = { do_top, IN_TRANSACTION },
	[POP3_UIDL] = { do_list, IN_TRANSACTION },
};

static bool
is_stranger(const struct pop3_session *s)
{
	return s->state == POP3_AUTHORIZATION;
}

static enum err
run_line(struct co *co, struct pop3_session *s, struct str line, bool has_crlf)
{
	bool is_good = pop3_command_parse(line, &s->command);
	unsigned state = is_stranger(s) ? IN_AUTHORIZATION : IN_TRANSACTION;
	const char *why = NULL;

	if (!has_crlf)
		why = "Lines end with CR LF";
	else if (s->command.verb == POP3_UNKNOWN)
		why = "Unknown command";
	else if (!(verbs[s->command.verb].states & state))
		why = is_stranger(s) ? "Log in first" : "Already logged in";
	else if (!is_good)
		why = "Wrong arguments";
	else if (line.n > POP3_LINE_MAX && s->command.verb != POP3_AUTH)
		why = "Line is too long";
	if (why == NULL)
		return verbs[s->command.verb].run(co, s);
	pop3_error(s, why);
	s->conn.n_bad++;
	return OK;
}

/* ---- the loop ---- */

static enum err
wait_for_line(struct co *co, struct pop3_session *s, int64_t deadline_us)
{
	int64_t soon_us = in_s(REST_AFTER_S);
	enum err e;

	if (stream_peek(s->conn.stream).n > 0)
		return OK;
	e = conn_flush(co, &s->conn);
	if (e != OK)
		return e;
	if (front.is_stopping)
		front_end(&s->conn.client, "the server is stopping");
	s->conn.client.is_resting = true;
	e = stream_fill(co, s->conn.stream,
			soon_us < deadline_us ? soon_us : deadline_us);
	if (e == ERR_TIMEOUT && soon_us < deadline_us)
		e = stream_wait(co, s->conn.stream, deadline_us);
	s->conn.client.is_resting = false;
	return e;
}

static void
watch_peer(struct pop3_session *s)
{
	bool is_too_much =
		is_stranger(s) ? s->conn.n_bad >= BAD_MAX ||
					 s->conn.n_commands >= STRANGER_COMMANDS
			       : s->conn.n_bad >= BAD_MAX_KNOWN;

	if (!is_too_much || s->conn.is_quit)
		return;
	s->conn.bye = "Too many errors";
	s->conn.is_quit = true;
}

static enum err
serve_commands(struct co *co, struct pop3_session *s)
{
	enum err e = OK;

	while (e == OK && !s->conn.is_quit) {
		int64_t deadline_us = is_stranger(s) ? s->conn.login_deadline_us
						     : in_s(POP3_AUTOLOGOUT_S);
		struct str line;
		bool has_crlf;

		e = wait_for_line(co, s, deadline_us);
		if (e == OK)
			e = stream_line(co, s->conn.stream, LINE_MAX_OCTETS,
					deadline_us, &line, &has_crlf);
		if (e == ERR_LIMIT)
			s->conn.bye = "Line is too long";
		if (e == ERR_TIMEOUT) { // RFC 1939 3: without a response
			s->conn.bye = "Idle for too long"; // in the log
			s->conn.is_mute = true;
		}
		if (e != OK)
			break;
		s->conn.n_commands++;
		e = run_line(co, s, line, has_crlf);
		watch_peer(s);
		if (e == OK)
			e = pop3_flush_some(co, s);
		if (s->conn.n_commands % BREATHE_COMMANDS == 0)
			co_breathe(co);
	}
	return e;
}

static enum err
serve(struct co *co, struct conn *c)
{
	return serve_commands(co, pop3_of(c));
}

static void
greet(struct conn *c)
{
	pop3_ok(pop3_of(c), "Estafeta ready");
}

static void
free_session(struct conn *c)
{
	struct pop3_session *s = pop3_of(c);

	pop3_forget_list(s);
	free(s);
}

static const struct conn_protocol protocol = {
	.name = "pop3",
	.bye = "-ERR",
	.end = "quit",
	.count = { COUNT_POP3_SESSIONS_NOW, COUNT_POP3_SESSIONS,
		   COUNT_POP3_LOGINS, COUNT_POP3_LOGINS_FAILED },
	.greet = greet,
	.serve = serve,
	.free = free_session,
	.refuse = pop3_refuse_login,
	.enter = pop3_enter,
};

void
pop3_accept(int fd, const union address_any *peer, bool is_tls)
{
	struct limit_place *place = NULL;
	struct pop3_session *s;

	if (!front.is_stopping && (!is_tls || front.tls != NULL))
		place = limits_enter(&front.limits, &peer->any);
	if (place == NULL) {
		close(fd);
		return;
	}
	s = must_alloc(sizeof(*s));
	buf_init(&s->rest, POP3_LIST_LINE_MAX_OCTETS);
	conn_begin(&s->conn, &protocol, fd, place, is_tls, INPUT_MAX);
}
