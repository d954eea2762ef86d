/* SPDX-License-Identifier: MIT
 * router/map/posix_pattern.c - see posix_pattern.h.
 *
 * One pass. An atom is what a quantifier would repeat; where a second
 * quantifier follows ("a+?", "a{2}*"), which PCRE2 reads in its own way, the
 * atom with the first is put in (?:...). */
#include "router/map/posix_pattern.h"

enum { DEPTH_MAX = 200, REPEAT_MAX = 32767 }; // RE_DUP_MAX

enum token {
	LITERAL,
	OPEN,
	CLOSE,
	OR,
	STAR,
	PLUS,
	QUESTION,
	BRACE,
	BRACKET,
	DOT,
	CARET,
	DOLLAR,
	ESCAPE, // of GNU: \w and its kind, \1
};

struct translation {
	struct str in;
	size_t at;
	bool is_extended;
	struct buf *out;
	const char *why;
	size_t atom_at;		// in out; where the last atom begins
	bool has_atom;		// is there one to repeat?
	size_t n_repeats;	// quantifiers that it has already
	size_t open[DEPTH_MAX]; // in out: where groups begin
	size_t depth;
};

static enum err
refuse(struct translation *t, const char *why)
{
	t->why = why;
	return ERR_FORMAT;
}

static char
peek(const struct translation *t, size_t ahead)
{
	return t->at + ahead < t->in.n ? t->in.p[t->at + ahead] : '\0';
}

/* At the start of a basic expression or group '*' stands for itself. */
static bool
is_at_start(const struct translation *t)
{
	return !t->has_atom;
}

static enum token
extended_token(char c)
{
	static const struct {
		char c;
		enum token token;
	} tokens[] = {
		{ '(', OPEN },	{ ')', CLOSE },	  { '|', OR },
		{ '*', STAR },	{ '+', PLUS },	  { '?', QUESTION },
		{ '{', BRACE }, { '[', BRACKET }, { '.', DOT },
		{ '^', CARET }, { '$', DOLLAR },
	};

	for (size_t i = 0; i < sizeof(tokens) / sizeof(*tokens); i++)
		if (tokens[i].c == c)
			return tokens[i].token;
	return LITERAL;
}

/* The basic form means by \( what the extended one means by (. */
static bool
is_swapped(char c)
{
	return c != '\0' && strchr("(){|+?", c) != NULL;
}

/* In a basic expression '^' and '$' are anchors at the ends of it alone. */
static enum token
basic_token(const struct translation *t, char c)
{
	if (is_swapped(c) || c == '}')
		return LITERAL;
	if (c == '*' && is_at_start(t))
		return LITERAL;
	if (c == '^' && t->at > 1 &&
	    !(t->at >= 3 && t->in.p[t->at - 3] == '\\' &&
	      (t->in.p[t->at - 2] == '(' || t->in.p[t->at - 2] == '|')))
		return LITERAL;
	if (c == '$' && t->at < t->in.n &&
	    !(peek(t, 0) == '\\' && (peek(t, 1) == ')' || peek(t, 1) == '|')))
		return LITERAL;
	return extended_token(c);
}

/* Takes one token; *c_out is its octet (behind the backslash for escapes). */
static enum token
next_token(struct translation *t, char *c_out)
{
	char c = t->in.p[t->at++];

	*c_out = c;
	if (c != '\\')
		return t->is_extended ? extended_token(c) : basic_token(t, c);
	c = peek(t, 0);
	t->at++;
	*c_out = c;
	if (!t->is_extended && is_swapped(c))
		return extended_token(c);
	if (c != '\0' && strchr("wWsSbB<>`'123456789", c) != NULL)
		return ESCAPE;
	return LITERAL;
}

static enum err
begin_atom(struct translation *t)
{
	t->atom_at = t->out->n;
	t->has_atom = true;
	t->n_repeats = 0;
	return OK;
}

static enum err
put_literal(struct translation *t, char c)
{
	enum err e = begin_atom(t);

	if (e == OK && !ascii_is_alpha(c) && !ascii_is_digit(c) &&
	    ascii_is_print(c))
		e = buf_addc(t->out, '\\');
	return e == OK ? buf_addc(t->out, c) : e;
}

