/* SPDX-License-Identifier: MIT
 * mta/out/commands.c - EHLO's keywords; MAIL, RCPT and AUTH lines.
 *
 * Invariant: whatever a job holds, a line has CR and LF at its end alone, and
 * nothing of an address leaves the angle brackets. */
#include "mta/out/commands.h"

#include "lib/base/check.h"
#include "lib/base/utf8.h"
#include "lib/ipc/envelope.h"
#include "lib/mail/address.h"
#include "lib/mail/xtext.h"

enum { ADDRESS_ARENA_OCTETS = 4096, XID_MAX_OCTETS = 64 };

/* "MAILMAX=20 RCPTMAX=100 ..."; what is no number from 1 on is not told. */
static void
read_limits(struct str words, struct offers *out)
{
	struct str word;

	while (str_word(&words, &word)) {
		struct str value = word, name;
		uint64_t n;

		str_split(&value, '=', &name);
		if (value.p == NULL || !str_to_u64(value, UINT32_MAX, &n))
			continue;
		if (str_ieq(name, S("RCPTMAX")))
			out->rcpt_max = n;
		else if (str_ieq(name, S("MAILMAX")))
			out->mail_max = n;
	}
}

void
offers_read(const struct smtp_reply *reply, struct offers *out)
{
	struct str args;

	*out = (struct offers) { .is_extended = true };
	out->has_pipelining = smtp_reply_keyword(reply, S("PIPELINING"), &args);
	out->has_chunking = smtp_reply_keyword(reply, S("CHUNKING"), &args);
	out->has_binary = smtp_reply_keyword(reply, S("BINARYMIME"), &args);
	out->has_8bit = smtp_reply_keyword(reply, S("8BITMIME"), &args);
	out->has_utf8 = smtp_reply_keyword(reply, S("SMTPUTF8"), &args);
	out->has_dsn = smtp_reply_keyword(reply, S("DSN"), &args);
	out->has_starttls = smtp_reply_keyword(reply, S("STARTTLS"), &args);
	out->has_own = smtp_reply_keyword(reply, S("XESTAFETA"), &args);
	if (smtp_reply_keyword(reply, S("AUTH"), &args))
		out->logins = login_offers(args);
	if (smtp_reply_keyword(reply, S("LIMITS"), &args))
		read_limits(args, out);
	out->has_size = smtp_reply_keyword(reply, S("SIZE"), &args);
	if (out->has_size &&
	    !str_to_u64(args, UINT64_MAX, &out->size_max_octets))
		out->size_max_octets = 0;
}

bool
command_needs_utf8(const struct out_job *job)
{
	if (job->is_smtputf8 || !utf8_is_ascii(job->sender))
		return true;
	for (size_t i = 0; i < job->n_rcpts; i++)
		if (!utf8_is_ascii(job->rcpts[i].address))
			return true;
	return false;
}

/* A client that declares SMTPUTF8 for all its mail must not lose that to
 * servers without it: what counts is the header. One that is not at hand has
 * to be believed. */
bool
command_needs_utf8_for_all(const struct out_job *job)
{
	ptrdiff_t end = str_find(job->content, S("\r\n\r\n"));
	struct str header =
		end < 0 ? job->content : str_first(job->content, (size_t)end);

	return !utf8_is_ascii(job->sender) ||
	       (job->is_smtputf8 &&
		(!job->has_content || !utf8_is_ascii(header)));
}

static bool
has_control(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return true;
	return false;
}

/* text is user@domain, the local part with its quotes or without. */
static bool
put_path(struct buf *out, struct str text)
{
	struct arena arena = ARENA_INIT(ADDRESS_ARENA_OCTETS);
	const unsigned flags =
		ADDRESS_ALLOW_POSTMASTER | ADDRESS_UTF8 | ADDRESS_LONG_LOCAL;
	struct address a;
	ptrdiff_t at = str_rchr(text, '@');
	bool ok = !has_control(text);

	if (ok && address_parse(text, flags, &a, &arena) != ADDRESS_OK) {
		a.local = str_first(text, at < 0 ? 0 : (size_t)at);
		a.domain = str_from(text, at < 0 ? 0 : (size_t)at + 1);
		ok = a.local.n > 0 && utf8_is_valid(a.local) &&
		     (address_is_domain(a.domain, ADDRESS_UTF8) ||
		      address_is_literal(a.domain));
	}
	ok = ok && address_format(out, &a) == OK;
	arena_release(&arena);
	return ok;
}

static bool
is_xid(struct str id)
{
	if (id.n == 0 || id.n > XID_MAX_OCTETS)
		return false;
	for (size_t i = 0; i < id.n; i++)
		if (!ascii_is_alpha(id.p[i]) && !ascii_is_digit(id.p[i]) &&
		    str_chr(S("-_."), id.p[i]) < 0)
			return false;
	return true;
}

