/* SPDX-License-Identifier: MIT
 * mda/front/lmtp/session.c - the life of an LMTP connection (RFC 2033).
 *
 * Process: front.  Peers: our own queue's out, through a unix socket that only
 * our users may open.
 * Owns: the stream, the transaction. */
#include "mda/front/lmtp/session.h"

#include "lib/base/check.h"
#include "lib/mail/smtp_reply.h"

#include <string.h>
#include <unistd.h>

enum {
	BYE_TIMEOUT_S = 2,
	OUT_PIECE_OCTETS = 32 * 1024,
	LINE_ARENA_MAX = 16 * 1024,
	BREATHE_COMMANDS = 64,
	ID_OCTETS = 48,
};

/* ---- replies ---- */

void
lmtp_reply(struct lmtp_session *s, unsigned code, struct str enhanced,
	   struct str text)
{
	struct buf line = BUF_INIT(SMTP_REPLY_WRITE_MAX);

	check(smtp_reply_format(&line, (int)code, enhanced, text) == OK);
	stream_put(s->stream, buf_str(&line));
	buf_release(&line);
}

void
lmtp_reply_later(struct lmtp_session *s)
{
	lmtp_reply(s, 451, S("4.3.0"), S("Temporary failure, try again later"));
}

static void
reply_syntax(struct lmtp_session *s, enum smtp_syntax syntax)
{
	const struct smtp_answer *a = smtp_syntax_answer(syntax);

	lmtp_reply(s, (unsigned)a->code, a->enhanced, a->text);
}

static void
reply_order(struct lmtp_session *s, struct str text)
{
	lmtp_reply(s, 503, S("5.5.1"), text);
}

/* ---- transaction ---- */

void
lmtp_reset(struct lmtp_session *s)
{
	struct arena arena = s->t.arena;

	lmtp_delivery_free(&s->t.delivery);
	arena_release(&arena);
	s->t = (struct lmtp_transaction) { .arena = arena };
}

/* Letters and digits: it becomes part of a file's name. */
static bool
is_id(struct str id)
{
	for (size_t i = 0; i < id.n; i++)
		if (!ascii_is_alpha(id.p[i]) && !ascii_is_digit(id.p[i]))
			return false;
	return id.n < ID_OCTETS;
}

/* An id that no other message ever has. */
static enum err
make_id(struct lmtp_session *s)
{
	char id[ID_OCTETS];

	snprintf(id, sizeof(id), "L%llxP%xN%llx", (unsigned long long)wall_us(),
		 (unsigned)getpid(), (unsigned long long)++front.n_ids);
	return arena_str(&s->t.arena, str_c(id), &s->t.id);
}

static enum err
copy_sender(struct lmtp_session *s, const struct address *from)
{
	struct buf b = BUF_INIT(ROUTER_ADDRESS_MAX_OCTETS);
	enum err e = address_format(&b, from);

	if (e == OK)
		e = arena_str(&s->t.arena, buf_str(&b), &s->t.sender);
	buf_release(&b);
	return e;
}

static void
begin_mail(struct lmtp_session *s, const struct smtp_mail_args *mail)
{
	struct lmtp_transaction *t = &s->t;
	enum err e = copy_sender(s, &mail->from);

	if (e == OK)
		e = mail->xid.n > 0 ? arena_str(&t->arena, mail->xid, &t->id)
				    : make_id(s);
	if (e != OK) {
		lmtp_reset(s);
		reply_syntax(s, SMTP_NO_MEMORY);
		return;
	}
	t->is_repeat = mail->is_try && mail->xid.n > 0;
	t->is_smtputf8 = mail->is_smtputf8;
	t->is_binary = mail->body == SMTP_BODY_BINARYMIME;
	t->size_octets = mail->has_size ? mail->size_octets : 0;
	t->has_mail = true;
	lmtp_reply(s, 250, S("2.1.0"), S("Sender ok"));
}

static void
do_mail(struct lmtp_session *s, struct str arg)
{
	struct arena line = ARENA_INIT(LINE_ARENA_MAX);
	struct smtp_mail_args mail;
	enum smtp_syntax syntax;

	if (!s->is_greeted || s->t.has_mail) {
		reply_order(s, s->is_greeted ? S("Sender was given already")
					     : S("LHLO first"));
		return;
	}
	syntax =
		smtp_mail_parse(arg,
				SMTP_WITH_UTF8 | SMTP_WITH_OWN |
					SMTP_WITH_LONG_LOCAL | SMTP_WITH_BINARY,
				&line, &mail);
	if (syntax == SMTP_OK && !is_id(mail.xid))
		syntax = SMTP_BAD_PARAM;
	if (syntax == SMTP_OK)
		begin_mail(s, &mail);
	else
		reply_syntax(s, syntax);
	arena_release(&line);
}

