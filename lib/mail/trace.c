/* SPDX-License-Identifier: MIT
 * lib/mail/trace.c - words put on lines, folded before the word too many. */
#include "lib/mail/trace.h"

#include "lib/base/check.h"

/* One less than the header promises: ";" may follow the last word. */
enum { LINE_MAX_COLUMNS = 76, TAB_COLUMNS = 8 };

/* A field being written: errors are kept, so that words need no checks. */
struct field {
	struct buf *out;
	size_t column;
	enum err e;
};

static void
add_raw(struct field *f, struct str s)
{
	if (f->e == OK)
		f->e = buf_add(f->out, s);
	f->column += s.n;
}

static void
begin(struct field *f, struct buf *out, struct str name)
{
	*f = (struct field) { out, 0, OK };
	add_raw(f, name);
}

/* A blank, or a fold when the word would pass the line's end. */
static void
add_word(struct field *f, struct str word)
{
	if (f->column + 1 + word.n > LINE_MAX_COLUMNS) {
		add_raw(f, S("\r\n"));
		f->column = 0;
		add_raw(f, S("\t"));
		f->column = TAB_COLUMNS;
	} else {
		add_raw(f, S(" "));
	}
	add_raw(f, word);
}

static enum err
end(struct field *f)
{
	add_raw(f, S("\r\n"));
	return f->e;
}

/* Names, addresses and ids: what such a word can honestly hold. */
static bool
is_word_char(char c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) ||
	       (c != 0 && strchr(".-_:[]", c) != NULL);
}

static enum err
add_clean(struct buf *out, struct str s)
{
	enum err e = OK;

	for (size_t i = 0; i < s.n && e == OK; i++)
		e = buf_addc(out, is_word_char(s.p[i]) ? s.p[i] : '?');
	return e;
}

/* before + clean(foreign) + after as one word */
static void
add_foreign(struct field *f, struct str before, struct str foreign,
	    struct str after)
{
	struct buf word = BUF_INIT(2048);
	enum err e = buf_add(&word, before);

	if (e == OK)
		e = add_clean(&word, foreign);
	if (e == OK)
		e = buf_add(&word, after);
	if (e == OK)
		add_word(f, buf_str(&word));
	else
		f->e = e;
	buf_release(&word);
}

/* The address in its SMTP form, which is one word; it holds no controls. */
static enum err
add_address(struct buf *out, const struct address *addr)
{
	size_t at = out->n;
	enum err e = address_format(out, addr);

	for (; e == OK && at < out->n; at++)
		if ((unsigned char)out->p[at] < ' ' || out->p[at] == 0x7f)
			out->p[at] = '?';
	return e;
}

static struct str
trace_protocol(const struct trace *t)
{
	/* RFC 3848 for ESMTP and LMTP, RFC 6531 4.3 for the UTF8 row; the
	 * columns are: nothing, A, S, SA. */
	static const struct str names[4][4] = {
		{ STR_INIT("ESMTP"), STR_INIT("ESMTPA"), STR_INIT("ESMTPS"),
		  STR_INIT("ESMTPSA") },
		{ STR_INIT("LMTP"), STR_INIT("LMTPA"), STR_INIT("LMTPS"),
		  STR_INIT("LMTPSA") },
		{ STR_INIT("UTF8SMTP"), STR_INIT("UTF8SMTPA"),
		  STR_INIT("UTF8SMTPS"), STR_INIT("UTF8SMTPSA") },
		{ STR_INIT("UTF8LMTP"), STR_INIT("UTF8LMTPA"),
		  STR_INIT("UTF8LMTPS"), STR_INIT("UTF8LMTPSA") },
	};

	if (!t->is_extended && !t->is_lmtp)
		return S("SMTP");
	return names[t->is_utf8 * 2 + t->is_lmtp][t->is_tls * 2 + t->is_auth];
}

/* "(name [192.0.2.1])", the TCP-info of RFC 5321 4.4 */
static void
add_peer(struct field *f, const struct trace *t)
{
	bool is_v6 = str_chr(t->peer_address, ':') >= 0;

	if (t->peer_address.n == 0)
		return;
	if (t->peer_name.n > 0)
		add_foreign(f, S("("), t->peer_name, STR_NONE);
	else
		add_word(f, S("(unknown"));
	add_foreign(f, is_v6 ? S("[IPv6:") : S("["), t->peer_address, S("])"));
}

static void
add_rcpt(struct field *f, const struct address *rcpt)
{
	struct buf word = BUF_INIT(2048);
	enum err e = buf_add(&word, S("<"));

	if (e == OK)
		e = add_address(&word, rcpt);
	if (e == OK)
		e = buf_add(&word, S(">"));
	if (e == OK) {
		add_word(f, S("for"));
		add_word(f, buf_str(&word));
	} else {
		f->e = e;
	}
	buf_release(&word);
}

