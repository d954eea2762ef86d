/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_reports.c - words of strangers in what we write: reports to
 * senders (S22, S27) and the fields of the trace (S19).
 *
 * Input: texts, each ended by 0xff: HELO, the peer's name, an address's local
 * part and domain, ORCPT, ENVID, the status, the remote host, its reply, and
 * the message that comes back. Oracle: a field of the trace is one field of
 * whole lines; a report has no line of theirs at its beginning, no control
 * octets and exactly the boundaries of its three parts; no bare CR or LF but
 * within the message that comes back. */
#include "lib/base/check.h"
#include "lib/mail/dsn.h"
#include "lib/mail/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 1 << 20, N_PARTS = 3 };

static struct str
next(struct str *rest)
{
	struct str text = S("");

	str_split(rest, (char)0xff, &text);
	return text.p ? text : S("");
}

/* Whole lines of text; those behind the first of a field begin with a blank. */
static void
check_lines(struct str text, bool is_field)
{
	bool is_first = true;

	while (text.n > 0) {
		ptrdiff_t lf = str_chr(text, '\n');
		struct str line;

		check(lf > 0 && text.p[lf - 1] == '\r');
		line = str_first(text, (size_t)lf - 1);
		text = str_from(text, (size_t)lf + 1);
		for (size_t i = 0; i < line.n; i++)
			check((uint8_t)line.p[i] >= ' ' || line.p[i] == '\t');
		check(!is_field || is_first || line.p[0] == ' ' ||
		      line.p[0] == '\t');
		check(!is_field || line.n > 0);
		is_first = false;
	}
}

static void
check_trace(struct str helo, struct str peer, const struct address *to)
{
	struct trace t = { .helo = helo,
			   .peer_name = peer,
			   .peer_address = S("192.0.2.1"),
			   .by = S("mta.example"),
			   .tls = helo.n % 2 ? peer : S(""),
			   .id = S("id"),
			   .single_rcpt = to,
			   .is_extended = true };
	struct buf out = BUF_INIT(MOST);

	if (trace_received(&out, &t) == OK) {
		check(str_starts(buf_str(&out), S("Received: ")));
		check_lines(buf_str(&out), true);
	}
	buf_release(&out);
}

static size_t
count(struct str text, struct str what)
{
	size_t n = 0;

	for (ptrdiff_t at = str_find(text, what); at >= 0;
	     at = str_find(text, what)) {
		text = str_from(text, (size_t)at + what.n);
		n++;
	}
	return n;
}

/* Where it is for the last time, or -1: words of theirs may be the same. */
static ptrdiff_t
find_last(struct str text, struct str what)
{
	ptrdiff_t at = -1, next = str_find(text, what);

	while (next >= 0) {
		at += next + 1;
		next = str_find(str_from(text, (size_t)at + 1), what);
	}
	return at;
}

static void
check_report(const struct dsn *d)
{
	struct buf out = BUF_INIT(MOST);
	struct str text;
	ptrdiff_t at;

	if (dsn_format(&out, d) != OK) {
		buf_release(&out);
		return;
	}
	text = buf_str(&out);
	check(str_starts(text, S("From: ")));
	check(count(text, S("\r\n--=_token")) == N_PARTS + 1);
	at = d->original.n ? find_last(text, d->original) : -1;
	/* What comes back keeps its octets; the rest is ours. */
	check(d->original.n == 0 || at >= 0);
	if (d->original.n > 8)
		check_lines(str_first(text, (size_t)at), false);
	buf_release(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_of(data, size);
	struct str helo = next(&rest), peer = next(&rest);
	struct address to = { next(&rest), next(&rest) };
	struct dsn_rcpt rcpt = {
		.final = to,
		.original_type = S("rfc822"),
		.original = next(&rest),
		.action = (enum dsn_action)(size % (DSN_EXPANDED + 1)),
	};
	struct dsn d = {
		.language = (enum dsn_language)(size % DSN_LANGUAGES),
		.host = S("mta.example"),
		.to = { S("sender"), S("example.org") },
		.token = S("token"),
		.envid = next(&rest),
		.rcpts = &rcpt,
		.n_rcpts = 1,
	};

	if (size > MOST / 16 || to.local.n == 0 || to.domain.n == 0)
		return 0;
	rcpt.status = next(&rest);
	rcpt.remote_mta = next(&rest);
	rcpt.diagnostic = next(&rest);
	rcpt.reason = rcpt.diagnostic;
	d.original = rest;
	d.is_full = size % 2;
	check_trace(helo, peer, &to);
	check_report(&d);
	return 0;
}
