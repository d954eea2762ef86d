/* SPDX-License-Identifier: MIT
 * router/map/main_cf.c - see main_cf.h.
 *
 * Process: router (and lint).
 * Owns: nothing but the map; strings are in the caller's arena or file bytes.
 * Invariants:
 *  (1) After settings_finish() every known name has a setting whose value
 *      passes the check of its kind: a value that does not is an error in the
 *      diagnostics and is replaced by the default.
 *  (2) Expansion is bounded in depth, steps and octets.
 */
#include "router/map/main_cf.h"

#include "lib/base/check.h"
#include "lib/mail/cflines.h"
#include "router/map/main_cf_known.h"

#include <ini.h>

enum {
	NAME_MAX_OCTETS = KNOWN_NAME_MAX_OCTETS,
	PIECE_OCTETS = 64, // inih cuts a line at 200 octets
	LINE_OCTETS = NAME_MAX_OCTETS + PIECE_OCTETS + 4,
	VALUE_MAX_OCTETS = 64 * 1024,
	EXPAND_DEPTH_MAX = 20,
	EXPAND_STEPS_MAX = 10000,
	N_RECENT = 256, // about as many as there are names
};

void
settings_init(struct settings *s, struct arena *arena)
{
	*s = (struct settings) { .arena = arena, .by_name = MAP_INIT };
}

void
settings_release(struct settings *s)
{
	map_release(&s->by_name);
}

static enum err
assign(struct settings *s, const struct setting *v)
{
	struct setting *kept = arena_alloc(s->arena, sizeof(*kept));

	if (kept == NULL)
		return ERR_LIMIT;
	*kept = *v;
	kept->next = NULL;
	if (s->last == NULL)
		s->first = kept;
	else
		s->last->next = kept;
	s->last = kept;
	map_set(&s->by_name, kept->name, kept);
	return OK;
}

enum err
settings_derive(struct settings *s, const struct settings *from)
{
	enum err e = OK;

	for (const struct setting *v = from->first; e == OK && v != NULL;
	     v = v->next)
		if (v->line > 0 || v->origin.n > 0)
			e = assign(s, v);
	return e;
}

enum err
settings_set(struct settings *s, struct str file, uint32_t line,
	     struct str name, struct str value)
{
	struct setting v = {
		.name = name, .raw = value, .file = file, .line = line
	};

	return assign(s, &v);
}

/* ---- one assignment through inih, which is why it goes in short pieces ----
 */

/* inih would take these for a comment, a separator or blanks to strip. They
 * travel as control bytes, which no line may contain. */
static const struct {
	char plain, masked;
} masks[] = {
	{ ';', 1 },
	{ ' ', 2 },
	{ '\t', 3 },
};

struct feed {
	struct str name, rest;
	bool is_begun;
	struct buf *out;
};

static char
swap_masked(char c, bool is_to_mask)
{
	for (size_t i = 0; i < sizeof(masks) / sizeof(*masks); i++)
		if (c == (is_to_mask ? masks[i].plain : masks[i].masked))
			return is_to_mask ? masks[i].masked : masks[i].plain;
	return c;
}

/* In the manner of fgets(): the next "name=piece". */
static char *
feed_line(char *line, int size, void *stream)
{
	struct feed *f = stream;
	struct str piece = str_first(f->rest, PIECE_OCTETS);
	size_t n = 0;

	if (f->is_begun && f->rest.n == 0)
		return NULL;
	check(size >= LINE_OCTETS);
	f->is_begun = true;
	f->rest = str_from(f->rest, piece.n);
	memcpy(line, f->name.p, f->name.n);
	n += f->name.n;
	line[n++] = '=';
	for (size_t i = 0; i < piece.n; i++)
		line[n++] = swap_masked(piece.p[i], true);
	line[n++] = '\n';
	line[n] = '\0';
	return line;
}

