/* SPDX-License-Identifier: MIT
 * router/map/config_aliases.c - aliases(5): what ":include:" names, and what is
 * not done here. */
#include "router/map/config_private.h"

enum {
	INCLUDE_DEPTH_MAX = 8,
	INCLUDE_FILES_MAX = 100,
	INCLUDED_MAX_OCTETS = 1 << 20,
};

/* An alias whose ":include:" files are being read. */
struct including {
	struct loading *l;
	const struct table *t;
	const struct table_entry *entry;
	struct buf *out;
	unsigned n_files;
};

static enum err
include_value(struct including *in, struct str value, unsigned depth);

/* Takes a member of a value: up to a comma outside double quotes. */
static bool
next_member(struct str *rest, struct str *out)
{
	bool is_quoted = false;
	size_t n = 0;

	while (rest->n > 0 && (rest->p[0] == ',' || ascii_is_space(rest->p[0])))
		*rest = str_from(*rest, 1);
	for (; n < rest->n && (is_quoted || rest->p[n] != ','); n++)
		is_quoted ^= rest->p[n] == '"';
	*out = str_rtrim(str_first(*rest, n));
	*rest = str_from(*rest, n);
	return n > 0;
}

static enum err
include_file(struct including *in, struct str path, unsigned depth)
{
	struct str file, bytes, line;
	enum err e = OK;

	if (depth > INCLUDE_DEPTH_MAX || ++in->n_files > INCLUDE_FILES_MAX) {
		diag_error(in->l->d, in->t->file, in->entry->line,
			   "the files that \"%.*s\" includes lead back to "
			   "themselves, or are too many",
			   STR(in->entry->key));
		return OK;
	}
	e = config_read_for_table(in->l, path, &file, &bytes);
	while (e == OK && str_line(&bytes, &line)) {
		line = str_trim(line);
		if (line.n > 0 && line.p[0] != '#')
			e = include_value(in, line, depth);
	}
	return e;
}

/* Writes the addresses of value, and of what it includes, to in->out. */
static enum err
include_value(struct including *in, struct str value, unsigned depth)
{
	struct str member;
	enum err e = OK;

	while (e == OK && next_member(&value, &member)) {
		if (str_istarts(member, S(":include:"))) {
			e = include_file(in, str_from(member, 9), depth + 1);
			continue;
		}
		if (in->out->n > 0)
			e = buf_add(in->out, S(", "));
		if (e == OK)
			e = buf_add(in->out, member);
	}
	return e;
}

/* Puts what is included in its place, and tells of what is not done here. */
static enum err
finish_alias(struct loading *l, const struct table *t,
	     struct table_entry *entry)
{
	struct buf out = BUF_INIT(INCLUDED_MAX_OCTETS);
	struct including in = { l, t, entry, &out, 0 };
	struct str rest = entry->value, member;
	enum err e = OK;

	if (str_ifind(entry->value, S(":include:")) >= 0) {
		e = include_value(&in, entry->value, 0);
		if (e == OK)
			e = arena_str(&l->c->arena, buf_str(&out),
				      &entry->value);
	}
	while (e == OK && next_member(&rest, &member))
		if (str_starts(member, S("|")) || str_starts(member, S("/")) ||
		    str_starts(member, S("\"|")))
			diag_warn(l->d, t->file, entry->line,
				  "commands and files get no mail here: what "
				  "comes for \"%.*s\" is put off; write "
				  "addresses, or :include:/file",
				  STR(entry->key));
	buf_release(&out);
	return e;
}

enum err
config_finish_aliases(struct loading *l)
{
	enum err e = OK;
	struct str key;
	void *value;

	for (size_t i = 0; i < l->c->aliases.n; i++) {
		const struct table *t = &l->c->aliases.list[i];

		for (size_t at = 0;
		     e == OK && map_next(&t->entries, &at, &key, &value);)
			e = finish_alias(l, t, value);
	}
	return e;
}
