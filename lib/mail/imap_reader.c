/* SPDX-License-Identifier: MIT
 * lib/mail/imap_reader.c - tokens of IMAP command arguments. */
#include "lib/mail/imap_reader.h"

#include "lib/base/utf8.h"

void
imap_reader_init(struct imap_reader *r, struct str args, struct arena *arena)
{
	*r = (struct imap_reader) { .in = args, .arena = arena };
}

bool
imap_reader_fail(struct imap_reader *r, enum imap_fault fault, const char *text)
{
	if (r->fault == IMAP_FINE) {
		r->fault = fault;
		r->fault_text = text;
	}
	return false;
}

static bool
syntax(struct imap_reader *r, const char *text)
{
	return imap_reader_fail(r, IMAP_FAULT_SYNTAX, text);
}

bool
imap_is_atom_char(char c)
{
	return c > ' ' && c < 0x7f && strchr("(){%*\"\\]", c) == NULL;
}

bool
imap_is_astring_char(char c)
{
	return imap_is_atom_char(c) || c == ']';
}

static bool
is_list_char(char c)
{
	return imap_is_astring_char(c) || c == '%' || c == '*';
}

bool
imap_is_atom(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!imap_is_atom_char(s.p[i]))
			return false;
	return s.n > 0;
}

int
imap_reader_peek(const struct imap_reader *r)
{
	if (r->fault != IMAP_FINE || r->at >= r->in.n)
		return -1;
	return (unsigned char)r->in.p[r->at];
}

bool
imap_reader_is_done(const struct imap_reader *r)
{
	return r->fault == IMAP_FINE && r->at >= r->in.n;
}

bool
imap_reader_end(struct imap_reader *r)
{
	if (imap_reader_peek(r) >= 0)
		return syntax(r, "Unexpected argument at the end");
	return r->fault == IMAP_FINE;
}

bool
imap_reader_try(struct imap_reader *r, char c)
{
	if (imap_reader_peek(r) != (unsigned char)c)
		return false;
	r->at++;
	return true;
}

bool
imap_reader_space(struct imap_reader *r)
{
	return imap_reader_try(r, ' ') ||
	       syntax(r, "Missing space or argument");
}

bool
imap_reader_byte(struct imap_reader *r, char c)
{
	return imap_reader_try(r, c) || syntax(r, "Unexpected character");
}

/* The run of bytes of a class at the reader's place; takes nothing. */
static struct str
run_of(const struct imap_reader *r, bool (*is_in)(char))
{
	struct str rest = str_from(r->in, r->at);
	size_t n = 0;

	if (r->fault != IMAP_FINE)
		return STR_NONE;
	while (n < rest.n && is_in(rest.p[n]))
		n++;
	return str_first(rest, n);
}

static bool
read_run(struct imap_reader *r, bool (*is_in)(char), const char *missing,
	 struct str *out)
{
	*out = run_of(r, is_in);
	if (out->n == 0) {
		*out = STR_NONE;
		return syntax(r, missing);
	}
	r->at += out->n;
	return true;
}

bool
imap_reader_try_word(struct imap_reader *r, struct str word)
{
	if (!str_ieq(run_of(r, imap_is_atom_char), word))
		return false;
	r->at += word.n;
	return true;
}

bool
imap_reader_atom(struct imap_reader *r, struct str *out)
{
	return read_run(r, imap_is_atom_char, "Missing atom", out);
}

/* Index of the closing quote in rest, which begins behind the opening one;
 * counts the escapes. -1 when there is none before the line's end. */
static ptrdiff_t
closing_quote(struct str rest, size_t *n_escapes_out)
{
	size_t n_escapes = 0;

	for (size_t i = 0; i < rest.n; i++) {
		char c = rest.p[i];

		if (c == '"') {
			*n_escapes_out = n_escapes;
			return (ptrdiff_t)i;
		}
		if (c == '\r' || c == '\n' || c == '\0')
			return -1;
		if (c != '\\')
			continue;
		i++;
		n_escapes++;
		if (i == rest.n || (rest.p[i] != '"' && rest.p[i] != '\\'))
			return -1;
	}
	return -1;
}

static bool
unescape(struct imap_reader *r, struct str raw, struct str *out)
{
	char *p = arena_alloc(r->arena, raw.n);
	size_t n = 0;

	if (p == NULL)
		return imap_reader_fail(r, IMAP_FAULT_LIMIT,
					"Command is too large");
	for (size_t i = 0; i < raw.n; i++) {
		if (raw.p[i] == '\\')
			i++;
		p[n++] = raw.p[i];
	}
	*out = str_of(p, n);
	return true;
}

