/* SPDX-License-Identifier: MIT
 * lib/mail/bounce_template.c - reads files of bounce(5). */
#include "lib/mail/bounce_template.h"

#include "lib/base/utf8.h"
#include "lib/mail/cflines.h"

struct reading {
	struct str file, rest;
	uint32_t line; // of the one that was taken last
	struct diag *d;
};

static const struct str names[BOUNCE_TEMPLATES] = {
	[BOUNCE_FAILURE] = STR_INIT("failure_template"),
	[BOUNCE_DELAY] = STR_INIT("delay_template"),
	[BOUNCE_SUCCESS] = STR_INIT("success_template"),
	[BOUNCE_VERIFY] = STR_INIT("verify_template"),
};

static bool
next_line(struct reading *r, struct str *line)
{
	if (r->rest.n == 0 || !str_line(&r->rest, line))
		return false;
	r->line++;
	return true;
}

/* ---- headers ---- */

/* "Name: value", blanks before the colon allowed. */
static bool
cut_header(struct str line, struct str *name, struct str *value)
{
	ptrdiff_t colon = str_chr(line, ':');

	if (colon <= 0)
		return false;
	*name = str_rtrim(str_first(line, (size_t)colon));
	*value = cflines_trim(str_from(line, (size_t)colon + 1));
	for (size_t i = 0; i < name->n; i++)
		if (!ascii_is_print(name->p[i]) || name->p[i] == ' ')
			return false;
	return name->n > 0;
}

/* Why the value cannot stand in a header; NULL when it can. */
static const char *
why_no_value(struct str value)
{
	if (value.n == 0)
		return "has no value";
	if (value.n > BOUNCE_FIELD_MAX_OCTETS)
		return "is too long";
	for (size_t i = 0; i < value.n; i++)
		if (!ascii_is_print(value.p[i]) && value.p[i] != '\t')
			return "has an octet that is not ASCII";
	return NULL;
}

static bool
is_charset(struct str value)
{
	for (size_t i = 0; i < value.n; i++)
		if (!ascii_is_alpha(value.p[i]) &&
		    !ascii_is_digit(value.p[i]) && value.p[i] != '-' &&
		    value.p[i] != '_' && value.p[i] != '.' && value.p[i] != ':')
			return false;
	return value.n > 0 && value.n <= 40;
}

static bool
take_header(struct reading *r, struct bounce_template *t, struct str name,
	    struct str value)
{
	const struct {
		struct str name;
		struct str *out;
	} known[] = {
		{ S("Charset"), &t->charset },
		{ S("From"), &t->from },
		{ S("Subject"), &t->subject },
		{ S("Postmaster-Subject"), &t->copy_subject },
	};
	const char *why = why_no_value(value);

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (!str_ieq(name, known[i].name))
			continue;
		if (why == NULL && i == 0 && !is_charset(value))
			why = "is no name of a character set";
		if (why != NULL)
			diag_warn(r->d, r->file, r->line,
				  "%.*s %s; this template is not used",
				  STR(known[i].name), why);
		*known[i].out = value;
		return why == NULL;
	}
	diag_warn(r->d, r->file, r->line,
		  "%.*s is not a header of a template: Charset, From, Subject "
		  "or Postmaster-Subject; it has no effect",
		  STR(str_first(name, 100)));
	return true;
}

/* ---- templates ---- */

/* Up to and with the line that is the mark. False: it never comes. */
static bool
find_end(struct reading *r, struct str mark, struct str *text_out)
{
	struct str begin = r->rest, line;

	while (next_line(r, &line))
		if (str_eq(line, mark)) {
			*text_out =
				str_first(begin, (size_t)(line.p - begin.p));
			return true;
		}
	return false;
}

static void
read_template(struct reading *r, enum bounce_template_kind kind,
	      struct str mark, struct bounce_template *out)
{
	struct bounce_template t = { .is_set = true };
	struct str all, line, name, value;
	struct reading inner = *r;
	uint32_t first = r->line;

	if (!find_end(r, mark, &all)) {
		diag_warn(r->d, r->file, first,
			  "no line \"%.*s\" ends this template; it is not used",
			  STR(str_first(mark, 100)));
		return;
	}
	inner.rest = t.text = all;
	t.line = first + 1;
	while (next_line(&inner, &line) && cut_header(line, &name, &value)) {
		if (!take_header(&inner, &t, name, value))
			t.is_set = false;
		t.text = inner.rest;
		t.line = inner.line + 1;
	}
	if (t.text.n > 0 && cflines_trim(line).n == 0) {
		t.text = inner.rest;
		t.line = inner.line + 1;
	}
	if (cflines_trim(t.text).n == 0) {
		diag_warn(r->d, r->file, first,
			  "%.*s has no text; it is not used", STR(names[kind]));
		t.is_set = false;
	}
	if (!utf8_is_ascii(t.text) &&
	    (t.charset.n == 0 || str_ieq(t.charset, S("us-ascii")))) {
		diag_warn(r->d, r->file, t.line,
			  "the text is not ASCII; write \"Charset: utf-8\" "
			  "above it; this template is not used");
		t.is_set = false;
	}
	if (t.is_set)
		*out = t;
}

/* "name = <<MARK" */
static bool
cut_start(struct str line, struct str *name, struct str *mark)
{
	ptrdiff_t equals = str_chr(line, '=');

	if (equals < 0)
		return false;
	*name = cflines_trim(str_first(line, (size_t)equals));
	*mark = cflines_trim(str_from(line, (size_t)equals + 1));
	if (!str_starts(*mark, S("<<")))
		return false;
	*mark = cflines_trim(str_from(*mark, 2));
	return mark->n > 0;
}

void
bounce_templates_parse(struct str file, struct str bytes,
		       struct bounce_template out[BOUNCE_TEMPLATES],
		       struct diag *d)
{
	struct reading r = { .file = file, .rest = bytes, .d = d };
	struct str line, name, mark;

	for (size_t i = 0; i < BOUNCE_TEMPLATES; i++)
		out[i] = (struct bounce_template) { 0 };
	while (next_line(&r, &line)) {
		size_t kind = 0;

		line = cflines_trim(line);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		if (!cut_start(line, &name, &mark)) {
			diag_warn(d, file, r.line,
				  "expected \"failure_template = <<EOF\"; the "
				  "line has no effect");
			continue;
		}
		while (kind < BOUNCE_TEMPLATES && !str_eq(name, names[kind]))
			kind++;
		if (kind < BOUNCE_TEMPLATES) {
			read_template(&r, (enum bounce_template_kind)kind, mark,
				      &out[kind]);
			continue;
		}
		diag_warn(d, file, r.line, "%.*s is not a template",
			  STR(str_first(name, 100)));
		if (!find_end(&r, mark, &line))
			return;
	}
}
