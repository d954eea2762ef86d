/* SPDX-License-Identifier: MIT
 * lib/mail/smtp_data.c - the scan over message content.
 *
 * Invariants:
 *  (1) Bytes leave in runs: [run, at) of the input is content not yet stored.
 *      A run ends where a dot is taken away, at the end, and with the input.
 *  (2) Only what may still turn out to be no content is held back: the "." and
 *      the CR behind it at the beginning of a line.
 *  (3) Work per line is two memchr; per byte, one pass in vectors over runs.
 */
#include "lib/mail/smtp_data.h"

enum place {
	AT_LINE_START, // behind CRLF, or at the beginning
	IN_LINE,
	BEHIND_CR,     // in a line, its last byte is CR
	BEHIND_DOT,    // the line is "." so far; the dot is held back
	BEHIND_DOT_CR, // the line is "." CR so far; both are held back
	AT_END,
};

void
smtp_data_init(struct smtp_data *d, enum smtp_data_mode mode,
	       uint64_t max_octets)
{
	*d = (struct smtp_data) { .mode = mode,
				  .max_octets = max_octets,
				  .at = AT_LINE_START,
				  .ends_with_crlf = true };
}

/* ---- bytes that are content ---- */

typedef unsigned char vector __attribute__((vector_size(16)));

static bool
is_any_set(vector v)
{
	uint64_t half[2];

	memcpy(half, &v, sizeof(half));
	return (half[0] | half[1]) != 0;
}

static void
scan_bytes(struct smtp_data *d, struct str run)
{
	vector all = { 0 }, zeros = { 0 }, v;
	size_t i = 0;

	for (; run.n - i >= sizeof(v); i += sizeof(v)) {
		memcpy(&v, run.p + i, sizeof(v));
		all |= v;
		zeros |= (vector)(v == 0);
	}
	for (; i < run.n; i++) {
		all[0] |= (unsigned char)run.p[i];
		zeros[0] |= run.p[i] == 0;
	}
	if (is_any_set(zeros))
		d->has_nul = true;
	if (is_any_set(all & 0x80))
		d->has_8bit = true;
}

static void
store(struct smtp_data *d, struct str run, struct buf *out)
{
	if (run.n == 0)
		return;
	scan_bytes(d, run);
	d->size_octets += run.n;
	if (d->size_octets > d->max_octets)
		d->is_too_big = true;
	if (!d->is_too_big && buf_add(out, run) != OK)
		d->is_too_big = true;
}

/* ---- the header ---- */

/* The beginning of a header line is kept in d->name, because a line may come
 * in pieces. part continues the line. */
static void
keep_name(struct smtp_data *d, struct str part)
{
	size_t n = SMTP_DATA_NAME_MAX - d->name_n;

	if (d->has_body || n == 0 || part.n == 0)
		return;
	if (n > part.n)
		n = part.n;
	memcpy(d->name + d->name_n, part.p, n);
	d->name_n = (unsigned char)(d->name_n + n);
}

