/* SPDX-License-Identifier: MIT
 * mda/front/imap/idle.c - IDLE (RFC 2177): waits for the client and for store
 * at once. */
#include "mda/front/imap/session.h"

#include "lib/base/check.h"

enum { WORD_MAX_OCTETS = 32 };

struct idle {
	/* What came of "DONE" CRLF: taken from the stream, so that a client
	 * that sends half of it still hears of new mail. */
	char word[WORD_MAX_OCTETS];
	size_t n;
	bool is_over;
	int64_t deadline_us, notify_us;
};

/* True when the line is whole, or too long to be it. */
static bool
take_input(struct imap_session *s, struct idle *idle)
{
	struct str in = stream_peek(s->conn.stream);
	size_t n = 0;

	while (n < in.n && idle->n < sizeof(idle->word) && !idle->is_over) {
		idle->word[idle->n++] = in.p[n++];
		idle->is_over = idle->word[idle->n - 1] == '\n';
	}
	stream_take(s->conn.stream, n);
	return idle->is_over || idle->n == sizeof(idle->word);
}

/* What is there, and more until a line ends: nobody else may speak before. */
static enum err
copy_news(struct co *co, struct imap_session *s)
{
	while (!s->conn.is_quit &&
	       (call_has_input(s->conn.store) || s->conn.is_mute)) {
		struct frame f;
		enum err e =
			call_recv(co, s->conn.store, in_s(STORE_TIMEOUT_S), &f);

		if (e == OK && imap_is_text(&f))
			e = imap_relay_text(co, s, &f);
		else
			e = e == OK ? imap_relay_bye(s, &f)
				    : imap_lost_store(s);
		frame_release(&f);
		if (e != OK)
			return e;
	}
	return conn_flush(co, &s->conn);
}

static enum err
wait_for_news(struct co *co, struct imap_session *s, int64_t deadline_us)
{
	enum err e;

	if (call_has_input(s->conn.store))
		return OK; // it came while the last news was sent
	if (front.is_stopping)
		front_end(&s->conn.client, "the server is stopping");
	s->conn.client.is_resting = true;
	call_set_listener(s->conn.store, co);
	e = stream_wait(co, s->conn.stream, deadline_us);
	call_set_listener(s->conn.store, NULL);
	if (e == OK && stream_has_input(s->conn.stream))
		e = stream_fill(co, s->conn.stream, deadline_us);
	s->conn.client.is_resting = false;
	return e;
}

enum err
imap_wait_with_news(struct co *co, struct imap_session *s, int64_t deadline_us)
{
	for (;;) {
		enum err e = copy_news(co, s);

		if (e == OK && s->conn.is_quit)
			e = ERR_EOF;
		if (e != OK || stream_peek(s->conn.stream).n > 0)
			return e;
		e = wait_for_news(co, s, deadline_us);
		if (e != OK)
			return e;
	}
}

/* So that translators of addresses do not forget the connection. */
static enum err
wait_or_notify(struct co *co, struct imap_session *s, struct idle *idle)
{
	int64_t until_us = idle->notify_us < idle->deadline_us
				   ? idle->notify_us
				   : idle->deadline_us;
	enum err e = wait_for_news(co, s, until_us);

	if (e != ERR_TIMEOUT)
		return e;
	if (until_us == idle->deadline_us) {
		s->conn.bye = "Autologout, idle for too long";
		return e;
	}
	stream_put(s->conn.stream, S("* OK Still here\r\n"));
	idle->notify_us = in_s(front.role->options->imap_notify_s);
	return OK;
}

static enum err
wait_for_done(struct co *co, struct imap_session *s, struct idle *idle)
{
	for (;;) {
		enum err e = copy_news(co, s);

		if (e != OK || s->conn.is_quit || take_input(s, idle))
			return e;
		e = wait_or_notify(co, s, idle);
		if (e != OK)
			return e;
	}
}

enum err
imap_idle(struct co *co, struct imap_session *s)
{
	struct idle idle = {
		.deadline_us = in_s(AUTOLOGOUT_S),
		.notify_us = in_s(front.role->options->imap_notify_s),
	};
	bool is_done;
	enum err e = imap_send_store(co, s, STORE_IDLE, S("\1"));

	if (e != OK)
		return e;
	conn_take_command(&s->conn);
	arena_release(&s->arena);
	stream_put(s->conn.stream, S("+ idling\r\n"));
	e = wait_for_done(co, s, &idle);
	if (e == OK && !s->conn.is_quit)
		e = imap_send_store(co, s, STORE_IDLE, S("\0"));
	if (e != OK || s->conn.is_quit)
		return e;
	is_done = str_ieq(str_of(idle.word, idle.n), S("DONE\r\n"));
	e = imap_relay(co, s, is_done, NULL);
	if (e != OK || is_done)
		return e;
	imap_answer(s, "BAD", "Expected DONE");
	s->conn.is_quit = !idle.is_over; // the rest of that line is no command
	return OK;
}
