/* SPDX-License-Identifier: MIT
 * lib/mail/smtp_reply.c - lines of three digits, a separator and text. */
#include "lib/mail/smtp_reply.h"

#include "lib/base/check.h"

enum { CODE_OCTETS = 3, TEXT_AT = 4 };

void
smtp_reply_init(struct smtp_reply *r)
{
	*r = (struct smtp_reply) {
		.text = BUF_INIT(SMTP_REPLY_LINES_MAX *
				 (SMTP_REPLY_LINE_MAX + 1)),
		.line = BUF_INIT(SMTP_REPLY_LINE_MAX + sizeof("\r")),
	};
}

void
smtp_reply_release(struct smtp_reply *r)
{
	buf_release(&r->text);
	buf_release(&r->line);
}

void
smtp_reply_clear(struct smtp_reply *r)
{
	buf_clear(&r->text);
	buf_clear(&r->line);
	r->code = 0;
	r->n_lines = 0;
	r->enhanced[0] = 0;
	r->is_done = false;
}

/* ---- reading ---- */

/* Reply-code of RFC 5321 4.2: 2-5, 0-5, 0-9; 0 for anything else. */
static int
parse_code(struct str line)
{
	if (line.n < CODE_OCTETS)
		return 0;
	if (line.p[0] < '2' || line.p[0] > '5')
		return 0;
	if (line.p[1] < '0' || line.p[1] > '5' || !ascii_is_digit(line.p[2]))
		return 0;
	return (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 +
	       (line.p[2] - '0');
}

/* Octets of a status code (RFC 3463 2) at the start of text, ended by a blank
 * or the end; 0 when there is none. */
static size_t
status_octets(struct str text, char class)
{
	size_t n = 1;

	if (text.n == 0 || text.p[0] != class)
		return 0;
	for (int part = 0; part < 2; part++) {
		size_t digits = 0;

		if (n == text.n || text.p[n] != '.')
			return 0;
		n++;
		while (n < text.n && ascii_is_digit(text.p[n])) {
			n++;
			digits++;
		}
		if (digits == 0 || digits > 3)
			return 0;
	}
	return n == text.n || text.p[n] == ' ' ? n : 0;
}

static void
keep_enhanced(struct smtp_reply *r, struct str text)
{
	size_t n = status_octets(text, (char)('0' + r->code / 100));

	check(n < sizeof(r->enhanced));
	if (n > 0)
		memcpy(r->enhanced, text.p, n);
	r->enhanced[n] = 0;
}

static enum smtp_reply_result
take_line(struct smtp_reply *r, struct str line)
{
	int code = parse_code(line);
	struct str text = str_from(line, TEXT_AT);
	char separator = line.n > CODE_OCTETS ? line.p[CODE_OCTETS] : ' ';
	size_t text_at;

	if (code == 0 || (separator != ' ' && separator != '-'))
		return SMTP_REPLY_BAD;
	if (r->n_lines > 0 && code != r->code)
		return SMTP_REPLY_BAD;
	if (r->n_lines == SMTP_REPLY_LINES_MAX)
		return SMTP_REPLY_BAD;
	r->code = code;
	if (r->n_lines++ == 0)
		keep_enhanced(r, text);
	else
		buf_putc(&r->text, '\n');
	text_at = r->text.n;
	buf_put(&r->text, text);
	for (size_t i = text_at; i < r->text.n; i++)
		if ((unsigned char)r->text.p[i] < ' ' || r->text.p[i] == 0x7f)
			r->text.p[i] = '?';
	return separator == '-' ? SMTP_REPLY_MORE : SMTP_REPLY_DONE;
}

enum smtp_reply_result
smtp_reply_feed(struct smtp_reply *r, struct str in, size_t *consumed_out)
{
	struct str rest = in;
	enum smtp_reply_result result = SMTP_REPLY_MORE;

	check(!r->is_done);
	*consumed_out = in.n; // of what is bad, all
	while (rest.n > 0 && result == SMTP_REPLY_MORE) {
		ptrdiff_t lf = str_chr(rest, '\n');
		size_t n = lf < 0 ? rest.n : (size_t)lf;
		struct str line;

		if (buf_add(&r->line, str_first(rest, n)) != OK)
			return SMTP_REPLY_BAD;
		rest = str_from(rest, lf < 0 ? n : n + 1);
		line = buf_str(&r->line);
		if (lf >= 0 && str_ends(line, S("\r")))
			line.n--;
		/* A line's last byte may still be the CR of its end. */
		if (line.n > SMTP_REPLY_LINE_MAX + (lf < 0))
			return SMTP_REPLY_BAD;
		if (lf < 0)
			break;
		result = take_line(r, line);
		buf_clear(&r->line);
	}
	*consumed_out = in.n - rest.n;
	r->is_done = result == SMTP_REPLY_DONE;
	return result;
}

struct str
smtp_reply_text(const struct smtp_reply *r)
{
	return buf_str(&r->text);
}

struct str
smtp_reply_enhanced(const struct smtp_reply *r)
{
	return str_c(r->enhanced);
}

bool
smtp_reply_line(const struct smtp_reply *r, size_t *at, struct str *line_out)
{
	struct str rest;

	if (*at > r->text.n || r->n_lines == 0)
		return false;
	rest = str_from(buf_str(&r->text), *at);
	*line_out = rest;
	if (rest.n > 0)
		str_split(&rest, '\n', line_out);
	*at += line_out->n + 1;
	return true;
}

bool
smtp_reply_keyword(const struct smtp_reply *r, struct str keyword,
		   struct str *args_out)
{
	size_t at = 0;
	struct str line, word;

	if (!smtp_reply_line(r, &at, &line)) // the greeting
		return false;
	while (smtp_reply_line(r, &at, &line)) {
		if (!str_word(&line, &word) || !str_ieq(word, keyword))
			continue;
		*args_out = str_trim(line);
		return true;
	}
	return false;
}

/* ---- writing ---- */

static enum err
format_line(struct buf *out, int code, char separator, struct str enhanced,
	    struct str text)
{
	size_t start = out->n;
	enum err e;

	check(code >= 200 && code <= 599);
	e = buf_add_number(out, (uint64_t)code);
	if (e == OK)
		e = buf_addc(out, separator);
	if (e == OK && enhanced.n > 0)
		e = buf_add(out, enhanced);
	if (e == OK && enhanced.n > 0)
		e = buf_addc(out, ' ');
	for (size_t i = 0; i < text.n && e == OK; i++) {
		char c = text.p[i];
		size_t used = out->n - start + sizeof("\r\n") - 1;

		if (used + sizeof("\\xNN") - 1 > SMTP_REPLY_WRITE_MAX)
			break;
		if (ascii_is_print(c))
			e = buf_addc(out, c);
		else
			e = buf_addf(out, "\\x%02x", (unsigned char)c);
	}
	return e == OK ? buf_add(out, S("\r\n")) : e;
}

enum err
smtp_reply_format(struct buf *out, int code, struct str enhanced,
		  struct str text)
{
	return format_line(out, code, ' ', enhanced, text);
}

enum err
smtp_reply_format_lines(struct buf *out, int code, struct str enhanced,
			const struct str *lines, size_t n)
{
	enum err e = OK;

	check(n > 0);
	for (size_t i = 0; i < n && e == OK; i++)
		e = format_line(out, code, i + 1 < n ? '-' : ' ', enhanced,
				lines[i]);
	return e;
}

/* ---- footers ---- */

/* text begins behind a '$': the name, and how many octets belong to it. */
static size_t
footer_name_at(struct str text, struct str *name_out)
{
	bool is_braced = str_starts(text, S("{"));
	size_t n = is_braced, from = is_braced;

	while (n < text.n && (ascii_is_alpha(text.p[n]) || text.p[n] == '_'))
		n++;
	*name_out = str_sub(text, from, n - from);
	return n + (is_braced && n < text.n && text.p[n] == '}');
}

bool
smtp_footer_name(struct str *footer, struct str *name_out)
{
	ptrdiff_t dollar = str_chr(*footer, '$');

	if (dollar < 0)
		return false;
	*footer = str_from(*footer, (size_t)dollar + 1);
	*footer = str_from(*footer, footer_name_at(*footer, name_out));
	return true;
}

static enum err
add_value(struct buf *out, struct str name,
	  const struct smtp_footer_value *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(name, str_c(values[i].name)))
			return buf_fill(out, values[i].value);
	return OK;
}

