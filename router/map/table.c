/* SPDX-License-Identifier: MIT
 * router/map/table.c - see table.h.
 *
 * Process: router (and lint, postmap).
 * Owns: the map of a flat file, compiled rules; the rest is in the arena.
 * Invariants:
 *  (1) An answer OK has a value, or the table takes keys alone.
 *  (2) What cannot be asked answers ERR_UNAVAILABLE, never ERR_NOT_FOUND.
 *  (3) Tables within tables nest at most NESTING_MAX deep.
 */
#include "router/map/table.h"

#include "lib/mail/cflines.h"
#include "router/map/rules.h"

enum {
	/* A lookup key longer than this matches no entry: addresses end at 320.
	 */
	KEY_MAX_OCTETS = 1024,
	NESTING_MAX = 8,
	PARTS_MAX = 1000,
	UNION_MAX_OCTETS = 64 * 1024,
};

/* A table that cannot be read: each lookup is to be answered "later". */
static void
table_init_unavailable(struct table *t, struct str name, struct str file)
{
	*t = (struct table) { .name = name, .file = file, .entries = MAP_INIT };
}

void
table_release(struct table *t)
{
	map_release(&t->entries);
	rules_free(&t->rules);
	for (size_t i = 0; i < t->n_parts; i++)
		table_release(&t->parts[i]);
	t->n_parts = 0;
	t->is_available = false;
}