static enum err
put_escape(struct translation *t, char c)
{
	static const struct {
		char c;
		struct str text;
	} escapes[] = {
		{ 'w', STR_INIT("[[:alnum:]_]") },
		{ 'W', STR_INIT("[^[:alnum:]_]") },
		{ 's', STR_INIT("[[:space:]]") },
		{ 'S', STR_INIT("[^[:space:]]") },
		{ 'b', STR_INIT("\\b") },
		{ 'B', STR_INIT("\\B") },
		{ '<', STR_INIT("\\b(?=\\w)") },
		{ '>', STR_INIT("\\b(?<=\\w)") },
		{ '`', STR_INIT("\\A") },
		{ '\'', STR_INIT("\\z") },
	};
	enum err e = begin_atom(t);

	if (e != OK)
		return e;
	for (size_t i = 0; i < sizeof(escapes) / sizeof(*escapes); i++)
		if (escapes[i].c == c)
			return buf_add(t->out, escapes[i].text);
	return buf_addf(t->out, "(?:\\%c)", c);
}

/* Puts (?: before the last atom and ) behind it. */
static enum err
wrap_atom(struct translation *t)
{
	enum err e = buf_reserve(t->out, 4);
	char *p;

	if (e != OK)
		return e;
	p = t->out->p + t->atom_at;
	memmove(p + 3, p, t->out->n - t->atom_at);
	memcpy(p, "(?:", 3);
	t->out->n += 3;
	return buf_addc(t->out, ')');
}

static enum err
put_quantifier(struct translation *t, struct str text)
{
	enum err e = OK;

	if (!t->has_atom && t->is_extended)
		return refuse(t, "nothing stands before *, +, ? or {}");
	if (!t->has_atom)
		return buf_addf(t->out, "\\%c", text.p[0]);
	if (t->n_repeats == DEPTH_MAX)
		return ERR_LIMIT;
	if (t->n_repeats > 0)
		e = wrap_atom(t);
	if (e == OK)
		e = buf_add(t->out, text);
	t->n_repeats++;
	return e;
}

/* "3}", "3,}", "3,5}" behind the brace, with "\}" in a basic expression. */
static enum err
put_brace(struct translation *t)
{
	struct str rest = str_from(t->in, t->at), body, low;
	ptrdiff_t end = str_find(rest, t->is_extended ? S("}") : S("\\}"));
	uint64_t from = 0, to = 0;
	char text[32];
	bool has_comma;
	int n;

	if (!t->has_atom && t->is_extended)
		return refuse(t, "nothing stands before {}");
	if (t->is_extended && !ascii_is_digit(peek(t, 0)) && peek(t, 0) != ',')
		return put_literal(t, '{');
	if (end < 0)
		return refuse(t, "a '{' is not closed");
	body = str_first(rest, (size_t)end);
	has_comma = str_chr(body, ',') >= 0;
	str_split(&body, ',', &low);
	if ((low.n > 0 && !str_to_u64(low, REPEAT_MAX, &from)) ||
	    (low.n == 0 && !has_comma) ||
	    (body.n > 0 && !str_to_u64(body, REPEAT_MAX, &to)) ||
	    (body.n > 0 && to < from))
		return refuse(t, "the numbers in {} are not right");
	t->at += (size_t)end + (t->is_extended ? 1 : 2);
	if (body.n > 0)
		n = snprintf(text, sizeof(text), "{%u,%u}", (unsigned)from,
			     (unsigned)to);
	else
		n = snprintf(text, sizeof(text), has_comma ? "{%u,}" : "{%u}",
			     (unsigned)from);
	return put_quantifier(t, str_of(text, (size_t)n));
}

/* "[:alpha:]", "[.x.]", "[=x=]": the index behind it, or 0. */
static size_t
class_end(const struct translation *t, size_t at)
{
	char kind = at + 1 < t->in.n ? t->in.p[at + 1] : '\0';

	if (kind != ':' && kind != '.' && kind != '=')
		return 0;
	for (size_t i = at + 2; i + 1 < t->in.n; i++) {
		if (t->in.p[i] == kind && t->in.p[i + 1] == ']')
			return i + 2;
		/* A class goes to PCRE2 as it stands. */
		if (kind == ':' && !ascii_is_alpha(t->in.p[i]))
			return 0;
	}
	return 0;
}

