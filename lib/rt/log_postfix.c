/* SPDX-License-Identifier: MIT
 * lib/rt/log_postfix.c - see log_postfix.h. */
#include "lib/rt/log_postfix.h"

#include <inttypes.h>

enum { VALUE_MAX_OCTETS = 512, LINE_ROOM_OCTETS = 8 * VALUE_MAX_OCTETS };

struct line {
	struct buf *out;
	struct str head;
	int pid;
	const struct log_field *fields;
};

static const struct log_field *
find(const struct line *l, const char *key)
{
	const struct log_field *f = l->fields;

	while (f->kind != LOG_END && strcmp(f->key, key) != 0)
		f++;
	return f->kind == LOG_END ? NULL : f;
}

static struct str
text(const struct line *l, const char *key)
{
	const struct log_field *f = find(l, key);

	return f != NULL ? str_first(f->text, VALUE_MAX_OCTETS) : S("");
}

static int64_t
number(const struct line *l, const char *key)
{
	const struct log_field *f = find(l, key);

	return f != NULL ? f->number : 0;
}

/* Foreign bytes; blanks stay, for words that people read. */
static void
put_text(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		buf_putc(out, ascii_is_print(s.p[i]) ? s.p[i] : '?');
}

static void
put_address(struct buf *out, struct str address)
{
	buf_putc(out, '<');
	for (size_t i = 0; i < address.n; i++) {
		char c = address.p[i];

		buf_putc(out,
			 c == '<' || c == '>' || c == ' ' || !ascii_is_print(c)
				 ? '?'
				 : c);
	}
	buf_putc(out, '>');
}

/* The beginning of a line of one of Postfix's daemons; false: no room. */
static bool
begin(const struct line *l, const char *daemon)
{
	if (l->out->max - l->out->n < LINE_ROOM_OCTETS)
		return false;
	buf_put(l->out, l->head);
	buf_putf(l->out, "postfix/%s[%d]: ", daemon, l->pid);
	return true;
}

static void
put_accept(const struct line *l)
{
	struct str id = text(l, "id"), login = text(l, "login");

	if (begin(l, "smtpd")) {
		put_text(l->out, id);
		buf_put(l->out, S(": client=unknown["));
		put_text(l->out, text(l, "client"));
		buf_putc(l->out, ']');
		if (login.n > 0) {
			buf_put(l->out, S(", sasl_method=PLAIN, "
					  "sasl_username="));
			put_text(l->out, login);
		}
		buf_putc(l->out, '\n');
	}
	if (begin(l, "qmgr")) {
		put_text(l->out, id);
		buf_put(l->out, S(": "));
		buf_put(l->out, S("from="));
		put_address(l->out, text(l, "from"));
		buf_putf(l->out,
			 ", size=%" PRId64 ", nrcpt=%" PRId64
			 " (queue active)\n",
			 number(l, "size"), number(l, "rcpts"));
	}
}

static void
put_delivery(const struct line *l)
{
	struct str status = text(l, "status"), remote = text(l, "remote");
	double delay_s = (double)number(l, "delay_us") / 1e6;
	/* The mda is asked by LMTP and has no address. */
	bool is_remote = str_chr(remote, '[') >= 0 || remote.n == 0;

	if (!begin(l, is_remote ? "smtp" : "lmtp"))
		return;
	put_text(l->out, text(l, "id"));
	buf_put(l->out, S(": "));
	buf_put(l->out, S("to="));
	put_address(l->out, text(l, "to"));
	buf_put(l->out, S(", relay="));
	put_text(l->out, remote.n > 0 ? remote : S("none"));
	buf_putf(l->out, ", delay=%.2g, delays=0/0/0/%.2g, dsn=", delay_s,
		 delay_s);
	put_text(l->out, text(l, "dsn"));
	buf_put(l->out, S(", status="));
	put_text(l->out, str_eq(status, S("failed")) ? S("bounced") : status);
	buf_put(l->out, S(" ("));
	if (number(l, "code") != 0)
		buf_putf(l->out, "%" PRId64 " ", number(l, "code"));
	put_text(l->out, text(l, "text"));
	buf_put(l->out, S(")\n"));
}

