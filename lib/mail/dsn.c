/* SPDX-License-Identifier: MIT
 * lib/mail/dsn.c - the three parts of a report and how foreign text gets in. */
#include "lib/mail/dsn.h"

#include "lib/base/check.h"
#include "lib/base/utf8.h"
#include "lib/mail/trace.h"

enum {
	TEXT_MAX = 900, // one unfolded line stays below 998 (RFC 5322 2.1.1)
	WORD_MAX = 400,
	PEOPLE_MAX = 400,
	WORD_BUF_MAX = 1 << 20, // far above any address that was parsed
	TOKEN_MAX = 60,		// a boundary has at most 70 (RFC 2046 5.1.1)
};

/* The message being written: the first error is kept. */
struct report {
	struct buf *out;
	enum err e;
};

static void
add(struct report *r, struct str s)
{
	if (r->e == OK)
		r->e = buf_add(r->out, s);
}

static void
add_char(struct report *r, char c)
{
	if (r->e == OK)
		r->e = buf_addc(r->out, c);
}

/* Printable ASCII stays; several lines become one; the rest is '?'. */
static void
add_text(struct report *r, struct str s, size_t max)
{
	struct str cut = str_first(s, max);

	for (size_t i = 0; i < cut.n; i++) {
		char c = ascii_is_space(cut.p[i]) ? ' ' : cut.p[i];

		add_char(r, ascii_is_print(c) ? c : '?');
	}
	if (cut.n < s.n)
		add(r, S("..."));
}

/* A name or token: as add_text, without what could end it or begin a
 * comment. */
static void
add_word(struct report *r, struct str s)
{
	struct str cut = str_first(s, WORD_MAX);

	for (size_t i = 0; i < cut.n; i++) {
		char c = cut.p[i];

		add_char(r, ascii_is_print(c) && strchr(" ();\\\"<>", c) == NULL
				    ? c
				    : '?');
	}
}

static void
add_date(struct report *r, const struct dsn *d, int64_t at_s)
{
	if (r->e == OK)
		r->e = date_format_rfc5322(r->out, at_s, d->utc_offset_minutes);
}

static void
add_date_field(struct report *r, const struct dsn *d, struct str name,
	       int64_t at_s)
{
	if (at_s == 0)
		return;
	add(r, name);
	add_date(r, d, at_s);
	add(r, S("\r\n"));
}

/* What is beyond ASCII as \x{HEX} (utf-8-addr-xtext, RFC 6533 3). */
static void
add_utf8_xtext(struct report *r, struct str s)
{
	while (s.n > 0 && r->e == OK) {
		uint32_t c = '?';
		size_t n = utf8_char(s, &c);

		if (n == 0) {
			n = 1;
			c = '?';
		}
		if (c >= 0x80 || c == '\\' || c == '+' || c == '=')
			r->e = buf_addf(r->out, "\\x{%02X}", (unsigned)c);
		else
			add_char(r, ascii_is_print((char)c) ? (char)c : '?');
		s = str_from(s, n);
	}
}

/* utf-8-addr-unitext (RFC 6533 3): as it is, without controls. */
static void
add_utf8(struct report *r, struct str s)
{
	while (s.n > 0 && r->e == OK) {
		uint32_t c = '?';
		size_t n = utf8_char(s, &c);
		bool is_shown = n > 0 && c >= 0x20 && (c < 0x7f || c > 0x9f);

		if (is_shown)
			add(r, str_first(s, n));
		else
			add_char(r, '?');
		s = str_from(s, n > 0 ? n : 1);
	}
}

/* "type; address" of RFC 3464 2.3.1 and 2.3.2. */
static void
add_typed(struct report *r, bool is_utf8, struct str type, struct str text)
{
	if (utf8_is_ascii(text)) {
		add_word(r, type.n > 0 ? type : S("rfc822"));
		add(r, S("; "));
		for (size_t i = 0; i < text.n; i++)
			add_char(r,
				 ascii_is_print(text.p[i]) ? text.p[i] : '?');
	} else {
		add(r, S("utf-8; "));
		if (is_utf8)
			add_utf8(r, text);
		else
			add_utf8_xtext(r, text);
	}
	add(r, S("\r\n"));
}