/* One line of the footer, to the next "\n"; false at the end. */
static bool
next_footer_line(struct str *footer, struct str *line_out)
{
	ptrdiff_t end = str_find(*footer, S("\\n"));

	if (footer->p == NULL)
		return false;
	*line_out = end < 0 ? *footer : str_first(*footer, (size_t)end);
	*footer = end < 0 ? STR_NONE : str_from(*footer, (size_t)end + 2);
	return true;
}

/* As much as fits; the line that is made of it holds less. */
static void
add_expanded(struct buf *out, struct str line,
	     const struct smtp_footer_value *values, size_t n)
{
	enum err e = OK;

	while (e == OK) {
		ptrdiff_t dollar = str_chr(line, '$');
		size_t n_plain = dollar < 0 ? line.n : (size_t)dollar;
		struct str name;

		e = buf_fill(out, str_first(line, n_plain));
		if (!smtp_footer_name(&line, &name))
			break;
		if (e == OK)
			e = add_value(out, name, values, n);
	}
}

enum err
smtp_reply_format_footer(struct buf *out, int code, struct str enhanced,
			 struct str text, struct str footer,
			 const struct smtp_footer_value *values, size_t n)
{
	bool is_joined = str_starts(footer, S("\\c"));
	struct buf line = BUF_INIT(2 * SMTP_REPLY_LINE_MAX);
	struct str part;
	enum err e = buf_add(&line, str_first(text, SMTP_REPLY_LINE_MAX));

	if (is_joined) {
		footer = str_from(footer, 2);
		if (next_footer_line(&footer, &part))
			add_expanded(&line, part, values, n);
	}
	for (size_t i = 1; e == OK; i++) {
		bool has_more = i < SMTP_FOOTER_LINES_MAX &&
				next_footer_line(&footer, &part);

		e = format_line(out, code, has_more ? '-' : ' ', enhanced,
				buf_str(&line));
		if (!has_more)
			break;
		buf_clear(&line);
		add_expanded(&line, part, values, n);
	}
	buf_release(&line);
	return e;
}