/* An octet of a bracket expression: what PCRE2 would read in its own way is
 * escaped. */
static enum err
put_member(struct translation *t, char c)
{
	enum err e = OK;

	/* PCRE2 takes "[=b=]" for a collating element, even as a whole. */
	if (str_chr(S("\\[]^:.="), c) >= 0)
		e = buf_addc(t->out, '\\');
	return e == OK ? buf_addc(t->out, c) : e;
}

static enum err
put_bracket(struct translation *t)
{
	size_t first;
	enum err e = begin_atom(t);

	if (e == OK)
		e = buf_addc(t->out, '[');
	if (e == OK && peek(t, 0) == '^') {
		t->at++;
		e = buf_addc(t->out, '^');
	}
	for (first = t->at; e == OK; t->at++) {
		char c = peek(t, 0);
		size_t end = c == '[' ? class_end(t, t->at) : 0;

		if (t->at >= t->in.n)
			return refuse(t, "a '[' is not closed");
		if (c == '[' && end == 0 &&
		    str_chr(S(":.="), peek(t, 1)) >= 0 && t->at + 1 < t->in.n)
			return refuse(t, "no such [: :], [. .] or [= =]");
		if (c == ']' && t->at > first)
			break;
		if (end == 0) {
			e = put_member(t, c);
			continue;
		}
		if (peek(t, 1) == ':')
			e = buf_add(t->out, str_sub(t->in, t->at, end - t->at));
		else if (end - t->at == 5)
			e = put_member(t, peek(t, 2));
		else
			return refuse(t, "no such [. .] or [= =]");
		t->at = end - 1;
	}
	t->at++;
	return e == OK ? buf_addc(t->out, ']') : e;
}

static enum err
put_open(struct translation *t)
{
	if (t->depth == DEPTH_MAX)
		return ERR_LIMIT;
	t->open[t->depth++] = t->out->n;
	t->has_atom = false;
	return buf_addc(t->out, '(');
}

static enum err
put_close(struct translation *t)
{
	if (t->depth == 0 && t->is_extended)
		return put_literal(t, ')');
	if (t->depth == 0)
		return refuse(t, "a '\\)' too many");
	t->atom_at = t->open[--t->depth];
	t->has_atom = true;
	t->n_repeats = 0;
	return buf_addc(t->out, ')');
}

static enum err
put_token(struct translation *t)
{
	char c;
	enum token token = next_token(t, &c);

	switch (token) {
	case LITERAL:
		return put_literal(t, c);
	case ESCAPE:
		return put_escape(t, c);
	case OPEN:
		return put_open(t);
	case CLOSE:
		return put_close(t);
	case OR:
		t->has_atom = false;
		return buf_addc(t->out, '|');
	case STAR:
		return put_quantifier(t, S("*"));
	case PLUS:
		return put_quantifier(t, S("+"));
	case QUESTION:
		return put_quantifier(t, S("?"));
	case BRACE:
		return put_brace(t);
	case BRACKET:
		return put_bracket(t);
	case DOT:
		begin_atom(t);
		return buf_addc(t->out, '.');
	case CARET:
		/* Repeating an anchor would be refused by PCRE2. */
		t->has_atom = false;
		return buf_addc(t->out, '^');
	case DOLLAR:
		begin_atom(t);
		return buf_addc(t->out, '$');
	}
	return OK;
}

enum err
posix_translate(struct str pattern, bool is_extended, struct buf *out,
		const char **why_out)
{
	struct translation t = { .in = pattern,
				 .is_extended = is_extended,
				 .out = out };
	enum err e = OK;

	if (pattern.n > 0 && pattern.p[pattern.n - 1] == '\\') {
		size_t n = 0;

		while (n < pattern.n && pattern.p[pattern.n - 1 - n] == '\\')
			n++;
		if (n % 2 == 1)
			e = refuse(&t, "a backslash stands at the end");
	}
	while (e == OK && t.at < t.in.n)
		e = put_token(&t);
	if (e == OK && t.depth > 0)
		e = refuse(&t, "a '(' is not closed");
	*why_out = t.why;
	return e;
}
