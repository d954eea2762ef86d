/* SPDX-License-Identifier: MIT
 * mda/front/imap/append.c - APPEND (RFC 9051 6.3.12, RFC 3502, RFC 4469) and
 * REPLACE (RFC 8508): messages from the client to store, never whole in memory.
 *
 * The splitter stops at each literal; store reads the text between them. When
 * the command is refused a synchronizing client sends nothing more; the octets
 * of one that does not wait are read and dropped (RFC 7888 4). What breaks the
 * command's shape behind a literal ends the connection, and store forgets the
 * messages, because it never hears of the end. */
#include "mda/front/imap/session.h"

#include "lib/base/check.h"

enum {
	READ_TIMEOUT_S = 5 * 60, // for the next octets of the message
	DROP_MAX_OCTETS = 256 << 20,
	SETTINGS_WAIT_S = 5,
};

struct append {
	struct buf head; // the command without the octets of its literals
	uint64_t left;	 // of a literal's octets, those still to come
	uint64_t n_dropped, limit_octets;
	bool is_refused; // and the answer was given
};

/* ---- parts ---- */

/* The text since the last literal goes to store; when the command is refused
 * the client was told. */
static enum err
send_part(struct co *co, struct imap_session *s, struct append *a,
	  bool has_literal)
{
	const struct imap_command *c = &s->command;
	const struct store_append part = {
		.args = c->part,
		.size_octets = has_literal ? c->literal_octets : 0,
		.limit_octets = a->limit_octets,
		.has_literal = has_literal,
		.is_binary = has_literal && c->is_binary,
		.is_replace = str_ieq(c->verb, S("REPLACE")),
		.is_uid = c->is_uid,
	};
	struct buf body = BUF_INIT(STORE_COMMAND_MAX_OCTETS);
	enum store_status status = STORE_NO;
	enum err e;

	store_put_append(&body, &part);
	e = imap_send_store(co, s, STORE_APPEND, buf_str(&body));
	buf_release(&body);
	if (e == OK)
		e = imap_relay(co, s, !has_literal, &status);
	a->is_refused = status != STORE_OK;
	return e;
}

/* After a start a client may be faster than the router. */
static bool
read_limit(struct co *co, struct imap_session *s, struct append *a)
{
	struct settings *settings;

	if (settings_wait(co, in_s(SETTINGS_WAIT_S)) != OK) {
		imap_answer(s, "NO", "[UNAVAILABLE] Try again later");
		a->is_refused = true;
		return false;
	}
	settings = settings_hold();
	a->limit_octets = settings_of(settings)->message_size_limit;
	settings_drop(&settings);
	return true;
}

/* ---- octets ---- */

/* Waits until there is input. */
static enum err
need_input(struct co *co, struct imap_session *s)
{
	enum err e;

	if (stream_peek(s->conn.stream).n > 0)
		return OK;
	e = conn_flush(co, &s->conn);
	if (e == OK)
		e = stream_fill(co, s->conn.stream, in_s(READ_TIMEOUT_S));
	if (e == ERR_TIMEOUT && !s->conn.is_mute)
		s->conn.bye = "The message did not come";
	return e;
}

static enum err
move_message(struct co *co, struct imap_session *s, struct append *a,
	     bool is_kept)
{
	while (a->left > 0) {
		enum err e = need_input(co, s);
		struct str in = stream_peek(s->conn.stream);

		if (e != OK)
			return e;
		in = str_first(in, STORE_CHUNK_MAX_OCTETS);
		if (in.n > a->left)
			in.n = (size_t)a->left;
		if (is_kept)
			e = imap_send_store(co, s, STORE_CHUNK, in);
		if (e != OK)
			return e;
		stream_take(s->conn.stream, in.n);
		a->left -= in.n;
	}
	return OK;
}

/* The text behind a literal, line by line so that nothing of the next command
 * is taken. */
static enum err
read_text(struct co *co, struct imap_session *s, struct append *a,
	  enum imap_command_status *status_out)
{
	for (;;) {
		struct str in;
		ptrdiff_t lf;
		enum err e;

		*status_out = imap_command_scan(&s->command, buf_str(&a->head));
		if (*status_out != IMAP_COMMAND_MORE)
			return OK;
		e = need_input(co, s);
		if (e != OK)
			return e;
		in = str_first(stream_peek(s->conn.stream),
			       a->head.max - a->head.n);
		lf = str_chr(in, '\n');
		if (lf >= 0)
			in = str_first(in, (size_t)lf + 1);
		buf_put(&a->head, in);
		stream_take(s->conn.stream, in.n);
	}
}

/* ---- the command ---- */

static enum err
take_literal(struct co *co, struct imap_session *s, struct append *a)
{
	a->left = s->command.literal_octets;
	if (!a->is_refused && s->command.is_sync)
		stream_put(s->conn.stream, S("+ OK\r\n"));
	if (a->is_refused) {
		if (a->left > DROP_MAX_OCTETS - a->n_dropped) {
			s->conn.bye =
				"[TOOBIG] Message is too large to be skipped";
			s->conn.is_quit = true;
			return OK;
		}
		a->n_dropped += a->left;
	}
	return move_message(co, s, a, !a->is_refused);
}

/* The client that waits was told NO: its command is over. */
static bool
is_over(const struct imap_session *s, const struct append *a)
{
	return s->conn.is_quit || (a->is_refused && s->command.is_sync);
}

static enum err
run_parts(struct co *co, struct imap_session *s, struct append *a)
{
	enum imap_command_status status = IMAP_COMMAND_MESSAGE;
	enum err e = OK;

	while (status == IMAP_COMMAND_MESSAGE) {
		if (!a->is_refused)
			e = send_part(co, s, a, true);
		conn_take_command(&s->conn); // a->head has it
		if (e != OK || is_over(s, a))
			return e;
		e = take_literal(co, s, a);
		if (e == OK && !s->conn.is_quit)
			e = read_text(co, s, a, &status);
		if (e != OK || s->conn.is_quit)
			return e;
	}
	if (status == IMAP_COMMAND_DONE)
		return a->is_refused ? OK : send_part(co, s, a, false);
	if (!a->is_refused)
		imap_answer(s, "BAD", s->command.text);
	s->conn.bye = "The next command cannot be found";
	s->conn.is_quit = true;
	return OK;
}

enum err
imap_append_message(struct co *co, struct imap_session *s)
{
	struct append a = { .head = BUF_INIT(COMMAND_MAX) };
	enum err e;

	read_limit(co, s, &a);
	buf_put(&a.head,
		str_first(stream_peek(s->conn.stream), s->conn.n_command));
	e = run_parts(co, s, &a);
	buf_release(&a.head);
	return e;
}

/* Without a literal only URLs can be the message. */
enum err
imap_append_text(struct co *co, struct imap_session *s)
{
	struct append a = { .is_refused = false };
	enum err e = OK;

	if (read_limit(co, s, &a)) {
		s->command.part = s->command.args;
		e = send_part(co, s, &a, false);
	}
	conn_take_command(&s->conn);
	return e;
}