static void
add_tls(struct field *f, struct str tls)
{
	struct str rest = str_trim(tls), word;
	struct str before = S("(");

	while (str_word(&rest, &word)) {
		add_foreign(f, before, word, rest.n > 0 ? STR_NONE : S(")"));
		before = STR_NONE;
	}
}

enum err
trace_received(struct buf *out, const struct trace *t)
{
	struct buf word = BUF_INIT(100);
	struct field f;

	begin(&f, out, S("Received: from"));
	add_foreign(&f, STR_NONE, t->helo.n > 0 ? t->helo : S("unknown"),
		    STR_NONE);
	add_peer(&f, t);
	add_word(&f, S("by"));
	add_foreign(&f, STR_NONE, t->by, STR_NONE);
	add_word(&f, S("with"));
	add_word(&f, trace_protocol(t));
	if (t->is_tls)
		add_tls(&f, t->tls);
	if (t->id.n > 0) {
		add_word(&f, S("id"));
		add_foreign(&f, STR_NONE, t->id, STR_NONE);
	}
	if (t->single_rcpt != NULL)
		add_rcpt(&f, t->single_rcpt);
	/* The last word stands already: only now does it get its ";". */
	add_raw(&f, S(";"));
	if (date_format_rfc5322(&word, t->unix_seconds,
				t->utc_offset_minutes) != OK)
		f.e = ERR_LIMIT;
	add_word(&f, buf_str(&word)); // in one piece, for people
	buf_release(&word);
	return end(&f);
}

enum err
trace_message_id(struct buf *out, struct str token, struct str host)
{
	enum err e = buf_addc(out, '<');

	if (e == OK)
		e = add_clean(out, token);
	if (e == OK)
		e = buf_addc(out, '@');
	if (e == OK)
		e = add_clean(out, host);
	return e == OK ? buf_addc(out, '>') : e;
}

/* ---- dates ---- */

enum { DAY_S = 86400, HOUR_S = 3600, MINUTE_S = 60, DAY_MINUTES = 1440 };

/* 1900-01-01 00:00:00 and 9999-12-31 23:59:59 */
static const int64_t FIRST_S = -2208988800, LAST_S = 253402300799;

static bool
is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t
days_before_year(int64_t year)
{
	int64_t y = year - 1;

	return y * 365 + y / 4 - y / 100 + y / 400;
}

enum err
date_format_rfc5322(struct buf *out, int64_t unix_seconds,
		    int utc_offset_minutes)
{
	static const char days[][4] = { "Mon", "Tue", "Wed", "Thu",
					"Fri", "Sat", "Sun" };
	static const struct {
		char name[4];
		int n_days;
	} months[] = {
		{ "Jan", 31 }, { "Feb", 28 }, { "Mar", 31 }, { "Apr", 30 },
		{ "May", 31 }, { "Jun", 30 }, { "Jul", 31 }, { "Aug", 31 },
		{ "Sep", 30 }, { "Oct", 31 }, { "Nov", 30 }, { "Dec", 31 },
	};
	int offset = utc_offset_minutes;
	int64_t local, day, year, left;
	int second, month = 0;

	check(offset > -DAY_MINUTES && offset < DAY_MINUTES);
	if (unix_seconds < FIRST_S)
		unix_seconds = FIRST_S;
	if (unix_seconds > LAST_S)
		unix_seconds = LAST_S;
	local = unix_seconds + (int64_t)offset * MINUTE_S;
	if (local < FIRST_S)
		local = FIRST_S;
	if (local > LAST_S)
		local = LAST_S;
	local -= FIRST_S;
	day = local / DAY_S; // since 1 January 1900, a Monday
	second = (int)(local % DAY_S);

	left = day + days_before_year(1900);
	year = left / 366 + 1; // never past it, at most 21 years short
	while (days_before_year(year + 1) <= left)
		year++;
	left -= days_before_year(year);
	while (left >= months[month].n_days + (month == 1 && is_leap(year))) {
		left -= months[month].n_days + (month == 1 && is_leap(year));
		month++;
	}
	return buf_addf(out, "%s, %02d %s %04d %02d:%02d:%02d %c%02d%02d",
			days[day % 7], (int)left + 1, months[month].name,
			(int)year, second / HOUR_S, second / MINUTE_S % 60,
			second % 60, offset < 0 ? '-' : '+', abs(offset) / 60,
			abs(offset) % 60);
}