static int
feed_value(void *user, const char *section UNUSED, const char *name,
	   const char *value)
{
	struct feed *f = user;

	if (!str_eq(str_c(name), f->name))
		return 0;
	for (; *value != '\0'; value++)
		if (buf_addc(f->out, swap_masked(*value, false)) != OK)
			return 0;
	return 1;
}

static const char *
why_no_name(struct str name)
{
	if (name.n == 0)
		return "no name before the '='; write name = value";
	if (name.n > NAME_MAX_OCTETS)
		return "the name is longer than 100 bytes";
	for (size_t i = 0; i < name.n; i++)
		if (!ascii_is_alpha(name.p[i]) && !ascii_is_digit(name.p[i]) &&
		    name.p[i] != '_' && name.p[i] != '-')
			return "the name holds other bytes than letters, "
			       "digits and '_'; write name = value";
	return NULL;
}

static const char *
why_no_value(struct str value)
{
	if (value.n > VALUE_MAX_OCTETS)
		return "the value is longer than 64 KiB";
	for (size_t i = 0; i < value.n; i++)
		if ((unsigned char)value.p[i] < 0x20 && value.p[i] != '\t')
			return "the value holds a control byte; remove it";
	return NULL;
}

static const char *
why_no_assignment(const struct cfline *line)
{
	if (line->is_orphan)
		return "the line begins with a blank but continues nothing; "
		       "remove the blank";
	if (line->text.p[0] == '[')
		return "this file has no [sections]; remove the line";
	if (line->text.p[0] == ';')
		return "';' begins no comment here; write '#'";
	if (str_chr(line->text, '=') < 0)
		return "no '=' in the line; write name = value";
	return NULL;
}

static enum err
take_line(struct settings *s, struct str file, const struct cfline *line,
	  struct buf *out, struct diag *d)
{
	struct str value = line->text, name;
	struct setting v = { .file = file, .line = line->line };
	struct feed feed;
	const char *why = why_no_assignment(line);
	enum err e;

	str_split(&value, '=', &name);
	name = cflines_trim(name);
	value = cflines_trim(value);
	if (why == NULL)
		why = why_no_name(name);
	if (why == NULL)
		why = why_no_value(value);
	if (why != NULL) {
		diag_error(d, file, line->line, "%s", why);
		return OK;
	}
	buf_clear(out);
	feed = (struct feed) { .name = name, .rest = value, .out = out };
	if (ini_parse_stream(feed_line, &feed, feed_value, &feed) != 0 ||
	    !str_eq(buf_str(out), value)) {
		diag_error(d, file, line->line,
			   "the value of %.*s cannot be read; write it without "
			   "control bytes",
			   STR(name));
		return OK;
	}
	e = arena_str(s->arena, buf_str(out), &v.raw);
	if (e != OK)
		return e;
	v.name = name;
	return assign(s, &v);
}

enum err
settings_read(struct settings *s, struct str file, struct str bytes,
	      struct diag *d)
{
	struct buf out = BUF_INIT(VALUE_MAX_OCTETS);
	struct cflines lines;
	struct cfline line;
	enum err e = OK;

	cflines_init(&lines, bytes, s->arena);
	while (e == OK) {
		e = cflines_next(&lines, &line);
		if (e == OK)
			e = take_line(s, file, &line, &out, d);
	}
	buf_release(&out);
	return e == ERR_EOF ? OK : e;
}

enum err
settings_preset(struct settings *s, struct str name, struct str value,
		struct str origin, struct diag *d)
{
	const struct setting *there = map_get(&s->by_name, name);
	struct setting v = { .name = name, .raw = value, .origin = origin };

	if (there == NULL)
		return assign(s, &v);
	if (!str_eq(there->raw, value))
		diag_warn(
			d, there->file, there->line,
			"%.*s is set here, so the variable %.*s has no effect; "
			"remove one of the two",
			STR(name), STR(origin));
	return OK;
}

/* ---- expansion ---- */

struct expansion {
	const struct settings *s;
	const struct setting *whose; // for messages
	struct diag *d;
	struct map *used; // names met as $name
	struct buf *out;
	unsigned n_steps;
	bool has_failed;
	settings_also *also; // names beside the settings; NULL: none
	const void *also_arg;
};