/* Into word, which the caller releases. */
static struct str
format_address(struct buf *word, const struct address *addr)
{
	check(address_format(word, addr) == OK);
	return buf_str(word);
}

/* ---- the parts ---- */

static bool
has_action(const struct dsn *d, enum dsn_action action)
{
	for (size_t i = 0; i < d->n_rcpts; i++)
		if (d->rcpts[i].action == action)
			return true;
	return false;
}

/* ---- words ---- */

enum { ACTIONS = DSN_EXPANDED + 1 };

/* The subjects are ASCII: no encoded words are needed. */
static const struct words {
	struct str subject[ACTIONS]; // only those of the kinds of report
	struct str intro[ACTIONS];
	struct str sentence[ACTIONS];
	struct str host, said, server;
} all_words[DSN_LANGUAGES] = {
	[DSN_ENGLISH] = {
		.subject = {
			[DSN_FAILED] = STR_INIT("Undelivered mail returned to sender"),
			[DSN_DELAYED] = STR_INIT("Delayed mail (still being retried)"),
			[DSN_DELIVERED] = STR_INIT("Successful mail delivery report"),
		},
		.intro = {
			[DSN_FAILED] = STR_INIT(
				"Your message could not be delivered to one or "
				"more recipients.\r\nIt will not be tried "
				"again for those named as failed below.\r\n"),
			[DSN_DELAYED] = STR_INIT(
				"Your message is delayed. This is a warning "
				"only: you need not send it again.\r\n"),
			[DSN_DELIVERED] = STR_INIT(
				"Your message was handled as described "
				"below.\r\n"),
		},
		.sentence = {
			[DSN_FAILED] = STR_INIT("could not be delivered"),
			[DSN_DELAYED] = STR_INIT(
				"has not been delivered yet; delivery is being "
				"retried"),
			[DSN_DELIVERED] = STR_INIT("was delivered"),
			[DSN_RELAYED] = STR_INIT(
				"was passed on to a system that sends no "
				"reports"),
			[DSN_EXPANDED] = STR_INIT(
				"was delivered to a list of recipients"),
		},
		.host = STR_INIT("This is the mail system at host "),
		.said = STR_INIT(" said: "),
		.server = STR_INIT("The server"),
	},
	[DSN_SPANISH] = {
		.subject = {
			[DSN_FAILED] = STR_INIT("Correo no entregado, devuelto al remitente"),
			[DSN_DELAYED] = STR_INIT("Correo retrasado (se sigue intentando)"),
			[DSN_DELIVERED] = STR_INIT("Informe de entrega del correo"),
		},
		.intro = {
			[DSN_FAILED] = STR_INIT(
				"Su mensaje no se ha podido entregar a uno o "
				"más destinatarios.\r\nNo se volverá a "
				"intentar con los que abajo figuran como "
				"fallidos.\r\n"),
			[DSN_DELAYED] = STR_INIT(
				"Su mensaje se retrasa. Es solo un aviso: no "
				"hace falta enviarlo de nuevo.\r\n"),
			[DSN_DELIVERED] = STR_INIT(
				"Su mensaje se ha tratado como se describe "
				"abajo.\r\n"),
		},
		.sentence = {
			[DSN_FAILED] = STR_INIT("no se ha podido entregar"),
			[DSN_DELAYED] = STR_INIT(
				"no se ha entregado aún; se sigue intentando"),
			[DSN_DELIVERED] = STR_INIT("se ha entregado"),
			[DSN_RELAYED] = STR_INIT(
				"se ha pasado a un sistema que no envía "
				"informes"),
			[DSN_EXPANDED] = STR_INIT(
				"se ha entregado a una lista de "
				"destinatarios"),
		},
		.host = STR_INIT("Este es el sistema de correo de "),
		.said = STR_INIT(" respondió: "),
		.server = STR_INIT("El servidor"),
	},
};