static bool
is_field(const struct smtp_data *d, struct str name)
{
	struct str line = { d->name, d->name_n };

	if (!str_istarts(line, name))
		return false;
	line = str_from(line, name.n);
	/* Blanks before the colon: RFC 5322 4.5 */
	while (line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t'))
		line = str_from(line, 1);
	return line.n > 0 && line.p[0] == ':';
}

static void
end_header_line(struct smtp_data *d)
{
	if (is_field(d, S("Received")))
		d->n_received++;
	else if (is_field(d, S("Date")))
		d->has_date = true;
	else if (is_field(d, S("Message-ID")))
		d->has_message_id = true;
	else if (is_field(d, S("From")))
		d->has_from = true;
	d->name_n = 0;
}

/* ---- lines ---- */

static void
measure_line(struct smtp_data *d)
{
	if (d->line_octets > d->longest_line_octets)
		d->longest_line_octets = d->line_octets;
}

/* behind_octets: size of the content up to and with this line's CRLF. */
static void
end_line(struct smtp_data *d, uint64_t behind_octets)
{
	measure_line(d);
	if (!d->has_body && d->line_octets == 0) {
		d->has_body = true;
		d->header_octets = behind_octets;
	} else if (!d->has_body) {
		end_header_line(d);
	}
	d->line_octets = 0;
	d->at = AT_LINE_START;
}

static void
add_to_line(struct smtp_data *d, struct str part)
{
	d->line_octets += part.n;
	keep_name(d, part);
}

static void
finish(struct smtp_data *d)
{
	d->ends_with_crlf = d->at == AT_LINE_START;
	if (!d->ends_with_crlf) {
		measure_line(d);
		if (!d->has_body)
			end_header_line(d);
	}
	if (!d->has_body)
		d->header_octets = d->size_octets;
	d->at = AT_END;
}

/* Takes what follows up to a CRLF's end or the end of in. Returns how far. */
static size_t
take_line(struct smtp_data *d, struct str in, size_t at, uint64_t before)
{
	for (;;) {
		struct str rest = str_from(in, at), part;
		ptrdiff_t cr = str_chr(rest, '\r');

		part = cr < 0 ? rest : str_first(rest, (size_t)cr);
		if (str_chr(part, '\n') >= 0)
			d->has_bare_lf = true;
		add_to_line(d, part);
		at += part.n;
		if (part.n > 0)
			d->at = IN_LINE;
		if (cr < 0)
			return at;
		at++;
		d->at = BEHIND_CR;
		if (at == in.n)
			return at;
		if (in.p[at] == '\n') {
			end_line(d, before + at + 1);
			return at + 1;
		}
		d->has_bare_cr = true;
		add_to_line(d, S("\r"));
	}
}

/* Behind a CR that ended the last piece. */
static size_t
take_behind_cr(struct smtp_data *d, struct str in, size_t at, uint64_t before)
{
	if (in.p[at] == '\n') {
		end_line(d, before + at + 1);
		return at + 1;
	}
	d->has_bare_cr = true;
	add_to_line(d, S("\r"));
	d->at = IN_LINE;
	return at;
}

/* One step of the dot's two places. What was held back and is content after
 * all goes out at once. */
static size_t
take_behind_dot(struct smtp_data *d, struct str in, size_t at, struct buf *out)
{
	if (d->at == BEHIND_DOT) {
		d->at = in.p[at] == '\r' ? BEHIND_DOT_CR : IN_LINE;
		return in.p[at] == '\r' ? at + 1 : at;
	}
	if (in.p[at] == '\n') {
		d->at = AT_LINE_START; // where the dot stood
		finish(d);
		return at + 1;
	}
	store(d, S("\r"), out);
	d->has_bare_cr = true;
	add_to_line(d, S("\r"));
	d->at = IN_LINE;
	return at;
}

enum smtp_data_result
smtp_data_feed(struct smtp_data *d, struct str in, size_t *consumed_out,
	       struct buf *out)
{
	size_t at = 0, run = 0;

	while (at < in.n && d->at != AT_END) {
		/* Content in front of in.p[0], were all of in content. */
		uint64_t before = d->size_octets - run;

		switch ((enum place)d->at) {
		case BEHIND_DOT:
		case BEHIND_DOT_CR:
			at = take_behind_dot(d, in, at, out);
			run = at;
			break;
		case BEHIND_CR:
			at = take_behind_cr(d, in, at, before);
			break;
		case AT_LINE_START:
			if (in.p[at] == '.' && d->mode == SMTP_DATA_DOTS) {
				store(d, str_sub(in, run, at - run), out);
				run = ++at;
				d->at = BEHIND_DOT;
				break;
			}
			/* fall through */
		default:
			at = take_line(d, in, at, before);
		}
	}
	*consumed_out = at;
	if (d->at == AT_END)
		return SMTP_DATA_END;
	store(d, str_sub(in, run, at - run), out);
	return SMTP_DATA_MORE;
}

void
smtp_data_finish(struct smtp_data *d)
{
	if (d->at == AT_END)
		return;
	if (d->at == BEHIND_CR) {
		d->has_bare_cr = true;
		add_to_line(d, S("\r"));
	}
	finish(d);
}

/* ---- the sender's side ---- */

enum stuff_place {
	STUFF_LINE_START = 0,
	STUFF_IN_LINE,
	STUFF_BEHIND_CR, // CRLF was written for it: its LF, if any, is void
};

/* Octets of s up to the first that is not plain: CR without LF, LF without CR,
 * a CR at the end (its LF may follow), and a CRLF that a dot follows or that
 * ends s: there a decision is due. Whole plain lines pass. */
static size_t
plain_run(struct str s, enum stuff_place *at)
{
	size_t n = 0;

	while (n < s.n) {
		struct str rest = str_from(s, n), part;
		ptrdiff_t cr = str_chr(rest, '\r'), lf;

		if (*at == STUFF_LINE_START && rest.p[0] == '.')
			return n;
		part = cr < 0 ? rest : str_first(rest, (size_t)cr);
		lf = str_chr(part, '\n');
		if (lf >= 0)
			part = str_first(part, (size_t)lf);
		n += part.n;
		if (part.n > 0)
			*at = STUFF_IN_LINE;
		if (cr < 0 || lf >= 0 || s.n - n < 2 || s.p[n + 1] != '\n')
			return n;
		n += 2;
		*at = STUFF_LINE_START;
	}
	return n;
}

enum err
smtp_data_stuff(struct buf *out, struct str chunk, struct smtp_stuff *s)
{
	enum stuff_place at = s->at;
	struct str rest = chunk;
	enum err e = OK;

	while (rest.n > 0 && e == OK) {
		size_t n;
		char c = rest.p[0];

		if (at == STUFF_BEHIND_CR) {
			if (c == '\r' || c == '\n')
				rest = str_from(rest, 1);
			if (c != '\r')
				at = STUFF_LINE_START;
			continue;
		}
		n = plain_run(rest, &at);
		e = buf_add(out, str_first(rest, n));
		rest = str_from(rest, n);
		if (rest.n == 0 || e != OK)
			break;
		c = rest.p[0];
		if (c == '.' && at == STUFF_LINE_START) {
			e = buf_add(out, S(".."));
			at = STUFF_IN_LINE;
		} else {
			e = buf_add(out, S("\r\n"));
			at = c == '\r' ? STUFF_BEHIND_CR : STUFF_LINE_START;
		}
		rest = str_from(rest, 1);
	}
	s->at = (unsigned char)at;
	return e;
}

enum err
smtp_data_stuff_end(struct buf *out, struct smtp_stuff *s)
{
	bool is_open = s->at == STUFF_IN_LINE;

	s->at = STUFF_LINE_START;
	return buf_add(out, is_open ? S("\r\n.\r\n") : S(".\r\n"));
}