void
table_list_release(struct table_list *tables)
{
	for (size_t i = 0; i < tables->n; i++)
		table_release(&tables->list[i]);
	tables->n = 0;
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

/* "name: value" of aliases(5); the name may stand in double quotes. */
static bool
split_alias(struct str text, struct str *key_out, struct str *value_out)
{
	bool is_quoted = str_starts(text, S("\""));
	ptrdiff_t quote = is_quoted ? str_chr(str_from(text, 1), '"') : -1;
	struct str rest = is_quoted ? str_from(text, (size_t)quote + 2) : text;
	ptrdiff_t colon = str_chr(rest, ':');

	if (colon < 0 || (is_quoted && quote < 0))
		return false;
	*key_out = is_quoted ? str_sub(text, 1, (size_t)quote)
			     : cflines_trim(str_first(text, (size_t)colon));
	*value_out = cflines_trim(str_from(rest, (size_t)colon + 1));
	return key_out->n > 0;
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
	if (l->options->is_alias_file &&
	    !split_alias(line->text, &key, &value)) {
		diag_warn(l->d, file, line->line,
			  "the line is left out; write name: address, address");
		return OK;
	}
	if (!l->options->is_alias_file && !split(line->text, &key, &value)) {
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
	t->kind = TABLE_ENTRIES;
	t->options = *options;
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

/* ---- references ---- */

/* What is being opened, and where its reference stands. */
struct opening {
	struct table_source *source;
	struct str file;
	uint32_t line;
	const struct table_options *options;
	unsigned depth;
};

static enum err
open_any(const struct opening *o, struct str reference, struct table *t);

/* A mistake in main.cf: told, and the table stays unavailable. */
static enum err
	PRINTF(2, 3) refuse(const struct opening *o, const char *format, ...)
{
	struct buf text = BUF_INIT(1024);
	va_list ap;

	va_start(ap, format);
	if (buf_vaddf(&text, format, ap) == OK)
		diag_error(o->source->d, o->file, o->line, "%.*s",
			   STR(buf_str(&text)));
	va_end(ap);
	buf_release(&text);
	return OK;
}

/* "{a, b}" without its braces; false: none. */
static bool
take_braces(struct str *text)
{
	if (text->n < 2 || text->p[0] != '{' || text->p[text->n - 1] != '}')
		return false;
	*text = cflines_trim(str_sub(*text, 1, text->n - 2));
	return true;
}

/* The next element between braces: separated by commas and blanks, which may
 * stand in braces themselves. False at the end. */
static bool
next_element(struct str *rest, struct str *out)
{
	size_t n = 0, level = 0;

	while (rest->n > 0 &&
	       (rest->p[0] == ',' || cflines_is_space(rest->p[0])))
		*rest = str_from(*rest, 1);
	for (; n < rest->n; n++) {
		char c = rest->p[n];

		if (level == 0 && (c == ',' || cflines_is_space(c)))
			break;
		level += c == '{';
		level -= c == '}' && level > 0;
	}
	*out = str_first(*rest, n);
	*rest = str_from(*rest, n);
	return n > 0;
}

/* proxymap(8) keeps few processes from having a table open; here one process
 * has it anyway. */
static struct str
without_proxy(struct str text)
{
	while (str_starts(text, S("proxy:")) ||
	       str_starts(text, S("proxywrite:")))
		text = str_from(text, (size_t)(str_chr(text, ':') + 1));
	return text;
}

static enum err
open_text(const struct opening *o, struct str path, struct table *t)
{
	struct table_source *s = o->source;
	struct str file, bytes;
	enum err e;

	if (!str_istarts(without_proxy(t->name), S("texthash:")) &&
	    !s->is_text_told) {
		diag_note(s->d, o->file, o->line,
			  "the text file %.*s itself is read, as with "
			  "texthash: no postmap is needed",
			  STR(path));
		s->is_text_told = true;
	}
	e = s->read(s->arg, path, &file, &bytes);
	return e != OK ? e
		       : table_load(t, s->arena, t->name, file, bytes,
				    o->options, s->d);
}

static enum err
open_rules(const struct opening *o, enum rules_kind kind, struct str text,
	   struct table *t)
{
	struct table_source *s = o->source;
	struct rules_options options = {
		.kind = kind,
		.is_no_substitution = o->options->is_no_substitution,
	};
	bool is_inline = str_starts(text, S("{"));
	struct str bytes = text;
	enum err e = OK;

	t->kind = kind == RULES_CIDR ? TABLE_NETWORKS : TABLE_PATTERNS;
	t->is_pattern = true;
	if (is_inline)
		t->line = o->line;
	else
		e = s->read(s->arg, text, &t->file, &bytes);
	if (e == OK)
		e = rules_load(s->arena, t->file, o->line, bytes, is_inline,
			       &options, s->d, &t->rules);
	t->is_available = e == OK;
	return e == ERR_FORMAT ? OK : e;
}

static enum err
open_regexp(const struct opening *o, struct str text, struct table *t)
{
	return open_rules(o, RULES_REGEXP, text, t);
}

static enum err
open_pcre(const struct opening *o, struct str text, struct table *t)
{
	return open_rules(o, RULES_PCRE, text, t);
}

static enum err
open_cidr(const struct opening *o, struct str text, struct table *t)
{
	return open_rules(o, RULES_CIDR, text, t);
}

/* "key=value", or "{key = value}"; of two with one key the last counts, as in
 * Postfix. False: no '='. */
static bool
take_pair(struct str element, struct str *key_out, struct str *value_out)
{
	bool is_braced = take_braces(&element);
	ptrdiff_t sign = str_chr(element, '=');

	if (sign <= 0)
		return false;
	*key_out = str_first(element, (size_t)sign);
	*value_out = str_from(element, (size_t)sign + 1);
	if (is_braced) {
		*key_out = cflines_trim(*key_out);
		*value_out = cflines_trim(*value_out);
	}
	return key_out->n > 0;
}

static enum err
open_inline(const struct opening *o, struct str text, struct table *t)
{
	struct str element, key, value;
	enum err e = OK;

	t->kind = TABLE_ENTRIES;
	t->line = o->line;
	if (!take_braces(&text) || text.n == 0)
		return refuse(o,
			      "\"%.*s\": write inline:{key=value, {key = value "
			      "with blanks}}",
			      STR(str_first(t->name, 200)));
	while (e == OK && next_element(&text, &element)) {
		struct table_entry *entry;

		if (!take_pair(element, &key, &value))
			return refuse(o,
				      "\"%.*s\" has no '='; write "
				      "key=value, or {key = value}",
				      STR(str_first(element, 200)));
		e = lower(o->source->arena, key, &key);
		entry = arena_alloc(o->source->arena, sizeof(*entry));
		if (e != OK || entry == NULL)
			return ERR_LIMIT;
		*entry = (struct table_entry) { key, value, o->line };
		map_set(&t->entries, key, entry);
	}
	t->is_available = true;
	return e;
}

static enum err
open_static(const struct opening *o, struct str text, struct table *t)
{
	t->kind = TABLE_STATIC;
	t->line = o->line;
	if (str_starts(text, S("{")) && !take_braces(&text))
		return refuse(o,
			      "\"%.*s\": the braces are not right; write "
			      "static:{text}",
			      STR(str_first(t->name, 200)));
	t->value = text;
	t->is_available = true;
	return OK;
}

static enum err
open_fail(const struct opening *o, struct str text, struct table *t)
{
	t->kind = TABLE_FAIL;
	t->line = o->line;
	t->is_pattern = true;
	t->value = text;
	t->is_available = true;
	return OK;
}

/* Keys are lower-cased, so a name with capitals is never found; as in Postfix.
 */
static enum err
open_environ(const struct opening *o, struct str text UNUSED, struct table *t)
{
	const struct table_source *s = o->source;

	t->kind = TABLE_ENTRIES;
	for (size_t i = 0; i < s->n_variables; i++) {
		struct table_entry *entry =
			arena_alloc(s->arena, sizeof(*entry));

		if (entry == NULL ||
		    arena_str(s->arena, s->variables[i].name, &entry->key) !=
			    OK ||
		    arena_str(s->arena, s->variables[i].value, &entry->value) !=
			    OK)
			return ERR_LIMIT;
		map_set(&t->entries, entry->key, entry);
	}
	t->is_available = true;
	return OK;
}

/* The elements between the braces. OK with *n_out 0: told. */
static enum err
take_elements(const struct opening *o, struct str text, struct table *t,
	      const char *form, struct str **out, size_t *n_out)
{
	struct str rest, element;
	size_t n = 0;

	*n_out = 0;
	t->line = o->line;
	if (!take_braces(&text) || text.n == 0)
		return refuse(o, "\"%.*s\": write %s",
			      STR(str_first(t->name, 200)), form);
	for (rest = text; next_element(&rest, &element);)
		n++;
	if (n == 0)
		return refuse(o, "\"%.*s\": write %s",
			      STR(str_first(t->name, 200)), form);
	if (n > PARTS_MAX)
		return refuse(o, "\"%.*s\" has too many parts",
			      STR(str_first(t->name, 200)));
	*out = arena_array(o->source->arena, n, sizeof(**out));
	if (*out == NULL)
		return ERR_LIMIT;
	while (next_element(&text, &element))
		(*out)[(*n_out)++] = element;
	return OK;
}

static enum err
open_random(const struct opening *o, struct str text, struct table *t)
{
	struct str *values = NULL;
	enum err e = take_elements(o, text, t, "randmap:{value, value}",
				   &values, &t->n_values);

	t->kind = TABLE_RANDOM;
	t->values = values;
	t->is_available = e == OK && t->n_values > 0;
	return e;
}

/* All parts must be there: one that is missing makes the whole unavailable. */
static enum err
open_parts(const struct opening *o, struct str text, struct table *t,
	   enum table_kind kind, const char *form)
{
	struct opening inner = *o;
	struct str *references = NULL;
	size_t n = 0;
	enum err e = take_elements(o, text, t, form, &references, &n);

	t->kind = kind;
	if (e != OK || n == 0)
		return e;
	if (++inner.depth > NESTING_MAX)
		return refuse(o, "tables in tables in tables: too deep");
	t->parts = arena_array(o->source->arena, n, sizeof(*t->parts));
	if (t->parts == NULL)
		return ERR_LIMIT;
	t->is_available = true;
	for (size_t i = 0; e == OK && i < n; i++) {
		e = open_any(&inner, references[i], &t->parts[t->n_parts++]);
		t->is_available &= t->parts[i].is_available;
		t->is_pattern |= t->parts[i].is_pattern;
	}
	return e;
}

static enum err
open_union(const struct opening *o, struct str text, struct table *t)
{
	return open_parts(o, text, t, TABLE_UNION,
			  "unionmap:{type:name, type:name}");
}

static enum err
open_pipe(const struct opening *o, struct str text, struct table *t)
{
	return open_parts(o, text, t, TABLE_PIPE,
			  "pipemap:{type:name, type:name}");
}

/* passwd(5) and group(5): the value is the whole line. */
static enum err
load_accounts_of_host(const struct opening *o, struct str bytes,
		      struct table *t)
{
	struct str line;
	uint32_t number = 0;

	while (str_line(&bytes, &line)) {
		ptrdiff_t colon = str_chr(line, ':');
		struct table_entry *entry;
		struct str key;

		number++;
		if (colon <= 0)
			continue;
		entry = arena_alloc(o->source->arena, sizeof(*entry));
		if (entry == NULL ||
		    lower(o->source->arena, str_first(line, (size_t)colon),
			  &key) != OK)
			return ERR_LIMIT;
		*entry = (struct table_entry) { key, line, number };
		if (map_get(&t->entries, key) == NULL)
			map_set(&t->entries, key, entry);
	}
	t->is_available = true;
	return OK;
}

static enum err
open_unix(const struct opening *o, struct str text, struct table *t)
{
	struct table_source *s = o->source;
	struct str bytes;
	enum err e;

	t->kind = TABLE_ENTRIES;
	if (!str_eq(text, S("passwd.byname")) &&
	    !str_eq(text, S("group.byname")))
		return refuse(o,
			      "there is no table \"%.*s\"; write "
			      "unix:passwd.byname or unix:group.byname",
			      STR(str_first(t->name, 200)));
	e = s->read(s->arg,
		    str_starts(text, S("p")) ? S("/etc/passwd")
					     : S("/etc/group"),
		    &t->file, &bytes);
	return e != OK ? e : load_accounts_of_host(o, bytes, t);
}

static enum err
open_remote(const struct opening *o, enum remote_protocol protocol,
	    struct str text, struct table *t)
{
	t->kind = TABLE_REMOTE;
	t->is_pattern = true;
	t->line = o->line;
	if (!remote_parse_place(protocol, text, &t->place))
		return refuse(o,
			      "\"%.*s\": write tcp:host:port (a number), "
			      "socketmap:inet:host:port:name or "
			      "socketmap:unix:/path:name",
			      STR(str_first(t->name, 200)));
	t->is_available = true;
	return OK;
}

static enum err
open_tcp(const struct opening *o, struct str text, struct table *t)
{
	return open_remote(o, REMOTE_TCP, text, t);
}

static enum err
open_socketmap(const struct opening *o, struct str text, struct table *t)
{
	return open_remote(o, REMOTE_SOCKETMAP, text, t);
}

static const struct table_type {
	struct str name;
	/* NULL: Postfix has it, we have not. OK with a table that is not
	 * available: the mistake was told. */
	enum err (*open)(const struct opening *o, struct str text,
			 struct table *t);
} types[] = {
	{ STR_INIT("texthash"), open_text },
	{ STR_INIT("hash"), open_text },
	{ STR_INIT("lmdb"), open_text },
	{ STR_INIT("btree"), open_text },
	{ STR_INIT("cdb"), open_text },
	{ STR_INIT("dbm"), open_text },
	{ STR_INIT("sdbm"), open_text },
	{ STR_INIT("regexp"), open_regexp },
	{ STR_INIT("pcre"), open_pcre },
	{ STR_INIT("cidr"), open_cidr },
	{ STR_INIT("inline"), open_inline },
	{ STR_INIT("static"), open_static },
	{ STR_INIT("fail"), open_fail },
	{ STR_INIT("environ"), open_environ },
	{ STR_INIT("randmap"), open_random },
	{ STR_INIT("unionmap"), open_union },
	{ STR_INIT("pipemap"), open_pipe },
	{ STR_INIT("unix"), open_unix },
	{ STR_INIT("tcp"), open_tcp },
	{ STR_INIT("socketmap"), open_socketmap },
	{ STR_INIT("ldap"), NULL },
	{ STR_INIT("memcache"), NULL },
	{ STR_INIT("mongodb"), NULL },
	{ STR_INIT("mysql"), NULL },
	{ STR_INIT("nis"), NULL },
	{ STR_INIT("nisplus"), NULL },
	{ STR_INIT("pgsql"), NULL },
	{ STR_INIT("sqlite"), NULL },
};

static const struct table_type *
find_type(struct str name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (str_eq(types[i].name, name))
			return &types[i];
	return NULL;
}

struct str
table_type_name(size_t at)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (types[i].open != NULL && at-- == 0)
			return types[i].name;
	return S("");
}

bool
table_is_reference(struct str text)
{
	struct str type;

	text = without_proxy(text);
	return str_chr(text, ':') > 0 && str_split(&text, ':', &type) &&
	       text.n > 0 && find_type(type) != NULL;
}

static enum err
open_any(const struct opening *o, struct str reference, struct table *t)
{
	struct str text = without_proxy(reference), type;
	const struct table_type *found;

	table_init_unavailable(t, reference, o->file);
	t->options = *o->options;
	if (str_chr(text, ':') <= 0 || str_starts(text, S("/")) ||
	    str_ends(text, S(":")) || !str_split(&text, ':', &type))
		return refuse(o,
			      "\"%.*s\" is not a table; write "
			      "texthash:/path",
			      STR(str_first(reference, 200)));
	found = find_type(type);
	if (found == NULL)
		return refuse(o,
			      "\"%.*s\": there are no tables of the type "
			      "%.*s; write texthash:/path",
			      STR(str_first(reference, 200)),
			      STR(str_first(type, 100)));
	if (found->open != NULL)
		return found->open(o, text, t);
	t->kind = TABLE_UNSUPPORTED;
	return refuse(o,
		      "tables of the type %.*s are not supported: "
		      "what needs %.*s is put off; write "
		      "texthash:/path",
		      STR(type), STR(str_first(reference, 200)));
}

enum err
table_open(struct table *t, struct table_source *source, struct str reference,
	   struct str file, uint32_t line, const struct table_options *options)
{
	struct opening o = { source, file, line, options, 0 };

	return open_any(&o, reference, t);
}

/* ---- asking ---- */

static enum err
unavailable(struct table_answer *out, struct str why)
{
	out->why = why;
	return ERR_UNAVAILABLE;
}

static enum err
find_entry(const struct table *t, struct str key, struct table_answer *out)
{
	const struct table_entry *entry = table_get(t, key);

	if (entry == NULL)
		return ERR_NOT_FOUND;
	out->value = entry->value;
	out->line = entry->line;
	return OK;
}

static enum err
find_rule(const struct table *t, struct str key, const struct table_ask *ask,
	  struct table_answer *out)
{
	uint64_t *steps_left = ask->steps_left;
	enum err e;

	if (steps_left == NULL && ask->remote != NULL)
		steps_left = &ask->remote->steps_left;
	e = rules_find(t->rules, key, ask->arena, steps_left, &out->value,
		       &out->line);

	return e == ERR_UNAVAILABLE ? unavailable(out, out->value) : e;
}

/* One answer for one key: what is random must not change while a decision is
 * made again. */
static enum err
find_random(const struct table *t, struct str key, struct table_answer *out)
{
	out->value = t->values[hash_bytes(key) % t->n_values];
	return OK;
}

static enum err
find_union(const struct table *t, struct str key, const struct table_ask *ask,
	   struct table_answer *out)
{
	struct buf all = BUF_INIT(UNION_MAX_OCTETS);
	struct table_answer one = { 0 };
	bool is_found = false;
	enum err e = OK;

	for (size_t i = 0; e == OK && i < t->n_parts; i++) {
		e = table_find(&t->parts[i], key, ask, &one);
		if (e == ERR_NOT_FOUND) {
			e = OK;
			continue;
		}
		if (e == OK && is_found)
			e = buf_addc(&all, ',');
		if (e == OK)
			e = buf_add(&all, one.value);
		is_found = true;
	}
	if (e == ERR_UNAVAILABLE)
		*out = one;
	if (e == OK && is_found)
		e = arena_str(ask->arena, buf_str(&all), &out->value);
	buf_release(&all);
	return e != OK || is_found ? e : ERR_NOT_FOUND;
}

static enum err
find_pipe(const struct table *t, struct str key, const struct table_ask *ask,
	  struct table_answer *out)
{
	enum err e = OK;

	for (size_t i = 0; e == OK && i < t->n_parts; i++) {
		e = table_find(&t->parts[i], key, ask, out);
		key = out->value;
	}
	return e;
}

static enum err
find_remote(const struct table *t, struct str key, const struct table_ask *ask,
	    struct table_answer *out)
{
	enum err e;

	if (ask->remote == NULL)
		return unavailable(out, S("no other host can be asked here"));
	out->file = t->name; // what was asked tells more than where it is named
	out->line = 0;
	e = remote_find(ask->remote, &t->place, key, &out->value);
	if (e == ERR_UNAVAILABLE)
		return unavailable(out, out->value);
	return e;
}

static enum err
find_by_kind(const struct table *t, struct str key, const struct table_ask *ask,
	     struct table_answer *out)
{
	switch (t->kind) {
	case TABLE_NONE:
	case TABLE_UNSUPPORTED:
		break;
	case TABLE_ENTRIES:
		return find_entry(t, key, out);
	case TABLE_PATTERNS:
	case TABLE_NETWORKS:
		return find_rule(t, key, ask, out);
	case TABLE_STATIC:
		out->value = t->value;
		return OK;
	case TABLE_FAIL:
		return unavailable(out, S("the table says so"));
	case TABLE_UNION:
		return find_union(t, key, ask, out);
	case TABLE_PIPE:
		return find_pipe(t, key, ask, out);
	case TABLE_RANDOM:
		return find_random(t, key, out);
	case TABLE_REMOTE:
		return find_remote(t, key, ask, out);
	}
	return unavailable(out, S("the type is not supported"));
}

enum err
table_find(const struct table *t, struct str key, const struct table_ask *ask,
	   struct table_answer *out)
{
	enum err e;

	*out = (struct table_answer) { .file = t->file, .line = t->line };
	if (!t->is_available)
		return unavailable(out, S("the table cannot be read"));
	e = find_by_kind(t, key, ask, out);
	if (e == ERR_LIMIT)
		return unavailable(out, S("the answer is too long"));
	if (e == OK && out->value.n == 0 && !t->options.is_key_alone_ok)
		return unavailable(out, S("the value is empty"));
	return e;
}

enum err
table_list_find(const struct table_list *tables, struct str key,
		enum table_part part, const struct table_ask *ask,
		struct table_answer *out, const struct table **by_out)
{
	if (key.n == 0)
		return ERR_NOT_FOUND;
	for (size_t i = 0; i < tables->n; i++) {
		const struct table *t = &tables->list[i];
		enum err e;

		if (part == TABLE_PART && t->is_pattern && t->is_available)
			continue;
		if (by_out != NULL)
			*by_out = t;
		e = table_find(t, key, ask, out);
		if (e != ERR_NOT_FOUND)
			return e;
	}
	return ERR_NOT_FOUND;
}

const struct table_entry *
table_get(const struct table *t, struct str key)
{
	char folded[KEY_MAX_OCTETS];

	if (t->kind != TABLE_ENTRIES || !t->is_available ||
	    key.n > sizeof(folded))
		return NULL;
	for (size_t i = 0; i < key.n; i++)
		folded[i] = ascii_lower(key.p[i]);
	return map_get(&t->entries, str_of(folded, key.n));
}