/* What follows an operator's text must be in its charset: ASCII is. */
static const struct words *
words_of(const struct dsn *d)
{
	bool is_utf8 =
		d->own.text.n == 0 || str_ieq(d->own.charset, S("utf-8"));

	return &all_words[is_utf8 ? d->language : DSN_ENGLISH];
}

/* What the report is about, above all. */
static enum dsn_action
kind_of(const struct dsn *d)
{
	if (has_action(d, DSN_FAILED))
		return DSN_FAILED;
	return has_action(d, DSN_DELAYED) ? DSN_DELAYED : DSN_DELIVERED;
}

static void
add_boundary(struct report *r, const struct dsn *d)
{
	add(r, S("=_"));
	add_word(r, d->token);
}

static void
add_delimiter(struct report *r, const struct dsn *d, struct str suffix)
{
	add(r, S("\r\n--"));
	add_boundary(r, d);
	add(r, suffix);
	add(r, S("\r\n"));
}

/* The host goes behind an address that has none: "MAILER-DAEMON (words)",
 * "Words <MAILER-DAEMON>". */
static void
add_from(struct report *r, const struct dsn *d)
{
	struct str from = d->own.from;
	ptrdiff_t open = str_chr(from, '<');
	size_t n = open < 0 ? 0 : (size_t)open + 1;

	add(r, S("From: "));
	if (from.n == 0) {
		add(r, S("Mail Delivery System <MAILER-DAEMON@"));
		add_word(r, d->host);
		add(r, S(">"));
		return;
	}
	while (n < from.n && strchr(" \t(>,", from.p[n]) == NULL)
		n++;
	add_text(r, str_first(from, n), TEXT_MAX);
	if (str_chr(str_first(from, n), '@') < 0) {
		add_char(r, '@');
		add_word(r, d->host);
	}
	add_text(r, str_from(from, n), TEXT_MAX);
}

static void
add_subject(struct report *r, const struct dsn *d)
{
	bool has_own = d->is_copy && d->own.copy_subject.n > 0;

	if (d->is_copy && !has_own)
		add(r, S("Postmaster copy: "));
	if (has_own)
		add_text(r, d->own.copy_subject, TEXT_MAX);
	else if (d->own.subject.n > 0)
		add_text(r, d->own.subject, TEXT_MAX);
	else
		add(r, words_of(d)->subject[kind_of(d)]);
}

static void
add_header(struct report *r, const struct dsn *d, bool is_8bit)
{
	struct buf to = BUF_INIT(WORD_BUF_MAX);

	add_from(r, d);
	add(r, S("\r\nTo: <"));
	format_address(&to, &d->to);
	for (size_t i = 0; i < to.n; i++) // UTF-8 stays: RFC 6532
		add_char(r, (unsigned char)to.p[i] < ' ' || to.p[i] == 0x7f
				    ? '?'
				    : to.p[i]);
	buf_release(&to);
	add(r, S(">\r\nSubject: "));
	add_subject(r, d);
	add(r, S("\r\n"));
	add(r, S("Date: "));
	add_date(r, d, d->now_s);
	add(r, S("\r\nMessage-ID: "));
	if (r->e == OK)
		r->e = trace_message_id(r->out, d->token,
					str_first(d->host, WORD_MAX));
	/* RFC 3834 5.2: a response to a message is auto-replied */
	add(r, S("\r\nAuto-Submitted: auto-replied\r\n"
		 "MIME-Version: 1.0\r\n"
		 "Content-Type: multipart/report; "
		 "report-type=delivery-status;\r\n\tboundary=\""));
	add_boundary(r, d);
	add(r, S("\"\r\n"));
	if (is_8bit)
		add(r, S("Content-Transfer-Encoding: 8bit\r\n"));
	add(r, S("\r\nThis is a delivery report in MIME format.\r\n"));
}

