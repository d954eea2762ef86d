/* SPDX-License-Identifier: MIT
 * lib/mail/mime_param.c - reads values with parameters (RFC 2045 5.1). */
#include "lib/mail/mime_param.h"

#include "lib/mail/decode.h"

struct scan {
	struct str in;
	size_t at;
};

static bool
at_end(const struct scan *s)
{
	return s->at >= s->in.n;
}

static bool
is_token_char(char c)
{
	return ascii_is_print(c) && strchr(" ()<>@,;:\\\"/[]?=", c) == NULL;
}

/* Behind the comment that begins here; nested by counting, not by recursion. */
static void
skip_comment(struct scan *s)
{
	size_t depth = 0;

	while (!at_end(s)) {
		char c = s->in.p[s->at++];

		if (c == '\\')
			s->at++;
		else if (c == '(')
			depth++;
		else if (c == ')' && --depth == 0)
			return;
	}
}

static void
skip_cfws(struct scan *s)
{
	while (!at_end(s)) {
		char c = s->in.p[s->at];

		if (c == '(')
			skip_comment(s);
		else if (ascii_is_space(c))
			s->at++;
		else
			return;
	}
}

static struct str
take_token(struct scan *s)
{
	size_t from = s->at;

	while (!at_end(s) && is_token_char(s->in.p[s->at]))
		s->at++;
	if (s->at == from)
		return STR_NONE;
	return str_sub(s->in, from, s->at - from);
}

static bool
take(struct scan *s, char c)
{
	skip_cfws(s);
	if (at_end(s) || s->in.p[s->at] != c)
		return false;
	s->at++;
	return true;
}

/* Without backslashes (if is_quoted) and line ends; borrows if there are none.
 * What the arena cannot hold becomes empty. */
static struct str
clean(struct arena *a, struct str raw, bool is_quoted)
{
	size_t n = 0;
	char *p;

	if (memchr(raw.p, '\r', raw.n) == NULL &&
	    memchr(raw.p, '\n', raw.n) == NULL &&
	    memchr(raw.p, '\0', raw.n) == NULL &&
	    (!is_quoted || memchr(raw.p, '\\', raw.n) == NULL))
		return raw;
	p = arena_alloc(a, raw.n);
	if (p == NULL)
		return S("");
	for (size_t i = 0; i < raw.n; i++) {
		if (is_quoted && raw.p[i] == '\\' && i + 1 < raw.n)
			i++;
		if (raw.p[i] != '\r' && raw.p[i] != '\n' && raw.p[i] != '\0')
			p[n++] = raw.p[i];
	}
	return str_of(p, n);
}

/* Behind the opening quote; takes the closing one. */
static struct str
take_quoted(struct arena *a, struct scan *s)
{
	size_t from = s->at, end;

	while (!at_end(s) && s->in.p[s->at] != '"')
		s->at += s->in.p[s->at] == '\\' ? 2 : 1;
	end = s->at < s->in.n ? s->at : s->in.n;
	s->at = end + 1;
	return clean(a, str_sub(s->in, from, end - from), true);
}

/* Until ";" or a comment behind a blank. Takes blanks and tspecials, which
 * mailers forget to quote: filename=a (b) c.txt loses its end, a(b).txt not. */
static struct str
take_unquoted(struct arena *a, struct scan *s)
{
	size_t from = s->at;

	while (!at_end(s) && s->in.p[s->at] != ';') {
		if (s->in.p[s->at] == '(' && s->at > from &&
		    ascii_is_space(s->in.p[s->at - 1]))
			break;
		s->at++;
	}
	return clean(a, str_trim(str_sub(s->in, from, s->at - from)), false);
}

/* Behind the next ";" outside of quotes and comments. */
static bool
next_param(struct scan *s)
{
	while (!at_end(s)) {
		char c = s->in.p[s->at];

		if (c == '(') {
			skip_comment(s);
			continue;
		}
		s->at++;
		if (c == ';')
			return true;
	}
	return false;
}

void
mime_value_parse(struct arena *a, struct str value, struct mime_value *out)
{
	struct scan s = { value, 0 };
	struct mime_param **last = &out->params;
	unsigned n = 0;

	*out = (struct mime_value) { STR_NONE, STR_NONE, NULL };
	skip_cfws(&s);
	out->type = take_token(&s);
	if (take(&s, '/')) {
		skip_cfws(&s);
		out->subtype = take_token(&s);
	}
	while (n < MIME_PARAMS_MAX && next_param(&s)) {
		struct mime_param *param;
		struct str name;

		skip_cfws(&s);
		name = take_token(&s);
		if (name.n == 0 || name.n > MIME_PARAM_NAME_MAX_OCTETS ||
		    !take(&s, '='))
			continue;
		param = arena_alloc(a, sizeof(*param));
		if (param == NULL)
			return;
		skip_cfws(&s);
		param->name = name;
		param->value = take(&s, '"') ? take_quoted(a, &s)
					     : take_unquoted(a, &s);
		*last = param;
		last = &param->next;
		n++;
	}
}

struct str
mime_param_get(const struct mime_param *params, struct str name)
{
	for (; params != NULL; params = params->next)
		if (str_ieq(params->name, name))
			return params->value;
	return STR_NONE;
}