static void
put_xtext(struct buf *out, const char *keyword, struct str value)
{
	size_t before = out->n;

	buf_putf(out, " %s=", keyword);
	if (xtext_encode(out, value) != OK)
		buf_truncate(out, before); // a wish, never worth the mail
}

static void
put_mail_dsn(struct buf *out, const struct out_job *job)
{
	if (job->ret == RET_FULL)
		buf_put(out, S(" RET=FULL"));
	else if (job->ret == RET_HDRS)
		buf_put(out, S(" RET=HDRS"));
	if (job->envid.n > 0)
		put_xtext(out, "ENVID", job->envid);
}

bool
command_mail(struct buf *out, const struct out_job *job,
	     const struct offers *offers)
{
	size_t before = out->n;

	buf_put(out, S("MAIL FROM:<"));
	if (job->sender.n > 0 && !put_path(out, job->sender)) {
		buf_truncate(out, before);
		return false;
	}
	buf_putc(out, '>');
	if (offers->has_size)
		buf_putf(out, " SIZE=%llu",
			 (unsigned long long)job->size_octets);
	if (offers->has_binary && job->is_binary)
		buf_put(out, S(" BODY=BINARYMIME"));
	else if (offers->has_8bit && job->is_8bit)
		buf_put(out, S(" BODY=8BITMIME"));
	if (offers->has_utf8 && command_needs_utf8(job))
		buf_put(out, S(" SMTPUTF8"));
	if (offers->has_dsn)
		put_mail_dsn(out, job);
	if (offers->has_own && is_xid(job->id)) {
		buf_putf(out, " XID=%.*s", STR(job->id));
		/* Other hosts cannot guess the ids of their peers. */
		if (job->protocol == OUT_SMTP)
			buf_putf(out, ".%016llx",
				 (unsigned long long)job->secret);
		if (job->is_repeat)
			buf_put(out, S(" XTRY=1"));
	}
	buf_put(out, S("\r\n"));
	return true;
}

/* A type in front of ';' is kept: "rfc822;joe@example.org". */
static void
put_orcpt(struct buf *out, struct str orcpt)
{
	ptrdiff_t semicolon = str_chr(orcpt, ';');
	struct str type =
		str_first(orcpt, semicolon < 0 ? 0 : (size_t)semicolon);
	size_t before = out->n;
	bool has_type = type.n > 0;

	for (size_t i = 0; i < type.n; i++)
		has_type = has_type &&
			   (ascii_is_alpha(type.p[i]) ||
			    ascii_is_digit(type.p[i]) || type.p[i] == '-');
	if (!has_type)
		type = S("rfc822");
	buf_putf(out, " ORCPT=%.*s;", STR(type));
	if (xtext_encode(out, has_type ? str_from(orcpt, type.n + 1) : orcpt) !=
	    OK)
		buf_truncate(out, before);
}

static void
put_notify(struct buf *out, unsigned notify)
{
	static const struct {
		unsigned bit;
		struct str word;
	} words[] = {
		{ NOTIFY_SUCCESS, STR_INIT("SUCCESS") },
		{ NOTIFY_FAILURE, STR_INIT("FAILURE") },
		{ NOTIFY_DELAY, STR_INIT("DELAY") },
	};
	char separator = '=';

	buf_put(out, S(" NOTIFY"));
	if (notify & NOTIFY_NEVER) {
		buf_put(out, S("=NEVER"));
		return;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (!(notify & words[i].bit))
			continue;
		buf_putc(out, separator);
		buf_put(out, words[i].word);
		separator = ',';
	}
}

/* What cannot be written is left out: it is for the reader's eyes alone. */
static void
put_original(struct buf *out, struct str original)
{
	size_t before = out->n;

	buf_put(out, S(" XORIG="));
	if (xtext_encode(out, original) != OK)
		buf_truncate(out, before);
}

bool
command_rcpt(struct buf *out, const struct out_rcpt *rcpt,
	     const struct offers *offers)
{
	size_t before = out->n;

	buf_put(out, S("RCPT TO:<"));
	if (!put_path(out, rcpt->address)) {
		buf_truncate(out, before);
		return false;
	}
	buf_putc(out, '>');
	if (offers->has_dsn && (rcpt->notify & NOTIFY_BITS_ALL) != 0)
		put_notify(out, rcpt->notify);
	if (offers->has_dsn && rcpt->orcpt.n > 0)
		put_orcpt(out, rcpt->orcpt);
	if (offers->has_own)
		buf_putf(out, " XID=%u", (unsigned)rcpt->index);
	if (offers->has_own && rcpt->original.n > 0)
		put_original(out, rcpt->original);
	buf_put(out, S("\r\n"));
	return true;
}