static void
add_rcpt_for_people(struct report *r, const struct dsn *d,
		    const struct dsn_rcpt *rcpt)
{
	const struct words *words = words_of(d);
	struct buf word = BUF_INIT(WORD_BUF_MAX);

	add(r, S("\r\n<"));
	add_utf8_xtext(r, format_address(&word, &rcpt->final));
	buf_release(&word);
	add(r, S("> "));
	add(r, words->sentence[rcpt->action]);
	add(r, S(".\r\n"));
	if (rcpt->diagnostic.n > 0) {
		add(r, S("    "));
		if (rcpt->remote_mta.n > 0)
			add_word(r, rcpt->remote_mta);
		else
			add(r, words->server);
		add(r, words->said);
		add_text(r, rcpt->diagnostic, PEOPLE_MAX);
		add(r, S("\r\n"));
	}
	if (rcpt->reason.n > 0) {
		add(r, S("    "));
		add_text(r, rcpt->reason, PEOPLE_MAX);
		add(r, S("\r\n"));
	}
}

/* Copies for the postmaster go without it, as with Postfix. */
static bool
has_own_text(const struct dsn *d)
{
	return d->own.text.n > 0 && !d->is_copy;
}

static bool
is_8bit_for_people(const struct dsn *d)
{
	return words_of(d) != &all_words[DSN_ENGLISH] ||
	       (has_own_text(d) && !utf8_is_ascii(d->own.text));
}

/* Lines of any kind become ours; a long one is cut (RFC 5322 2.1.1). */
static void
add_own_text(struct report *r, struct str text)
{
	struct str line;

	while (text.n > 0 && str_line(&text, &line)) {
		do {
			struct str part = str_first(line, TEXT_MAX);

			for (size_t i = 0; i < part.n; i++)
				add_char(r, part.p[i] == '\r' || !part.p[i]
						    ? '?'
						    : part.p[i]);
			add(r, S("\r\n"));
			line = str_from(line, part.n);
		} while (line.n > 0);
	}
}

static void
add_people_part(struct report *r, const struct dsn *d)
{
	add_delimiter(r, d, STR_NONE);
	add(r, S("Content-Type: text/plain; charset="));
	if (has_own_text(d) && d->own.charset.n > 0)
		add_word(r, d->own.charset);
	else
		add(r, is_8bit_for_people(d) ? S("utf-8") : S("us-ascii"));
	add(r, S("\r\n"));
	if (is_8bit_for_people(d))
		add(r, S("Content-Transfer-Encoding: 8bit\r\n"));
	add(r, S("Content-Description: Notification\r\n\r\n"));
	if (has_own_text(d)) {
		add_own_text(r, d->own.text);
	} else {
		add(r, words_of(d)->host);
		add_word(r, d->host);
		add(r, S(".\r\n\r\n"));
		add(r, words_of(d)->intro[kind_of(d)]);
	}
	for (size_t i = 0; i < d->n_rcpts; i++)
		add_rcpt_for_people(r, d, &d->rcpts[i]);
}

/* class.subject.detail of RFC 3463 2 with the class that the action allows */
static bool
is_status(struct str s, char class)
{
	struct str rest = s, number;
	uint64_t value;
	int n = 0;

	if (s.n < 2 || s.p[0] != class || s.p[1] != '.')
		return false;
	while (str_split(&rest, '.', &number)) {
		if (number.n > 3 || !str_to_u64(number, 999, &value))
			return false;
		n++;
	}
	return n == 3;
}

