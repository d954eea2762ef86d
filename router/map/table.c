/* SPDX-License-Identifier: MIT
 * router/map/table.c - see table.h. */
#include "router/map/table.h"

#include "lib/mail/cflines.h"

/* A lookup key longer than this matches nothing: addresses end at 320. */
enum { KEY_MAX_OCTETS = 1024 };

void
table_init_unavailable(struct table *t, struct str name, struct str file)
{
	*t = (struct table) { .name = name, .file = file, .entries = MAP_INIT };
}

void
table_release(struct table *t)
{
	map_release(&t->entries);
	t->is_available = false;
}

/* Cuts the key at the first white space outside quotes. */
static bool
split(struct str text, struct str *key_out, struct str *value_out)
{
	bool is_quoted = false;
	size_t i = 0;

	for (; i < text.n; i++) {
		if (text.p[i] == '\\')
			i++;
		else if (text.p[i] == '"')
			is_quoted = !is_quoted;
		else if (!is_quoted && cflines_is_space(text.p[i]))
			break;
	}
	*key_out = str_first(text, i);
	*value_out = cflines_trim(str_from(text, i));
	return !is_quoted;
}

/* The key itself when it has no capitals, else a copy in the arena. */
static enum err
lower(struct arena *arena, struct str key, struct str *out)
{
	size_t i = 0;
	char *p;

	while (i < key.n && ascii_lower(key.p[i]) == key.p[i])
		i++;
	*out = key;
	if (i == key.n)
		return OK;
	p = arena_alloc(arena, key.n);
	if (p == NULL)
		return ERR_LIMIT;
	for (i = 0; i < key.n; i++)
		p[i] = ascii_lower(key.p[i]);
	out->p = p;
	return OK;
}

struct loading {
	struct table *t;
	struct arena *arena;
	const struct table_options *options;
	struct diag *d;
};

static enum err
keep(struct loading *l, struct str key, struct str value, uint32_t line)
{
	struct table *t = l->t;
	const struct table_entry *first;
	struct table_entry *e;
	enum err r = lower(l->arena, key, &key);

	if (r != OK)
		return r;
	first = map_get(&t->entries, key);
	if (first != NULL) {
		diag_add(l->d,
			 l->options->is_strict ? DIAG_ERROR : DIAG_WARNING,
			 t->file, line,
			 "\"%.*s\" is in line %u already, which counts; remove "
			 "line %u or line %u (Postfix would defer all mail)",
			 STR(str_first(key, 200)), first->line, first->line,
			 line);
		if (l->options->is_strict)
			t->is_available = false;
		return OK;
	}
	e = arena_alloc(l->arena, sizeof(*e));
	if (e == NULL)
		return ERR_LIMIT;
	*e = (struct table_entry) { key, value, line };
	map_set(&t->entries, key, e);
	return OK;
}

static enum err
take_line(struct loading *l, const struct cfline *line)
{
	struct str file = l->t->file, key, value;

	if (line->is_orphan) {
		diag_warn(l->d, file, line->line,
			  "the line begins with a blank but continues nothing, "
			  "and is left out; remove the blank");
		return OK;
	}
	if (!split(line->text, &key, &value)) {
		diag_warn(l->d, file, line->line,
			  "a double quote is not closed; the line is left out");
		return OK;
	}
	if (value.n == 0 && !l->options->is_key_alone_ok) {
		diag_warn(l->d, file, line->line,
			  "no value behind \"%.*s\"; the line is left out; "
			  "write key, blank, value",
			  STR(str_first(key, 200)));
		return OK;
	}
	if (str_ends(key, S(":")))
		diag_warn(l->d, file, line->line,
			  "the key \"%.*s\" ends with ':'; this file has the "
			  "form key, blank, value, not that of an alias file",
			  STR(str_first(key, 200)));
	return keep(l, key, value, line->line);
}

enum err
table_load(struct table *t, struct arena *arena, struct str name,
	   struct str file, struct str bytes,
	   const struct table_options *options, struct diag *d)
{
	struct loading l = { t, arena, options, d };
	struct cflines lines;
	struct cfline line;
	enum err e = OK;

	table_init_unavailable(t, name, file);
	t->is_available = true;
	cflines_init(&lines, bytes, arena);
	while (e == OK) {
		e = cflines_next(&lines, &line);
		if (e == OK)
			e = take_line(&l, &line);
	}
	if (e == ERR_EOF)
		return OK;
	table_release(t);
	return e;
}

const struct table_entry *
table_get(const struct table *t, struct str key)
{
	char folded[KEY_MAX_OCTETS];

	if (!t->is_available || key.n > sizeof(folded))
		return NULL;
	for (size_t i = 0; i < key.n; i++)
		folded[i] = ascii_lower(key.p[i]);
	return map_get(&t->entries, str_of(folded, key.n));
}

enum table_type
table_reference(struct str text, struct str *type_out, struct str *path_out)
{
	static const struct str text_types[] = {
		STR_INIT("texthash"), STR_INIT("hash"), STR_INIT("lmdb"),
		STR_INIT("btree"),    STR_INIT("cdb"),	STR_INIT("dbm"),
	};

	while (str_istarts(text, S("proxy:")))
		text = str_from(text, 6);
	*path_out = text;
	if (str_chr(text, ':') < 0 || str_starts(text, S("/"))) {
		*type_out = S("");
		return TABLE_NO_TYPE;
	}
	str_split(path_out, ':', type_out);
	for (size_t i = 0; i < sizeof(text_types) / sizeof(*text_types); i++)
		if (str_eq(*type_out, text_types[i]))
			return TABLE_TEXT;
	return TABLE_UNSUPPORTED;
}
