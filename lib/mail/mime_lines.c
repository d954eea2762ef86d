/* SPDX-License-Identifier: MIT
 * lib/mail/mime_lines.c - fields and lines of a message, while it comes in.
 *
 * Standards: RFC 2045 5, RFC 2046 5; where they leave a choice, the reading of
 * header_checks(5).
 * Invariants:
 *  (1) The octets of all lines, one behind the other, are the message.
 *  (2) However the message is cut into pieces, the lines are the same, but for
 *      lines and fields that are longer than the limits.
 *  (3) A line is given only when the place after it is known.
 */
#include "lib/mail/mime_lines.h"

#include "lib/mail/header.h"
#include "lib/mail/mime_param.h"

enum place { IN_HEADER, IN_PART_HEADER, IN_NESTED_HEADER, IN_BODY };
enum type { TYPE_OTHER, TYPE_MULTIPART, TYPE_MESSAGE };

enum { TYPE_MEMORY_OCTETS = 256 * 1024 };

void
mime_lines_init(struct mime_lines *m)
{
	*m = (struct mime_lines) { .place = IN_HEADER };
	buf_init(&m->boundaries, MIME_LINES_BOUNDARIES_MAX_OCTETS);
}

void
mime_lines_release(struct mime_lines *m)
{
	buf_release(&m->boundaries);
}

/* ---- what a field says ---- */

