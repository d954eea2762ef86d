/* SPDX-License-Identifier: MIT
 * lib/mail/acme.c - a reader of JSON that looks for objects of this shape,
 * wherever they stand, names of members in either case:
 *
 *   { "domain": { "main": "a.test", "sans": [ "b.test" ] },
 *     "certificate": "base64", "key": "base64" }
 *
 * Linear; recursion ends at DEPTH_MAX. */
#include "lib/mail/acme.h"

enum { DEPTH_MAX = 16 };

struct reading {
	struct str rest;
	const struct str *names;
	size_t n_names;
	size_t best; // index of the name that was found; n_names: none yet
	struct acme_found found;
};

/* What an object has told of itself so far. */
struct object {
	size_t name;
	struct str certificate, key;
};

static bool read_value(struct reading *r, int depth, size_t *name);

static void
skip_space(struct reading *r)
{
	r->rest = str_ltrim(r->rest);
}

static bool
take(struct reading *r, char c)
{
	skip_space(r);
	if (r->rest.n == 0 || r->rest.p[0] != c)
		return false;
	r->rest = str_from(r->rest, 1);
	return true;
}

/* As written, escapes and all: what we look for needs none. */
static bool
read_string(struct reading *r, struct str *out)
{
	if (!take(r, '"'))
		return false;
	for (size_t i = 0; i < r->rest.n; i++) {
		if (r->rest.p[i] == '"') {
			*out = str_first(r->rest, i);
			r->rest = str_from(r->rest, i + 1);
			return true;
		}
		if (r->rest.p[i] == '\\')
			i++;
	}
	return false;
}

static bool
skip_word(struct reading *r)
{
	size_t n = 0;

	while (n < r->rest.n &&
	       (ascii_is_alpha(r->rest.p[n]) || ascii_is_digit(r->rest.p[n]) ||
		str_chr(S("+-."), r->rest.p[n]) >= 0))
		n++;
	r->rest = str_from(r->rest, n);
	return n > 0;
}

/* The better of what is known and this name; the first names are best. */
static void
note_name(const struct reading *r, struct str text, size_t *name)
{
	struct str bare = str_starts(text, S("*.")) ? str_from(text, 2) : text;

	for (size_t i = 0; i < *name; i++)
		if (str_ieq(r->names[i], text) || str_ieq(r->names[i], bare))
			*name = i;
}

static bool
read_array(struct reading *r, int depth, size_t *name)
{
	if (take(r, ']'))
		return true;
	do {
		if (!read_value(r, depth, name))
			return false;
	} while (take(r, ','));
	return take(r, ']');
}

static void
note_object(struct reading *r, const struct object *o)
{
	if (o->name >= r->best || o->certificate.n == 0 || o->key.n == 0)
		return;
	r->best = o->name;
	r->found = (struct acme_found) { o->certificate, o->key };
}

static bool
read_member(struct reading *r, int depth, struct object *o, size_t *name)
{
	size_t ignored = 0;
	struct str key, text;

	if (!read_string(r, &key) || !take(r, ':'))
		return false;
	skip_space(r);
	if (r->rest.n > 0 && r->rest.p[0] == '"') {
		if (!read_string(r, &text))
			return false;
		if (str_ieq(key, S("certificate")))
			o->certificate = text;
		if (str_ieq(key, S("key")))
			o->key = text;
		if (str_ieq(key, S("main")))
			note_name(r, text, name);
		return true;
	}
	if (str_ieq(key, S("domain")))
		return read_value(r, depth, &o->name);
	return read_value(r, depth, str_ieq(key, S("sans")) ? name : &ignored);
}

static bool
read_object(struct reading *r, int depth, size_t *name)
{
	struct object o = { .name = r->n_names };

	if (take(r, '}'))
		return true;
	do {
		if (!read_member(r, depth, &o, name))
			return false;
	} while (take(r, ','));
	note_object(r, &o);
	return take(r, '}');
}

/* *name takes the names of strings: those of "domain" and its "sans". */
static bool
read_value(struct reading *r, int depth, size_t *name)
{
	struct str text;

	if (depth >= DEPTH_MAX)
		return false;
	if (take(r, '{'))
		return read_object(r, depth + 1, name);
	if (take(r, '['))
		return read_array(r, depth + 1, name);
	if (r->rest.n > 0 && r->rest.p[0] == '"') {
		if (!read_string(r, &text))
			return false;
		note_name(r, text, name);
		return true;
	}
	return skip_word(r);
}

bool
acme_find(struct str json, const struct str *names, size_t n_names,
	  struct acme_found *out)
{
	struct reading r = { .rest = json,
			     .names = names,
			     .n_names = n_names,
			     .best = n_names };
	size_t ignored = 0;

	*out = (struct acme_found) { STR_NONE, STR_NONE };
	if (!read_value(&r, 0, &ignored))
		return false;
	skip_space(&r);
	if (r.rest.n > 0 || r.best == n_names)
		return false;
	*out = r.found;
	return true;
}