static void
add_rcpt_status(struct report *r, const struct dsn *d,
		const struct dsn_rcpt *rcpt)
{
	static const struct {
		struct str name, status;
	} actions[] = {
		[DSN_FAILED] = { STR_INIT("failed"), STR_INIT("5.0.0") },
		[DSN_DELAYED] = { STR_INIT("delayed"), STR_INIT("4.0.0") },
		[DSN_DELIVERED] = { STR_INIT("delivered"), STR_INIT("2.0.0") },
		[DSN_RELAYED] = { STR_INIT("relayed"), STR_INIT("2.0.0") },
		[DSN_EXPANDED] = { STR_INIT("expanded"), STR_INIT("2.0.0") },
	};
	struct str status = actions[rcpt->action].status;
	struct buf word = BUF_INIT(WORD_BUF_MAX);

	/* A message that gave up after retries failed for a passing reason:
	 * then 4.x.x is the truth (RFC 3464 2.3.4). */
	if (is_status(rcpt->status, status.p[0]) ||
	    (rcpt->action == DSN_FAILED && is_status(rcpt->status, '4')))
		status = rcpt->status;
	add(r, S("\r\n"));
	if (rcpt->original.n > 0) {
		add(r, S("Original-Recipient: "));
		add_typed(r, d->is_utf8, rcpt->original_type, rcpt->original);
	}
	add(r, S("Final-Recipient: "));
	add_typed(r, d->is_utf8, S("rfc822"),
		  format_address(&word, &rcpt->final));
	buf_release(&word);
	add(r, S("Action: "));
	add(r, actions[rcpt->action].name);
	add(r, S("\r\nStatus: "));
	add(r, status);
	add(r, S("\r\n"));
	if (rcpt->remote_mta.n > 0) {
		add(r, S("Remote-MTA: dns; "));
		add_word(r, rcpt->remote_mta);
		add(r, S("\r\n"));
	}
	if (rcpt->diagnostic.n > 0) {
		add(r, S("Diagnostic-Code: smtp; "));
		add_text(r, rcpt->diagnostic, TEXT_MAX);
		add(r, S("\r\n"));
	}
	add_date_field(r, d, S("Last-Attempt-Date: "), rcpt->last_attempt_at_s);
	if (rcpt->action == DSN_DELAYED)
		add_date_field(r, d, S("Will-Retry-Until: "),
			       rcpt->retry_until_s);
}

static void
add_status_part(struct report *r, const struct dsn *d)
{
	add_delimiter(r, d, STR_NONE);
	if (d->is_utf8)
		add(r, S("Content-Type: message/global-delivery-status\r\n"
			 "Content-Transfer-Encoding: 8bit\r\n"));
	else
		add(r, S("Content-Type: message/delivery-status\r\n"));
	add(r, S("Content-Description: Delivery report\r\n\r\n"
		 "Reporting-MTA: dns; "));
	add_word(r, d->host);
	add(r, S("\r\n"));
	if (d->envid.n > 0) {
		add(r, S("Original-Envelope-Id: "));
		add_text(r, d->envid, WORD_MAX);
		add(r, S("\r\n"));
	}
	add_date_field(r, d, S("Arrival-Date: "), d->arrived_at_s);
	for (size_t i = 0; i < d->n_rcpts; i++)
		add_rcpt_status(r, d, &d->rcpts[i]);
}

static void
add_original_part(struct report *r, const struct dsn *d, bool is_8bit)
{
	add_delimiter(r, d, STR_NONE);
	add(r, S("Content-Type: "));
	if (d->is_utf8)
		add(r, d->is_full ? S("message/global\r\n")
				  : S("message/global-headers\r\n"));
	else
		add(r, d->is_full ? S("message/rfc822\r\n")
				  : S("text/rfc822-headers\r\n"));
	add(r, S("Content-Description: Undelivered message\r\n"));
	if (is_8bit)
		add(r, S("Content-Transfer-Encoding: 8bit\r\n"));
	add(r, S("\r\n"));
	add(r, d->original);
	add_delimiter(r, d, S("--"));
}

enum err
dsn_format(struct buf *out, const struct dsn *d)
{
	struct report r = { out, OK };
	struct buf boundary = BUF_INIT(WORD_BUF_MAX);
	struct report b = { &boundary, OK };
	bool is_8bit = !utf8_is_ascii(d->original);
	bool has_8bit = is_8bit || d->is_utf8 || is_8bit_for_people(d);
	bool is_taken;

	check(!address_is_null(&d->to));
	check(d->n_rcpts > 0);
	check(d->token.n > 0 && d->token.n <= TOKEN_MAX);
	add_boundary(&b, d);
	check(b.e == OK);
	is_taken = str_find(d->original, buf_str(&boundary)) >= 0 ||
		   str_find(d->own.text, buf_str(&boundary)) >= 0;
	buf_release(&boundary);
	if (is_taken)
		return ERR_EXISTS;
	add_header(&r, d, has_8bit);
	add_people_part(&r, d);
	add_status_part(&r, d);
	add_original_part(&r, d, is_8bit);
	return r.e;
}