static bool
read_quoted(struct imap_reader *r, struct str *out)
{
	struct str rest = str_from(r->in, r->at + 1);
	size_t n_escapes = 0;
	ptrdiff_t n = closing_quote(rest, &n_escapes);

	if (n < 0)
		return syntax(r, "Malformed quoted string");
	struct str raw = str_first(rest, (size_t)n);

	if (!utf8_is_valid(raw))
		return syntax(r, "Quoted string is not UTF-8");
	r->at += raw.n + 2;
	if (n_escapes > 0)
		return unescape(r, raw, out);
	*out = raw;
	return true;
}

static bool
read_literal(struct imap_reader *r, struct str *out)
{
	bool is_binary = imap_reader_try(r, '~');
	struct str rest = str_from(r->in, r->at), digits;
	uint64_t n = 0;
	ptrdiff_t brace = str_chr(rest, '}');

	if (rest.n == 0 || rest.p[0] != '{' || brace < 0)
		return syntax(r, "Malformed literal");
	digits = str_sub(rest, 1, (size_t)brace - 1);
	if (str_ends(digits, S("+")))
		digits.n--;
	if (!str_to_u64(digits, UINT64_MAX, &n))
		return syntax(r, "Malformed literal size");
	rest = str_from(rest, (size_t)brace + 1);
	if (!str_starts(rest, S("\r\n")) || n > rest.n - 2)
		return syntax(r, "Literal ends early");
	*out = str_sub(rest, 2, (size_t)n);
	if (!is_binary && str_chr(*out, '\0') >= 0)
		return syntax(r, "NUL in literal");
	r->at += (size_t)brace + 3 + (size_t)n;
	return true;
}

bool
imap_reader_string(struct imap_reader *r, struct str *out)
{
	bool is_read;

	switch (imap_reader_peek(r)) {
	case '"':
		is_read = read_quoted(r, out);
		break;
	case '{':
	case '~':
		is_read = read_literal(r, out);
		break;
	default:
		is_read = syntax(r, "Missing string");
		break;
	}
	if (!is_read)
		*out = STR_NONE;
	return is_read;
}

/* A literal8 begins with "~", which is an atom char as well. */
static bool
is_string_next(const struct imap_reader *r)
{
	int c = imap_reader_peek(r);

	return c == '"' || c == '{' ||
	       (c == '~' && str_starts(str_from(r->in, r->at), S("~{")));
}

bool
imap_reader_astring(struct imap_reader *r, struct str *out)
{
	if (is_string_next(r))
		return imap_reader_string(r, out);
	return read_run(r, imap_is_astring_char, "Missing string", out);
}

bool
imap_reader_nstring(struct imap_reader *r, struct str *out)
{
	*out = STR_NONE;
	return imap_reader_try_word(r, S("NIL")) || imap_reader_string(r, out);
}

bool
imap_reader_list_mailbox(struct imap_reader *r, struct str *out)
{
	if (is_string_next(r))
		return imap_reader_string(r, out);
	return read_run(r, is_list_char, "Missing mailbox pattern", out);
}

bool
imap_reader_flag(struct imap_reader *r, struct str *out)
{
	size_t start = r->at;
	struct str name;

	*out = STR_NONE;
	if (imap_reader_try(r, '\\') && imap_reader_try(r, '*')) {
		*out = str_sub(r->in, start, 2);
		return true;
	}
	if (!read_run(r, imap_is_atom_char, "Missing flag", &name))
		return false;
	*out = str_sub(r->in, start, r->at - start);
	return true;
}

static bool
read_digits(struct imap_reader *r, uint64_t max, uint64_t *out)
{
	struct str digits = run_of(r, ascii_is_digit);

	*out = 0;
	if (!str_to_u64(digits, max, out))
		return syntax(r, digits.n ? "Number is too large"
					  : "Missing number");
	r->at += digits.n;
	return true;
}

bool
imap_reader_number(struct imap_reader *r, uint32_t *out)
{
	uint64_t n;
	bool is_read = read_digits(r, UINT32_MAX, &n);

	*out = (uint32_t)n;
	return is_read;
}

bool
imap_reader_nz_number(struct imap_reader *r, uint32_t *out)
{
	return imap_reader_number(r, out) &&
	       (*out != 0 || syntax(r, "Number must not be 0"));
}

bool
imap_reader_number64(struct imap_reader *r, uint64_t *out)
{
	return read_digits(r, INT64_MAX, out);
}

bool
imap_reader_open(struct imap_reader *r)
{
	if (!imap_reader_try(r, '('))
		return syntax(r, "Missing parenthesis");
	if (r->depth == IMAP_DEPTH_MAX)
		return imap_reader_fail(r, IMAP_FAULT_LIMIT,
					"Too many nested parentheses");
	r->depth++;
	return true;
}

bool
imap_reader_next(struct imap_reader *r, size_t n_before)
{
	if (imap_reader_try(r, ')')) {
		r->depth--;
		return false;
	}
	if (n_before > 0)
		return imap_reader_space(r);
	return r->fault == IMAP_FINE;
}