static void expand(struct expansion *x, struct str text, unsigned depth);

static void
fail(struct expansion *x, const char *why)
{
	if (!x->has_failed)
		diag_error(x->d, x->whose->file, x->whose->line, "%.*s: %s",
			   STR(x->whose->name), why);
	x->has_failed = true;
}

static void
add(struct expansion *x, struct str s)
{
	if (buf_add(x->out, s) != OK)
		fail(x, "the value expands to more than 64 KiB");
}

/* What $name stands for, not yet expanded; false when nothing sets it. */
static bool
value_of(const struct settings *s, struct str name, struct str *out)
{
	const struct setting *v = map_get(&s->by_name, name);
	const struct known *k = known_find(name);

	if (v == NULL && k == NULL)
		return false;
	*out = v != NULL ? v->raw : k->preset;
	return true;
}

static void
expand_name(struct expansion *x, struct str name, unsigned depth)
{
	struct str value;

	if (x->also != NULL && x->also(x->also_arg, name, x->out))
		return;

	map_set(x->used, name, x);
	if (value_of(x->s, name, &value)) {
		expand(x, value, depth + 1);
		return;
	}
	diag_warn(x->d, x->whose->file, x->whose->line,
		  "%.*s: nothing sets $%.*s, which stands for nothing then",
		  STR(x->whose->name), STR(str_first(name, 100)));
}

/* The index behind the bracket that closes the one at s[0]; 0 if none does. */
static size_t
balanced(struct str s, char open, char close)
{
	size_t level = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == open)
			level++;
		else if (s.p[i] == close && --level == 0)
			return i + 1;
	}
	return 0;
}

/* Text behind '?' or ':': {text}, or all of it. */
static struct str
branch(struct str *rest)
{
	struct str trimmed = cflines_trim(*rest), text = *rest;
	size_t n =
		str_starts(trimmed, S("{")) ? balanced(trimmed, '{', '}') : 0;

	*rest = S("");
	if (n == 0)
		return text;
	*rest = cflines_trim(str_from(trimmed, n));
	return cflines_trim(str_sub(trimmed, 1, n - 2));
}

/* ${name}, ${name?text}, ${name:text}, ${name?{text}:{text}}: what stands
 * between the braces. */
static void
expand_body(struct expansion *x, struct str body, unsigned depth)
{
	size_t n = 0;
	struct str name, rest, first, second = S(""), value = S("");
	bool is_set, is_if_set;

	while (n < body.n && body.p[n] != '?' && body.p[n] != ':')
		n++;
	name = str_first(body, n);
	if (why_no_name(name) != NULL) {
		fail(x, "what stands in ${} is not a name; write ${name}, "
			"${name?text} or ${name:text}");
		return;
	}
	if (n == body.n) {
		expand_name(x, name, depth);
		return;
	}
	is_if_set = body.p[n] == '?';
	rest = str_from(body, n + 1);
	first = branch(&rest);
	if (str_starts(rest, S(":"))) {
		rest = str_from(rest, 1);
		second = branch(&rest);
	}
	map_set(x->used, name, x);
	is_set = value_of(x->s, name, &value) && value.n > 0;
	expand(x, is_set == is_if_set ? first : second, depth + 1);
}

/* text begins behind a '$'; returns how many octets of it belong to it. */
static size_t
expand_dollar(struct expansion *x, struct str text, unsigned depth)
{
	char first = text.n > 0 ? text.p[0] : '\0';
	size_t n = 0;

	if (first == '$') {
		add(x, S("$"));
		return 1;
	}
	if (first == '{' || first == '(') {
		n = balanced(text, first, first == '{' ? '}' : ')');
		if (n == 0)
			fail(x, "the bracket behind '$' is not closed");
		else
			expand_body(x, str_sub(text, 1, n - 2), depth);
		return n;
	}
	while (n < text.n && (ascii_is_alpha(text.p[n]) ||
			      ascii_is_digit(text.p[n]) || text.p[n] == '_'))
		n++;
	if (n == 0)
		fail(x, "no name behind '$'; write $$ for the sign itself");
	else
		expand_name(x, str_first(text, n), depth);
	return n;
}