bool
mime_lines_is_mime(struct str name)
{
	static const struct str names[] = {
		STR_INIT("Content-Type"),
		STR_INIT("Content-Transfer-Encoding"),
		STR_INIT("Content-Disposition"),
		STR_INIT("Content-Description"),
		STR_INIT("Content-ID"),
		STR_INIT("MIME-Version"),
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (str_ieq(name, names[i]))
			return true;
	return false;
}

static void
open_boundary(struct mime_lines *m, struct str boundary, bool is_digest)
{
	if (m->n_open == MIME_LINES_DEPTH_MAX ||
	    buf_add(&m->boundaries, boundary) != OK) {
		m->is_too_deep = true;
		return;
	}
	m->open[m->n_open++] = (struct mime_boundary) {
		(uint32_t)(m->boundaries.n - boundary.n),
		(uint32_t)boundary.n,
		is_digest,
	};
}

static void
take_type(struct mime_lines *m, struct str value)
{
	struct arena memory = ARENA_INIT(TYPE_MEMORY_OCTETS);
	struct mime_value v;
	bool is_digest;

	mime_value_parse(&memory, value, &v);
	m->type = TYPE_OTHER;
	if (str_ieq(v.type, S("message")) && (str_ieq(v.subtype, S("rfc822")) ||
					      str_ieq(v.subtype, S("global"))))
		m->type = TYPE_MESSAGE;
	if (str_ieq(v.type, S("multipart"))) {
		m->type = TYPE_MULTIPART;
		is_digest = str_ieq(v.subtype, S("digest"));
		for (struct mime_param *p = v.params; p != NULL; p = p->next)
			if (str_ieq(p->name, S("boundary")) && p->value.n > 0)
				open_boundary(m, p->value, is_digest);
	}
	arena_release(&memory);
}

/* Octets of a field's name and what stands before its colon; 0: no field. */
static size_t
name_length(struct str line, struct str *name_out)
{
	size_t n = 0, behind;

	while (n < line.n && line.p[n] != ':' && line.p[n] != ' ' &&
	       line.p[n] != '\t' && (unsigned char)line.p[n] > 0x1f &&
	       line.p[n] != 0x7f)
		n++;
	behind = n;
	while (behind < line.n &&
	       (line.p[behind] == ' ' || line.p[behind] == '\t'))
		behind++;
	if (n == 0 || behind == line.n || line.p[behind] != ':')
		return 0;
	*name_out = str_first(line, n);
	return behind + 1;
}

static enum mime_line_kind
take_field(struct mime_lines *m, struct str text)
{
	struct str name;
	size_t n = name_length(text, &name);

	if (str_ieq(name, S("Content-Type")))
		take_type(m, str_from(text, n));
	if (mime_lines_is_mime(name) || m->place == IN_PART_HEADER)
		return MIME_LINE_MIME;
	return m->place == IN_HEADER ? MIME_LINE_HEADER : MIME_LINE_NESTED;
}

/* ---- places ---- */

static void
begin_header(struct mime_lines *m, enum place place, bool is_digest)
{
	m->place = (unsigned char)place;
	m->type = is_digest ? TYPE_MESSAGE : TYPE_OTHER;
}

static void
end_header(struct mime_lines *m)
{
	m->body_octets = 0;
	if (m->type == TYPE_MESSAGE)
		begin_header(m, IN_NESTED_HEADER, false);
	else
		m->place = IN_BODY;
}

static void
close_to(struct mime_lines *m, unsigned n_open)
{
	buf_truncate(&m->boundaries,
		     n_open == 0
			     ? 0
			     : m->open[n_open - 1].at + m->open[n_open - 1].n);
	m->n_open = (unsigned char)n_open;
}

/* The innermost multipart whose boundary the line has ends those in it. */
static void
look_for_boundary(struct mime_lines *m, struct str line)
{
	if (!str_starts(line, S("--")))
		return;
	for (unsigned i = m->n_open; i-- > 0;) {
		const struct mime_boundary *b = &m->open[i];
		struct str rest = str_from(line, 2);
		bool is_digest = b->is_digest;

		if (!str_starts(rest,
				str_sub(buf_str(&m->boundaries), b->at, b->n)))
			continue;
		m->body_octets = 0;
		rest = str_from(rest, b->n);
		if (str_starts(rest, S("--"))) {
			close_to(m, i);
			m->place = IN_BODY;
			m->type = TYPE_OTHER;
		} else {
			close_to(m, i + 1);
			begin_header(m, IN_PART_HEADER, is_digest);
		}
		return;
	}
}

/* ---- lines ---- */

/* Octets of the line at the start of in, with its end; n_text without. 0: the
 * line's end is not there yet. */
static size_t
line_length(struct str in, bool is_end, size_t most, size_t *n_text)
{
	struct str look = str_first(in, most);
	size_t at = 0;

	while (at < look.n) {
		ptrdiff_t cr = str_chr(str_from(look, at), '\r');

		if (cr < 0)
			break;
		at += (size_t)cr;
		if (at + 1 < in.n && in.p[at + 1] == '\n') {
			*n_text = at;
			return at + 2;
		}
		at++;
	}
	*n_text = look.n;
	if (look.n < in.n || is_end)
		return look.n;
	/* A CR at the very end may belong to the line's end. */
	if (look.n == most && look.p[look.n - 1] != '\r')
		return look.n;
	return 0;
}

static bool
next_body(struct mime_lines *m, struct str in, bool is_end,
	  struct mime_line *out)
{
	size_t n_text, n = line_length(in, is_end, MIME_LINES_LINE_MAX_OCTETS,
				       &n_text);

	if (n == 0)
		return false;
	out->kind = MIME_LINE_BODY;
	out->octets = str_first(in, n);
	out->text = str_first(in, n_text);
	if (!m->is_in_piece)
		look_for_boundary(m, out->text);
	out->at = m->body_octets;
	m->body_octets += n_text + (n > n_text);
	m->is_in_piece = n == n_text;
	return true;
}

/* Octets of the field at the start of in with its continuation lines; 0: its
 * end is not there yet, and the last of its lines begins at *from. */
static size_t
field_length(struct str in, bool is_end, size_t *from, size_t *n_text)
{
	size_t at = *from;

	for (;;) {
		size_t n_line,
			n = line_length(str_from(in, at), is_end,
					MIME_LINES_FIELD_MAX_OCTETS, &n_line);

		*from = at;
		if (n == 0 && in.n < MIME_LINES_FIELD_MAX_OCTETS)
			return 0;
		if (n == 0)
			return *n_text = in.n;
		*n_text = at + n_line;
		at += n;
		if (at >= MIME_LINES_FIELD_MAX_OCTETS || n == n_line)
			return at;
		if (at == in.n && !is_end)
			return 0;
		if (at == in.n || (in.p[at] != ' ' && in.p[at] != '\t'))
			return at;
	}
}

/* What follows a field that was cut: blanks at the start of a line go on. */
static bool
next_rest(struct mime_lines *m, struct str in, bool is_end,
	  struct mime_line *out)
{
	size_t n_text, n;

	if (!m->is_in_piece && in.p[0] != ' ' && in.p[0] != '\t') {
		m->is_in_field = false;
		return mime_lines_next(m, in, is_end, out);
	}
	n = line_length(in, is_end, MIME_LINES_LINE_MAX_OCTETS, &n_text);
	if (n == 0)
		return false;
	out->kind = MIME_LINE_OTHER;
	out->octets = str_first(in, n);
	out->text = str_first(in, n_text);
	m->is_in_piece = n == n_text;
	return true;
}

static bool
next_field(struct mime_lines *m, struct str in, bool is_end,
	   struct mime_line *out)
{
	struct str line, name;
	size_t n_text, n = line_length(in, is_end, MIME_LINES_FIELD_MAX_OCTETS,
				       &n_text);

	if (n == 0)
		return false;
	line = str_first(in, n_text);
	if (line.n == 0 && n > 0) {
		out->kind = MIME_LINE_OTHER;
		out->octets = str_first(in, n);
		out->text = line;
		end_header(m);
		m->body_octets = 1; // the empty line
		return true;
	}
	if (name_length(line, &name) == 0) {
		end_header(m);
		m->place = IN_BODY;
		return next_body(m, in, is_end, out);
	}
	n = field_length(in, is_end, &m->field_at, &n_text);
	if (n == 0)
		return false;
	m->field_at = 0;
	out->octets = str_first(in, n);
	out->text = str_first(in, n_text);
	out->kind = take_field(m, out->text);
	m->is_in_field = n >= MIME_LINES_FIELD_MAX_OCTETS || n == n_text;
	m->is_in_piece = n == n_text;
	return true;
}

bool
mime_lines_next(struct mime_lines *m, struct str in, bool is_end,
		struct mime_line *out)
{
	*out = (struct mime_line) { .kind = MIME_LINE_OTHER };
	if (in.n == 0)
		return false;
	if (m->place == IN_BODY)
		return next_body(m, in, is_end, out);
	if (m->is_in_field)
		return next_rest(m, in, is_end, out);
	return next_field(m, in, is_end, out);
}

void
mime_lines_skip_header(struct mime_lines *m, struct str header)
{
	struct header_iter it;
	struct header_field f;

	header_iter_init(&it, header);
	while (header_next(&it, &f))
		if (str_ieq(f.name, S("Content-Type")))
			take_type(m, f.value);
	end_header(m);
	if (str_eq(header, S("\r\n")) || str_ends(header, S("\r\n\r\n")))
		m->body_octets = 1; // the empty line
}

bool
mime_lines_is_plain(const struct mime_lines *m)
{
	return m->place == IN_BODY && m->n_open == 0;
}

bool
mime_lines_is_below(const struct mime_lines *m)
{
	return m->place != IN_HEADER;
}