static void
put_removed(const struct line *l)
{
	if (!begin(l, "qmgr"))
		return;
	put_text(l->out, text(l, "id"));
	buf_put(l->out, S(": removed\n"));
}

static void
put_reject(const struct line *l)
{
	if (!begin(l, "smtpd"))
		return;
	buf_put(l->out, S("NOQUEUE: reject: RCPT from unknown["));
	put_text(l->out, text(l, "client"));
	buf_putf(l->out, "]: %" PRId64 " ", number(l, "code"));
	put_text(l->out, text(l, "dsn"));
	buf_put(l->out, S(" "));
	put_address(l->out, text(l, "to"));
	buf_put(l->out, S(": "));
	put_text(l->out, text(l, "text"));
	buf_put(l->out, S("; "));
	buf_put(l->out, S("from="));
	put_address(l->out, text(l, "from"));
	buf_putc(l->out, ' ');
	buf_put(l->out, S("to="));
	put_address(l->out, text(l, "to"));
	buf_put(l->out, S(" proto=ESMTP\n"));
}

static void
put_login_failed(const struct line *l)
{
	if (!begin(l, "smtpd"))
		return;
	buf_put(l->out, S("warning: unknown["));
	put_text(l->out, text(l, "client"));
	buf_put(l->out, S("]: SASL LOGIN authentication failed: "));
	buf_put(l->out, S("sasl_username="));
	put_address(l->out, text(l, "user"));
	buf_putc(l->out, '\n');
}

static void
put_bounce(const struct line *l)
{
	if (!begin(l, "bounce"))
		return;
	put_text(l->out, text(l, "id"));
	buf_put(l->out, S(": sender non-delivery notification: "));
	put_text(l->out, text(l, "dsn"));
	buf_putc(l->out, '\n');
}

static void
put_other(const struct line *l, const char *who, enum log_level level,
	  const char *event)
{
	static const char *const words[] = { "error: ", "warning: ", "", "" };
	char daemon[48];

	snprintf(daemon, sizeof(daemon), "estafeta-%s", who);
	for (char *p = daemon; *p != '\0'; p++)
		if (*p == '/')
			*p = '-';
	if (!begin(l, daemon))
		return;
	buf_putf(l->out, "%s%s", words[level], event);
	for (const struct log_field *f = l->fields; f->kind != LOG_END; f++) {
		if (l->out->max - l->out->n < 2 * VALUE_MAX_OCTETS)
			break;
		buf_putf(l->out, " %s=", f->key);
		if (f->kind == LOG_NUMBER)
			buf_putf(l->out, "%" PRId64, f->number);
		else
			put_text(l->out, str_first(f->text, VALUE_MAX_OCTETS));
	}
	buf_putc(l->out, '\n');
}

void
log_put_postfix(struct buf *out, struct str head, const char *who, int pid,
		enum log_level level, const char *event,
		const struct log_field *fields)
{
	static const struct {
		const char *event, *who;
		void (*put)(const struct line *l);
	} known[] = {
		{ "smtp.accept", "mta/in", put_accept },
		{ "rcpt.reject", "mta/in", put_reject },
		{ "smtp.login-failed", "mta/in", put_login_failed },
		{ "delivery", "mta/queue", put_delivery },
		{ "message.done", "mta/queue", put_removed },
		{ "bounce", "mta/queue", put_bounce },
	};
	const struct line l = { out, head, pid, fields };

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strcmp(known[i].event, event) == 0 &&
		    strcmp(known[i].who, who) == 0) {
			known[i].put(&l);
			return;
		}
	put_other(&l, who, level, event);
}