static void
expand(struct expansion *x, struct str text, unsigned depth)
{
	if (depth > EXPAND_DEPTH_MAX)
		fail(x, "$names lead back to themselves, or too deep");
	while (text.n > 0 && !x->has_failed) {
		ptrdiff_t dollar = str_chr(text, '$');

		if (dollar < 0) {
			add(x, text);
			return;
		}
		if (++x->n_steps > EXPAND_STEPS_MAX) {
			fail(x, "too many $names");
			return;
		}
		add(x, str_first(text, (size_t)dollar));
		text = str_from(text, (size_t)dollar + 1);
		text = str_from(text, expand_dollar(x, text, depth));
	}
}

/* ---- kinds ---- */

bool
settings_parse_time(struct str text, char default_unit, uint64_t *s_out)
{
	static const struct {
		char unit;
		uint64_t s;
	} units[] = {
		{ 's', 1 },	{ 'm', 60 },	 { 'h', 3600 },
		{ 'd', 86400 }, { 'w', 604800 },
	};
	char unit = default_unit;
	uint64_t n;

	if (text.n > 0 && ascii_is_alpha(text.p[text.n - 1])) {
		unit = ascii_lower(text.p[text.n - 1]);
		text.n--;
	}
	if (!str_to_u64(text, UINT32_MAX, &n))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (units[i].unit == unit) {
			*s_out = n * units[i].s;
			return true;
		}
	return false;
}

static char
unit_of(enum kind kind)
{
	return kind == KIND_TIME_D ? 'd' : kind == KIND_TIME_H ? 'h' : 's';
}

/* NULL: the value is of its kind. */
static const char *
why_not_kind(enum kind kind, struct str value)
{
	uint64_t n;

	switch (kind) {
	case KIND_TIME_S:
	case KIND_TIME_H:
	case KIND_TIME_D:
		if (!settings_parse_time(value, unit_of(kind), &n))
			return "is not a time; write a number and one of "
			       "s m h d w, as in 300s";
		return NULL;
	case KIND_NUMBER:
		if (!str_to_u64(value, INT64_MAX, &n))
			return "is not a number; write digits alone";
		return NULL;
	case KIND_BOOL:
		if (!str_ieq(value, S("yes")) && !str_ieq(value, S("no")))
			return "is neither yes nor no";
		return NULL;
	case KIND_TEXT:
	case KIND_LIST:
	case KIND_RAW:
	case KIND_IGNORED:
		return NULL;
	}
	return NULL;
}

/* ---- finishing ---- */

/* Is "$name", "${name" or "$(name" in the text? */
static bool
is_named(struct str text, struct str name)
{
	ptrdiff_t at;

	while ((at = str_chr(text, '$')) >= 0) {
		text = str_from(text, (size_t)at + 1);
		if (str_starts(text, S("{")) || str_starts(text, S("(")))
			text = str_from(text, 1);
		if (str_starts(text, name) &&
		    (text.n == name.n || (!ascii_is_alpha(text.p[name.n]) &&
					  !ascii_is_digit(text.p[name.n]) &&
					  text.p[name.n] != '_')))
			return true;
	}
	return false;
}

static void
tell_unknown(const struct setting *v, struct diag *d)
{
	struct str guess = known_nearest(v->name);

	if (known_is_of_no_effect(v->name)) {
		diag_note(d, v->file, v->line, "%.*s has no effect here",
			  STR(v->name));
		return;
	}
	if (guess.n > 0)
		diag_warn(d, v->file, v->line,
			  "%.*s is not known and has no effect; did you mean "
			  "%.*s?",
			  STR(v->name), STR(guess));
	else
		diag_warn(d, v->file, v->line,
			  "%.*s is not known and has no effect; remove it",
			  STR(v->name));
}