static enum err
do_data(struct co *co, struct lmtp_session *s)
{
	enum err e;

	if (s->t.delivery != NULL) { // RFC 3030 2
		reply_order(s, S("DATA and BDAT do not mix"));
		return OK;
	}
	if (s->t.n_rcpts == 0) { // RFC 2033 4.2
		reply_order(s, S("No valid recipients"));
		return OK;
	}
	if (s->t.is_binary) { // RFC 3030 3
		reply_order(s, S("BODY=BINARYMIME goes by BDAT"));
		return OK;
	}
	e = lmtp_data(co, s);
	lmtp_reset(s);
	return e;
}

static void
do_lhlo(struct lmtp_session *s, struct str arg)
{
	const struct str lines[] = {
		str_c(front.role->options->hostname),
		S("PIPELINING"),
		S("CHUNKING"),
		S("BINARYMIME"),
		S("SIZE"),
		S("8BITMIME"),
		S("SMTPUTF8"),
		S("ENHANCEDSTATUSCODES"),
		S("XESTAFETA"),
	};
	struct buf b = BUF_INIT(9 * SMTP_REPLY_WRITE_MAX);
	struct str name;
	enum smtp_syntax syntax = smtp_helo_parse(arg, &name);

	if (syntax != SMTP_OK) {
		reply_syntax(s, syntax);
		return;
	}
	lmtp_reset(s);
	s->is_greeted = true;
	check(smtp_reply_format_lines(&b, 250, STR_NONE, lines,
				      sizeof(lines) / sizeof(*lines)) == OK);
	stream_put(s->stream, buf_str(&b));
	buf_release(&b);
}

/* ---- the loop ---- */

static enum err
run(struct co *co, struct lmtp_session *s, struct str line)
{
	struct smtp_command c;
	enum smtp_syntax syntax = smtp_command_parse(line, &c);

	if (syntax != SMTP_OK) {
		reply_syntax(s, syntax);
		s->is_quit = syntax == SMTP_FOREIGN_PROTOCOL;
		return OK;
	}
	switch (c.verb) {
	case SMTP_VERB_LHLO:
		do_lhlo(s, c.arg);
		return OK;
	case SMTP_VERB_MAIL:
		do_mail(s, c.arg);
		return OK;
	case SMTP_VERB_RCPT:
		lmtp_rcpt(co, s, c.arg);
		return OK;
	case SMTP_VERB_DATA:
		return do_data(co, s);
	case SMTP_VERB_BDAT:
		return lmtp_bdat(co, s, c.arg);
	case SMTP_VERB_RSET:
		lmtp_reset(s);
		lmtp_reply(s, 250, S("2.0.0"), S("OK"));
		return OK;
	case SMTP_VERB_NOOP:
		lmtp_reply(s, 250, S("2.0.0"), S("OK"));
		return OK;
	case SMTP_VERB_VRFY:
		lmtp_reply(s, 252, S("2.5.0"), S("Send mail and see"));
		return OK;
	case SMTP_VERB_QUIT:
		lmtp_reply(s, 221, S("2.0.0"), S("Bye"));
		s->is_quit = true;
		return OK;
	default: // also HELO and EHLO (RFC 2033 4.1)
		reply_syntax(s, SMTP_UNKNOWN_COMMAND);
		return OK;
	}
}

static enum err
read_line(struct co *co, struct lmtp_session *s, struct str *out)
{
	bool may_rest = !s->t.has_mail;
	enum err e;

	if (may_rest && front.is_stopping)
		front_end(&s->client, "the server is stopping");
	s->client.is_resting = may_rest;
	e = stream_line(co, s->stream, SMTP_COMMAND_LONG_MAX,
			in_s(LMTP_READ_TIMEOUT_S), out, NULL);
	s->client.is_resting = false;
	if (e == ERR_LIMIT)
		reply_syntax(s, SMTP_LINE_TOO_LONG);
	if (e == ERR_TIMEOUT || e == ERR_CANCELED)
		lmtp_reply(s, 421, S("4.4.2"), S("Closing the connection"));
	return e;
}

static void
serve(struct co *co, void *arg)
{
	struct lmtp_session *s = arg;
	uint64_t n = 0;
	enum err e = OK;

	lmtp_reply(s, 220, STR_NONE, S("Estafeta LMTP ready"));
	while (e == OK && !s->is_quit) {
		struct str line;

		e = read_line(co, s, &line);
		if (e == OK)
			e = run(co, s, line);
		if (e == OK && stream_unsent(s->stream) > OUT_PIECE_OCTETS)
			e = stream_flush(co, s->stream,
					 in_s(LMTP_READ_TIMEOUT_S));
		if (++n % BREATHE_COMMANDS == 0)
			co_breathe(co);
	}
	e = stream_flush(co, s->stream, in_s(BYE_TIMEOUT_S));
	(void)e; // the connection ends anyhow
	front_leave(&s->client);
	lmtp_reset(s);
	stream_free(&s->stream);
	free(s);
}

void
lmtp_accept(int fd)
{
	struct lmtp_session *s = must_alloc(sizeof(*s));

	arena_init(&s->t.arena, LMTP_ARENA_MAX);
	s->stream = stream_new(fd, LMTP_INPUT_MAX);
	if (front_begin(&s->client, serve, s, "lmtp"))
		return;
	log_error("lmtp.limit");
	stream_free(&s->stream);
	free(s);
}
