/* SPDX-License-Identifier: MIT
 * mda/front/imap/append.c - APPEND (RFC 3501 6.3.11): a message from the client
 * to store, never whole in memory.
 *
 * The splitter stops at the message's literal. When the command is refused a
 * synchronizing client sends nothing; the octets of one that does not wait are
 * read and dropped (RFC 7888 4). What breaks the syntax behind the message ends
 * the connection, and store forgets the message, because it never hears
 * STORE_APPENDED. */
#include "mda/front/imap/session.h"

#include "lib/base/check.h"
#include "lib/mail/imap_append.h"

enum {
	READ_TIMEOUT_S = 5 * 60, // for the next octets of the message
	DROP_MAX_OCTETS = 256 << 20,
};

struct append {
	struct buf head; // the command without the message's octets
	uint64_t left;	 // octets of the message still to come
	bool is_sync;
};

/* ---- may it be? ---- */

/* NULL, or the answer. */
static const char *
refuse_by_limits(const struct imap_session *s)
{
	struct settings *settings = settings_hold();
	const char *text = NULL;
	uint64_t max;

	if (settings == NULL)
		return "[UNAVAILABLE] Try again later";
	max = settings_of(settings)->message_size_limit;
	if (max > 0 && s->command.literal_octets > max)
		text = "[TOOBIG] Message is larger than this server takes";
	settings_drop(&settings);
	return text;
}

static bool
is_well_formed(struct imap_session *s)
{
	struct imap_append parsed;
	struct imap_reader r;

	imap_reader_init(&r, s->command.args, &s->arena);
	if (!s->command.is_binary && imap_append_read_first(&r, &parsed) &&
	    imap_reader_is_done(&r))
		return true;
	if (s->command.is_binary)
		imap_answer(s, "BAD", "BINARY is not offered");
	else if (r.fault == IMAP_FAULT_LIMIT)
		imap_answer(s, "NO", "[LIMIT] Too many flags");
	else
		imap_answer(s, "BAD", "Expected a mailbox, flags and a date");
	return false;
}

/* *may_out false: the answer was given. */
static enum err
ask_leave(struct co *co, struct imap_session *s, bool *may_out)
{
	const struct store_append append = { s->command.args,
					     s->command.literal_octets };
	struct buf body = BUF_INIT(STORE_COMMAND_MAX_OCTETS);
	enum store_status status = STORE_NO;
	const char *refusal;
	enum err e;

	*may_out = false;
	if (!is_well_formed(s))
		return OK;
	refusal = refuse_by_limits(s);
	if (refusal != NULL) {
		imap_answer(s, "NO", refusal);
		return OK;
	}
	store_put_append(&body, &append);
	e = imap_send_store(co, s, STORE_APPEND, buf_str(&body));
	buf_release(&body);
	if (e == OK)
		e = imap_relay(co, s, false, &status);
	*may_out = e == OK && status == STORE_OK;
	return e;
}

/* ---- octets ---- */

/* Waits until there is input. */
static enum err
need_input(struct co *co, struct imap_session *s)
{
	enum err e;

	if (stream_peek(s->stream).n > 0)
		return OK;
	e = imap_flush(co, s);
	if (e == OK)
		e = stream_fill(co, s->stream, in_s(READ_TIMEOUT_S));
	if (e == ERR_TIMEOUT && !s->is_mute)
		s->bye = "The message did not come";
	return e;
}

static enum err
move_message(struct co *co, struct imap_session *s, struct append *a,
	     bool is_kept)
{
	while (a->left > 0) {
		enum err e = need_input(co, s);
		struct str in = stream_peek(s->stream);

		if (e != OK)
			return e;
		in = str_first(in, STORE_CHUNK_MAX_OCTETS);
		if (in.n > a->left)
			in.n = (size_t)a->left;
		if (is_kept)
			e = imap_send_store(co, s, STORE_CHUNK, in);
		if (e != OK)
			return e;
		stream_take(s->stream, in.n);
		a->left -= in.n;
	}
	return OK;
}

/* The end of the command, line by line so that nothing of the next is taken.
 * False: it is not what may stand there. */
static enum err
read_end(struct co *co, struct imap_session *s, struct append *a,
	 bool *is_end_out)
{
	enum imap_command_status status;

	for (;;) {
		struct str in;
		ptrdiff_t lf;
		enum err e;

		status = imap_command_scan(&s->command, buf_str(&a->head));
		if (status != IMAP_COMMAND_MORE)
			break;
		e = need_input(co, s);
		if (e != OK)
			return e;
		in = str_first(stream_peek(s->stream), a->head.max - a->head.n);
		lf = str_chr(in, '\n');
		if (lf >= 0)
			in = str_first(in, (size_t)lf + 1);
		buf_put(&a->head, in);
		stream_take(s->stream, in.n);
	}
	*is_end_out = status == IMAP_COMMAND_DONE && s->command.part.n == 0;
	return OK;
}

/* ---- both ways ---- */

static enum err
drop_message(struct co *co, struct imap_session *s, struct append *a)
{
	bool is_end = false;
	enum err e;

	if (a->is_sync || s->is_quit)
		return OK;
	if (a->left > DROP_MAX_OCTETS) {
		s->bye = "[TOOBIG] Message is too large to be skipped";
		s->is_quit = true;
		return OK;
	}
	e = move_message(co, s, a, false);
	if (e == OK)
		e = read_end(co, s, a, &is_end);
	if (e == OK && !is_end) {
		s->bye = "The next command cannot be found";
		s->is_quit = true;
	}
	return e;
}

static enum err
take_message(struct co *co, struct imap_session *s, struct append *a)
{
	bool is_end = false;
	enum err e;

	if (a->is_sync)
		stream_put(s->stream, S("+ OK\r\n"));
	e = move_message(co, s, a, true);
	if (e == OK)
		e = read_end(co, s, a, &is_end);
	if (e != OK)
		return e;
	if (!is_end) {
		imap_answer(s, "BAD",
			    "Only one message, and nothing behind it");
		s->bye = "The next command cannot be found";
		s->is_quit = true;
		return OK;
	}
	e = imap_send_store(co, s, STORE_APPENDED, STR_NONE);
	return e == OK ? imap_relay(co, s, true, NULL) : e;
}

enum err
imap_append_message(struct co *co, struct imap_session *s)
{
	struct append a = {
		.head = BUF_INIT(COMMAND_MAX),
		.left = s->command.literal_octets,
		.is_sync = s->command.is_sync,
	};
	bool may_go_on = false;
	enum err e;

	buf_put(&a.head, str_first(stream_peek(s->stream), s->n_command));
	e = ask_leave(co, s, &may_go_on);
	imap_take_command(s);
	if (e == OK && may_go_on)
		e = take_message(co, s, &a);
	else if (e == OK)
		e = drop_message(co, s, &a);
	buf_release(&a.head);
	return e;
}