/* A host name of more than two labels: the domain is all but the first. */
static struct str
domain_of(struct str host)
{
	ptrdiff_t first = str_chr(host, '.'), last = str_rchr(host, '.');

	return first == last ? host : str_from(host, (size_t)first + 1);
}

static enum err
add_defaults(struct settings *s)
{
	struct str host = S("");
	enum err e = OK;

	for (size_t i = 0; e == OK && known_at(i) != NULL; i++) {
		struct setting v = { .name = known_at(i)->name,
				     .raw = known_at(i)->preset };

		if (known_at(i)->kind == KIND_IGNORED ||
		    map_get(&s->by_name, v.name) != NULL)
			continue;
		if (value_of(s, S("myhostname"), &host) &&
		    str_eq(v.name, S("mydomain")))
			v.raw = domain_of(host);
		e = assign(s, &v);
	}
	return e;
}

static enum err
expand_one(struct settings *s, struct setting *v, struct map *used,
	   struct buf *out, struct diag *d)
{
	struct expansion x = {
		.s = s, .whose = v, .d = d, .used = used, .out = out
	};
	const struct known *k = known_find(v->name);
	const char *why;

	v->value = v->raw;
	if (k != NULL && k->kind == KIND_RAW)
		return OK;
	buf_clear(out);
	expand(&x, v->raw, 0);
	v->value = cflines_trim(buf_str(out));
	if (k == NULL || k->kind == KIND_IGNORED)
		return arena_str(s->arena, v->value, &v->value);
	why = why_not_kind(k->kind, v->value);
	if (why != NULL && !x.has_failed)
		diag_error(d, v->file, v->line, "%.*s = %.*s %s", STR(v->name),
			   STR(str_first(v->value, 100)), why);
	if (why != NULL || x.has_failed)
		v->value = why_not_kind(k->kind, k->preset) ? S("") : k->preset;
	return arena_str(s->arena, v->value, &v->value);
}

/* Is it the last assignment to its name? */
static bool
counts(const struct settings *s, const struct setting *v)
{
	return map_get(&s->by_name, v->name) == v;
}

static enum err
split_words(struct settings *s, struct setting *v)
{
	struct str rest = v->value, word;

	v->n_words = 0;
	while (settings_item(&rest, &word))
		v->n_words++;
	v->words = arena_alloc(s->arena, v->n_words * sizeof(*v->words));
	if (v->words == NULL)
		return ERR_LIMIT;
	rest = v->value;
	for (size_t i = 0; settings_item(&rest, &word); i++)
		v->words[i] = word;
	return OK;
}

/* So that a question finds it at once. */
static enum err
prepare_getters(struct settings *s)
{
	struct str name;
	void *v;
	enum err e = OK;

	for (size_t at = 0; e == OK && map_next(&s->by_name, &at, &name, &v);)
		e = split_words(s, v);
	s->recent = arena_alloc(s->arena, N_RECENT * sizeof(*s->recent));
	return e == OK && s->recent == NULL ? ERR_LIMIT : e;
}

enum err
settings_finish(struct settings *s, struct diag *d)
{
	struct buf out = BUF_INIT(VALUE_MAX_OCTETS);
	struct map used = MAP_INIT;
	struct str classes, name;
	enum err e = add_defaults(s);

	for (struct setting *v = s->first; e == OK && v != NULL; v = v->next)
		if (counts(s, v))
			e = expand_one(s, v, &used, &out, d);
	classes = settings_text(s, "smtpd_restriction_classes");
	while (settings_item(&classes, &name))
		map_set(&used, name, s);
	for (struct setting *v = s->first; e == OK && v != NULL; v = v->next) {
		const struct known *k = known_find(v->name);

		if (!counts(s, v))
			continue;
		if (k != NULL && k->kind == KIND_IGNORED)
			diag_note(d, v->file, v->line,
				  "%.*s has no effect here", STR(v->name));
		else if (v->file.n > 0 &&
			 known_why_not(v->name, v->value) != NULL)
			diag_warn(d, v->file, v->line, "%.*s has no effect: %s",
				  STR(v->name),
				  known_why_not(v->name, v->value));
		else if (k == NULL && map_get(&used, v->name) == NULL &&
			 !is_named(s->elsewhere, v->name))
			tell_unknown(v, d);
	}
	if (e == OK)
		e = prepare_getters(s);
	map_release(&used);
	buf_release(&out);
	return e;
}

