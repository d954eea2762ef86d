/* SPDX-License-Identifier: MIT
 * mda/front/imap/relay.c - commands that store runs, and what it says. */
#include "mda/front/imap/session.h"

#include "lib/base/check.h"

enum err
imap_lost_store(struct imap_session *s)
{
	s->conn.bye = "[UNAVAILABLE] The mail store is restarting";
	return ERR_UNAVAILABLE;
}

enum err
imap_send_store(struct co *co, struct imap_session *s, enum store_type type,
		struct str body)
{
	enum err e = call_send(co, s->conn.store, (uint16_t)type, body, -1,
			       false, in_s(STORE_TIMEOUT_S));

	return e == OK || e == ERR_CANCELED ? e : imap_lost_store(s);
}

/* ---- what store says ---- */

static enum err
relay_text(struct co *co, struct imap_session *s, const struct frame *f)
{
	stream_put(s->conn.stream, f->body);
	if (f->body.n > 0)
		s->conn.is_mute = !str_ends(f->body, S("\r\n"));
	if (stream_unsent(s->conn.stream) <= CONN_OUT_PIECE_OCTETS)
		return OK;
	return conn_flush(co, &s->conn);
}

/* Each piece has a time of its own. */
static uint64_t
piece_of(uint64_t n_octets)
{
	return n_octets < FILE_PIECE_OCTETS ? n_octets : FILE_PIECE_OCTETS;
}

static enum err
relay_body(struct co *co, struct imap_session *s, const struct frame *f)
{
	struct store_body range;
	enum err e = OK;

	if (f->fd < 0 || store_read_body(f->body, &range) != OK ||
	    range.offset > INT64_MAX ||
	    range.n_octets > INT64_MAX - range.offset)
		return imap_lost_store(s);
	s->conn.is_mute = true; // until store ends the line
	while (range.n_octets > 0 && e == OK) {
		uint64_t n = piece_of(range.n_octets);

		e = stream_send_file(co, s->conn.stream, f->fd,
				     (int64_t)range.offset, n,
				     in_s(CONN_WRITE_TIMEOUT_S));
		range.offset += n;
		range.n_octets -= n;
	}
	return e;
}

static enum err
relay_pipe(struct co *co, struct imap_session *s, const struct frame *f)
{
	struct store_pipe pipe;
	enum err e = OK;

	if (f->fd < 0 || store_read_pipe(f->body, &pipe) != OK)
		return imap_lost_store(s);
	s->conn.is_mute = true; // until all of it has left
	while (pipe.n_octets > 0 && e == OK) {
		uint32_t n = (uint32_t)piece_of(pipe.n_octets);

		e = stream_send_pipe(co, s->conn.stream, f->fd, n,
				     in_s(CONN_WRITE_TIMEOUT_S));
		pipe.n_octets -= n;
	}
	s->conn.is_mute = e != OK || !pipe.ends_line;
	return e;
}

bool
imap_is_text(const struct frame *f)
{
	return f->type == STORE_TEXT || f->type == STORE_BODY ||
	       f->type == STORE_PIPE;
}

enum err
imap_relay_text(struct co *co, struct imap_session *s, const struct frame *f)
{
	if (f->type == STORE_PIPE)
		return relay_pipe(co, s, f);
	return f->type == STORE_BODY ? relay_body(co, s, f)
				     : relay_text(co, s, f);
}

static void
answer_done(struct imap_session *s, const struct store_done *done)
{
	static const char *const words[STORE_STATUSES] = { "OK", "NO", "BAD",
							   "BYE" };

	if (done->status == STORE_BYE) {
		stream_putf(s->conn.stream, "* BYE %.*s\r\n", STR(done->text));
		s->conn.is_quit = true;
		return;
	}
	stream_putf(s->conn.stream, "%.*s %s %.*s\r\n", (int)s->n_tag, s->tag,
		    words[done->status], STR(done->text));
}

enum err
imap_relay_bye(struct imap_session *s, const struct frame *f)
{
	struct store_done done;

	if (f->type != STORE_DONE || store_read_done(f->body, &done) != OK ||
	    done.status != STORE_BYE)
		return imap_lost_store(s);
	answer_done(s, &done);
	return OK;
}

static enum err
end_command(struct imap_session *s, const struct frame *f, bool is_final,
	    enum store_status *status_out)
{
	struct store_done done;

	if (store_read_done(f->body, &done) != OK)
		return imap_lost_store(s);
	s->state = done.is_selected ? IMAP_SELECTED : IMAP_AUTHENTICATED;
	s->is_notified = done.is_notifying;
	if (status_out != NULL)
		*status_out = done.status;
	if (is_final || done.status != STORE_OK)
		answer_done(s, &done);
	return OK;
}

/* RFC 9585: how far it is only store knows, which says so where it can. */
static void
put_progress(struct imap_session *s)
{
	if (!s->conn.is_mute) // at the beginning of a line
		stream_putf(s->conn.stream,
			    "* OK [INPROGRESS (\"%.*s\" NIL NIL)] Still at "
			    "it\r\n",
			    (int)s->n_tag, s->tag);
}

static int64_t
progress_us(void)
{
	unsigned s = front.role->options->imap_notify_s;

	return in_s(s < PROGRESS_S ? s : PROGRESS_S);
}

/* The end of what the client sends was met: it has gone, or it only says no
 * more; what is written to it tells. */
static bool
may_have_left(const struct imap_session *s)
{
	return stream_has_input(s->conn.stream) &&
	       !stream_has_octets(s->conn.stream);
}

/* What was said does not wait for a command that takes long, and words that it
 * goes on show whether the client is still there: without it, store is told to
 * end. */
static enum err
recv_from_store(struct co *co, struct imap_session *s, struct frame *out)
{
	int64_t deadline_us = in_s(STORE_TIMEOUT_S);
	int64_t told_us = progress_us();

	for (;;) {
		enum err e =
			call_recv(co, s->conn.store, in_s(LOOK_AFTER_S), out);

		if (e != ERR_TIMEOUT || now_us() > deadline_us)
			return e;
		if (stream_unsent(s->conn.stream) == 0 &&
		    (now_us() >= told_us || may_have_left(s))) {
			put_progress(s);
			told_us = progress_us();
		}
		if (conn_flush(co, &s->conn) != OK)
			return ERR_CANCELED;
	}
}

enum err
imap_relay(struct co *co, struct imap_session *s, bool is_final,
	   enum store_status *status_out)
{
	for (;;) {
		bool is_done;
		struct frame f;
		enum err e = recv_from_store(co, s, &f);

		if (e != OK)
			return e == ERR_CANCELED ? e : imap_lost_store(s);
		is_done = f.type == STORE_DONE;
		if (imap_is_text(&f))
			e = imap_relay_text(co, s, &f);
		else if (is_done)
			e = end_command(s, &f, is_final, status_out);
		else
			e = imap_lost_store(s);
		frame_release(&f);
		if (e != OK || is_done)
			return e;
	}
}

enum err
imap_run_in_store(struct co *co, struct imap_session *s, enum store_verb verb)
{
	const struct store_command command = { verb, s->command.is_uid,
					       s->command.args,
					       str_of(s->tag, s->n_tag) };
	struct buf body = BUF_INIT(STORE_COMMAND_MAX_OCTETS);
	enum err e;

	store_put_command(&body, &command);
	e = imap_send_store(co, s, STORE_COMMAND, buf_str(&body));
	buf_release(&body);
	if (e != OK)
		return e;
	conn_take_command(&s->conn);
	return imap_relay(co, s, true, NULL);
}
