/* SPDX-License-Identifier: MIT
 * mda/store/session_output.c - what a session sends to front: untagged text,
 * bodies, and the tagged answer behind them.
 *
 * Process: store.  Format: lib/ipc/store.h.
 * Invariants:
 *  (1) Octets go in the order in which they were put: what the pipe holds, then
 *      out, then a body.
 *  (2) A command is answered after all its text was sent.
 *  (3) After the first failure (broken) nothing is sent, and each descriptor
 *      that was handed over is closed.
 */
#include "mda/store/session.h"

#include "lib/base/check.h"
#include "lib/mail/imap_write.h"

#include <stdarg.h>
#include <unistd.h>

enum {
	DONE_MAX_OCTETS = 2 * SESSION_ANSWER_OCTETS,
	CHUNK_OCTETS = STORE_TEXT_MAX_OCTETS / 2,
};

/* ---- answers ---- */

void
session_answer(struct session *s, enum store_status status, const char *format,
	       ...)
{
	va_list ap;

	s->status = status;
	buf_clear(&s->text);
	va_start(ap, format);
	if (buf_vaddf(&s->text, format, ap) != OK)
		buf_put(&s->text, S("done"));
	va_end(ap);
}

void
session_fail(struct session *s, enum err e)
{
	if (e == ERR_NOT_FOUND)
		session_answer(s, STORE_NO, "[NONEXISTENT] no such mailbox");
	else if (e == ERR_EXISTS)
		session_answer(s, STORE_NO, "[ALREADYEXISTS] it exists");
	else if (e == ERR_FULL)
		session_answer(s, STORE_NO, "[OVERQUOTA] no space left");
	else if (e == ERR_TIMEOUT)
		session_answer(s, STORE_NO, "[INUSE] mailbox is busy");
	else if (e == ERR_LIMIT)
		session_answer(s, STORE_NO, "[LIMIT] too much for one command");
	else
		session_answer(s, STORE_NO,
			       "[UNAVAILABLE] mail store failed, try later");
}

bool
session_args_ok(struct session *s)
{
	const char *text = s->args.fault_text;

	switch (s->args.fault) {
	case IMAP_FINE:
		return true;
	case IMAP_FAULT_SYNTAX:
		session_answer(s, STORE_BAD, "%s", text);
		break;
	case IMAP_FAULT_LIMIT:
		session_answer(s, STORE_NO, "[LIMIT] %s", text);
		break;
	case IMAP_FAULT_CHARSET:
		session_answer(s, STORE_NO, "[BADCHARSET (US-ASCII UTF-8)] %s",
			       text);
		break;
	}
	return false;
}

/* ---- output ---- */

void
session_put(struct session *s, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	check(buf_vaddf(&s->out, format, ap) == OK);
	va_end(ap);
}

void
session_put_str(struct session *s, struct str text)
{
	buf_put(&s->out, text);
}

void
session_put_number(struct session *s, uint64_t number)
{
	check(buf_add_number(&s->out, number) == OK);
}

void
session_put_mailbox(struct session *s, struct str wire)
{
	check(imap_write_astring_utf8(&s->out, wire, s->is_utf8) == OK);
}

static void
send_frame(struct co *co, struct session *s, enum store_type type,
	   struct str body, int fd, uint32_t weight)
{
	if (s->broken == OK)
		s->broken =
			call_send_heavy(co, s->call, (uint16_t)type, body, fd,
					weight, in_s(SESSION_SEND_TIMEOUT_S));
	else if (fd >= 0)
		close(fd);
}

void
session_send_piped(struct co *co, struct session *s)
{
	const struct store_pipe held = { s->pipeful.n_octets,
					 s->pipeful.ends_line };
	uint32_t weight = s->pipeful.weight_octets;
	struct buf b = BUF_INIT(SESSION_SEND_OCTETS);
	int fd;

	if (held.n_octets == 0)
		return;
	fd = pipeful_take(&s->pipeful);
	store_put_pipe(&b, &held);
	send_frame(co, s, STORE_PIPE, buf_str(&b), fd, weight);
	buf_release(&b);
}

void
session_send(struct co *co, struct session *s)
{
	struct str rest = buf_str(&s->out);

	session_send_piped(co, s);
	while (rest.n > 0) {
		struct str piece = str_first(rest, CHUNK_OCTETS);

		send_frame(co, s, STORE_TEXT, piece, -1, 0);
		rest = str_from(rest, piece.n);
	}
	if (s->out.cap > 2 * SESSION_SEND_OCTETS)
		buf_release(&s->out);
	buf_clear(&s->out);
}

void
session_send_some(struct co *co, struct session *s)
{
	if (s->out.n >= SESSION_SEND_OCTETS)
		session_send(co, s);
}

bool
session_is_given_up(const struct session *s)
{
	return s->broken != OK || call_has_input(s->call);
}

void
session_send_body(struct co *co, struct session *s, int fd, uint64_t offset,
		  uint64_t n_octets)
{
	const struct store_body range = { offset, n_octets };
	struct buf b = BUF_INIT(SESSION_SEND_OCTETS);

	if (fd < 0 && s->broken == OK)
		s->broken = ERR_IO;
	session_send(co, s);
	store_put_body(&b, &range);
	send_frame(co, s, STORE_BODY, buf_str(&b), fd, 0);
	buf_release(&b);
}

/* False: there is no pipe; what is left stays in out. */
static bool
pipe_words(struct co *co, struct session *s)
{
	size_t at = 0;

	while (at < s->out.n && s->broken == OK) {
		size_t n = 0;

		if (pipeful_begin(&s->pipeful))
			n = pipeful_put(&s->pipeful,
					str_from(buf_str(&s->out), at));
		if (n == 0 && s->pipeful.n_octets == 0)
			break;
		at += n;
		if (n == 0)
			session_send_piped(co, s);
	}
	buf_shift(&s->out, at);
	return s->out.n == 0;
}

void
session_pipe_body(struct co *co, struct session *s, int fd, uint64_t *offset,
		  uint64_t *n)
{
	enum err e = OK;

	if (!pipe_words(co, s))
		return;
	while (*n > 0 && s->broken == OK) {
		if (!pipeful_begin(&s->pipeful))
			return;
		e = pipeful_put_file(&s->pipeful, fd, offset, n);
		if (e == ERR_FULL && s->pipeful.n_octets > 0)
			session_send_piped(co, s);
		else if (e != OK)
			s->broken = ERR_IO; // its size was told
	}
}

void
session_done(struct co *co, struct session *s)
{
	struct buf text = BUF_INIT(DONE_MAX_OCTETS);
	struct buf b = BUF_INIT(2 * DONE_MAX_OCTETS);
	struct store_done done = { s->status, buf_str(&s->text),
				   s->mailbox != NULL, notify_is_on(s) };

	if (s->answers_modseq && s->has_qresync && s->status == STORE_OK) {
		buf_putf(&text, "[HIGHESTMODSEQ %llu] %.*s",
			 (unsigned long long)s->told_all, STR(done.text));
		done.text = buf_str(&text);
	}
	s->answers_modseq = false;
	session_send(co, s);
	store_put_done(&b, &done);
	send_frame(co, s, STORE_DONE, buf_str(&b), -1, 0);
	buf_release(&text);
	buf_release(&b);
}