enum err
settings_expand(const struct settings *s, const struct setting *where,
		settings_also *also, const void *also_arg, struct buf *out,
		struct diag *d)
{
	struct map used = MAP_INIT;
	struct expansion x = {
		.s = s,
		.whose = where,
		.d = d,
		.used = &used,
		.out = out,
		.also = also,
		.also_arg = also_arg,
	};

	expand(&x, where->raw, 0);
	map_release(&used);
	return x.has_failed ? ERR_FORMAT : OK;
}

/* ---- getters ---- */

static const struct setting *
look_up(const struct settings *s, struct str name)
{
	const struct setting *v = map_get(&s->by_name, name);

	check(v != NULL);
	return v;
}

/* Threads ask too (patterns, header_checks): a place is read once and written
 * once, whole, so that at worst two look up the same. */
static const struct setting *
must_find(const struct settings *s, const char *name)
{
	struct str key = str_c(name);
	const struct setting *v, **at;

	if (s->recent == NULL)
		return look_up(s, key);
	at = &s->recent[(uintptr_t)name / 8 % N_RECENT];
	v = __atomic_load_n(at, __ATOMIC_RELAXED);
	if (v == NULL || !str_eq(v->name, key)) {
		v = look_up(s, key);
		__atomic_store_n(at, v, __ATOMIC_RELAXED);
	}
	return v;
}

struct str
settings_text(const struct settings *s, const char *name)
{
	return must_find(s, name)->value;
}

uint64_t
settings_time_s(const struct settings *s, const char *name)
{
	const struct known *k = known_find(str_c(name));
	uint64_t time_s;

	check(k != NULL && (k->kind == KIND_TIME_S || k->kind == KIND_TIME_H ||
			    k->kind == KIND_TIME_D));
	check(settings_parse_time(settings_text(s, name), unit_of(k->kind),
				  &time_s));
	return time_s;
}

uint64_t
settings_number(const struct settings *s, const char *name)
{
	uint64_t n;

	check(str_to_u64(settings_text(s, name), INT64_MAX, &n));
	return n;
}

bool
settings_is_on(const struct settings *s, const char *name)
{
	return str_ieq(settings_text(s, name), S("yes"));
}

bool
settings_lists(const struct settings *s, const char *name, struct str word)
{
	const struct setting *v = must_find(s, name);

	for (size_t i = 0; i < v->n_words; i++)
		if (str_eq(v->words[i], word))
			return true;
	return false;
}

const struct setting *
settings_find(const struct settings *s, const char *name)
{
	const struct setting *v = must_find(s, name);

	return v->line > 0 || v->origin.n > 0 ? v : NULL;
}

bool
settings_item(struct str *list, struct str *item_out)
{
	size_t n = 0;
	bool is_open = false; // a brace that nothing closes

	while (list->n > 0 &&
	       (list->p[0] == ',' || cflines_is_space(list->p[0])))
		*list = str_from(*list, 1);
	if (list->n == 0)
		return false;
	if (list->p[0] == '{')
		n = balanced(*list, '{', '}');
	if (n > 0) {
		*item_out = cflines_trim(str_sub(*list, 1, n - 2));
		*list = str_from(*list, n);
		return true;
	}
	while (n < list->n && list->p[n] != ',' &&
	       !cflines_is_space(list->p[n])) {
		size_t group = 0;

		if (list->p[n] == '{' && !is_open) {
			group = balanced(str_from(*list, n), '{', '}');
			is_open = group == 0;
		}
		n += group > 0 ? group : 1;
	}
	*item_out = str_first(*list, n);
	*list = str_from(*list, n);
	return true;
}
