/* SPDX-License-Identifier: MIT
 * router/map/rules.c - see rules.h.
 *
 * Process: router (and lint, postmap).
 * Owns: the compiled patterns, until rules_free(); all else is in the arena.
 * Invariants:
 *  (1) A rule's value holds no $number beyond the groups of its pattern.
 *  (2) One lookup makes at most STEPS_MAX steps over all patterns.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "router/map/rules.h"

#include "lib/base/check.h"
#include "lib/mail/cflines.h"
#include "router/map/posix_pattern.h"

#include <pcre2.h>

enum {
	STEPS_MAX = 5000000, // of all patterns of one lookup
	SEARCH_OCTETS_A_STEP = 64,
	MATCH_MAX = 1000000, // backtracks of one pattern at one offset
	DEPTH_MAX = 10000,
	HEAP_MAX_KIB = 8 * 1024,
	VALUE_MAX_OCTETS = 64 * 1024,
	KEY_MAX_OCTETS = 128 * 1024,
	NESTING_MAX = 1000,
	TRANSLATION_MAX_OCTETS = 256 * 1024,
	FIRST_RULES = 16,
	FOUND_MAX = 100, // groups that can be referred to
};

enum operation { OP_MATCH, OP_IF };

struct pattern {
	pcre2_code *code;
	struct str text; // with delimiters and flags
	uint32_t n_groups;
	bool is_negated;
};

struct rule {
	enum operation operation;
	uint32_t line;
	size_t end; // OP_IF: the index of its endif, or the number of rules
	bool is_guarded, is_v6, has_substitution;
	struct pattern first, second; // second: "/first/!/second/"; often none
	struct cidr net;
	struct str value;
};

struct rules {
	struct rules_options options;
	struct rule *list;
	size_t n, cap;
};

struct loading {
	struct rules *r;
	struct arena *arena;
	struct str file;
	uint32_t inline_line; // over 0: all rules stand in that line
	struct diag *d;
	size_t open[NESTING_MAX]; // the ifs that are not closed
	size_t depth;
};

static void PRINTF(3, 4) warn(struct loading *l, const struct rule *rule,
			      const char *format, ...)
{
	struct buf text = BUF_INIT(1024);
	va_list ap;

	va_start(ap, format);
	if (buf_vaddf(&text, format, ap) == OK)
		diag_warn(l->d, l->file, rule->line, "%.*s",
			  STR(buf_str(&text)));
	va_end(ap);
	buf_release(&text);
}

/* ---- patterns ---- */

struct flag {
	char c;
	uint32_t option;
};

static const struct flag pcre_flags[] = {
	{ 'i', PCRE2_CASELESS }, { 'm', PCRE2_MULTILINE },
	{ 's', PCRE2_DOTALL },	 { 'x', PCRE2_EXTENDED },
	{ 'A', PCRE2_ANCHORED }, { 'E', PCRE2_DOLLAR_ENDONLY },
	{ 'U', PCRE2_UNGREEDY }, { 'X', 0 },
};

/* x: the extended syntax, which is the default; PCRE2_EXTENDED marks it. */
static const struct flag regexp_flags[] = {
	{ 'i', PCRE2_CASELESS },
	{ 'm', PCRE2_MULTILINE },
	{ 'x', PCRE2_EXTENDED },
};

static bool
toggle(enum rules_kind kind, char c, uint32_t *options)
{
	const struct flag *flags =
		kind == RULES_PCRE ? pcre_flags : regexp_flags;
	size_t n = kind == RULES_PCRE ? sizeof(pcre_flags) / sizeof(*flags)
				      : sizeof(regexp_flags) / sizeof(*flags);

	for (size_t i = 0; i < n; i++)
		if (flags[i].c == c) {
			*options ^= flags[i].option;
			return true;
		}
	return false;
}

/* The octets up to the delimiter that closes; a backslash takes the next one
 * with it. False: none closes. */
static bool
take_delimited(struct str *rest, struct str *out)
{
	char delimiter = rest->p[0];

	for (size_t i = 1; i < rest->n; i++) {
		if (rest->p[i] == '\\') {
			i++;
			continue;
		}
		if (rest->p[i] != delimiter)
			continue;
		*out = str_sub(*rest, 1, i - 1);
		*rest = str_from(*rest, i + 1);
		return true;
	}
	return false;
}

/* Marks where each compiled item is passed, so that steps can be counted; what
 * backtracks then does so one step at a time. */
static pcre2_code *
compile(struct loading *l, const struct rule *rule, struct str text,
	uint32_t options)
{
	PCRE2_UCHAR why[200];
	PCRE2_SIZE at;
	int code;
	pcre2_code *p = pcre2_compile(
		(PCRE2_SPTR)(text.n > 0 ? text.p : ""), text.n,
		options | PCRE2_AUTO_CALLOUT | PCRE2_NO_AUTO_POSSESS, &code,
		&at, NULL);

	if (p != NULL)
		return p;
	if (pcre2_get_error_message(code, why, sizeof(why)) < 0)
		why[0] = '\0';
	warn(l, rule,
	     "the pattern cannot be read (%s, at octet %zu); the rule "
	     "is left out",
	     (char *)why, (size_t)at);
	return NULL;
}

/* Of POSIX: '.' takes a line end and '$' is the very end, but with m. */
static pcre2_code *
compile_posix(struct loading *l, const struct rule *rule, struct str text,
	      uint32_t flags)
{
	struct buf out = BUF_INIT(TRANSLATION_MAX_OCTETS);
	bool is_extended = (flags & PCRE2_EXTENDED) != 0;
	uint32_t options = flags & (PCRE2_CASELESS | PCRE2_MULTILINE);
	const char *why = NULL;
	pcre2_code *p = NULL;

	if ((flags & PCRE2_MULTILINE) == 0)
		options |= PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY;
	if (posix_translate(text, is_extended, &out, &why) == OK)
		p = compile(l, rule, buf_str(&out), options);
	else
		warn(l, rule,
		     "the pattern cannot be read (%s); the rule is "
		     "left out",
		     why ? why : "too long");
	buf_release(&out);
	return p;
}

/* Takes "/pattern/flags" off the front. False: told. */
static bool
take_pattern(struct loading *l, const struct rule *rule, struct str *rest,
	     struct pattern *out)
{
	enum rules_kind kind = l->r->options.kind;
	uint32_t flags = PCRE2_CASELESS |
			 (kind == RULES_PCRE ? PCRE2_DOTALL : PCRE2_EXTENDED);
	struct str before, text;

	while (rest->n > 0 &&
	       (rest->p[0] == '!' || cflines_is_space(rest->p[0]))) {
		out->is_negated ^= rest->p[0] == '!';
		*rest = str_from(*rest, 1);
	}
	before = *rest;
	if (rest->n == 0 || !take_delimited(rest, &text)) {
		warn(l, rule,
		     "no pattern, or nothing closes it; the rule is left out; "
		     "write /pattern/ value");
		return false;
	}
	while (rest->n > 0 && !cflines_is_space(rest->p[0]) &&
	       (kind == RULES_PCRE || rest->p[0] != '!')) {
		if (!toggle(kind, rest->p[0], &flags)) {
			warn(l, rule,
			     "there is no flag \"%c\"; the rule is left out",
			     ascii_is_print(rest->p[0]) ? rest->p[0] : '?');
			return false;
		}
		*rest = str_from(*rest, 1);
	}
	out->text = str_first(before, before.n - rest->n);
	out->code =
		kind == RULES_PCRE
			? compile(l, rule, text,
				  flags | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF)
			: compile_posix(l, rule, text, flags);
	if (out->code != NULL)
		pcre2_pattern_info(out->code, PCRE2_INFO_CAPTURECOUNT,
				   &out->n_groups);
	return out->code != NULL;
}

/* ---- $1 ---- */

/* What stands behind a '$': the octets it takes; 0: no name. *name_out is
 * empty for "$$". */
static size_t
take_name(struct str text, struct str *name_out)
{
	char open = text.n > 0 ? text.p[0] : '\0';
	size_t n = 0;

	*name_out = S("");
	if (open == '$')
		return 1;
	if (open == '{' || open == '(') {
		ptrdiff_t end = str_chr(text, open == '{' ? '}' : ')');

		if (end <= 1)
			return 0;
		*name_out = str_sub(text, 1, (size_t)end - 1);
		return (size_t)end + 1;
	}
	while (n < text.n && (ascii_is_alpha(text.p[n]) ||
			      ascii_is_digit(text.p[n]) || text.p[n] == '_'))
		n++;
	*name_out = str_first(text, n);
	return n;
}

/* *max_out: the highest number; *has_dollar_out: is there any '$'? False: bad
 * syntax. */
static bool
scan_value(struct str value, uint64_t *max_out, bool *has_dollar_out)
{
	*max_out = 0;
	*has_dollar_out = false;
	for (;;) {
		ptrdiff_t dollar = str_chr(value, '$');
		struct str name;
		uint64_t number;
		size_t n;

		if (dollar < 0)
			return true;
		*has_dollar_out = true;
		value = str_from(value, (size_t)dollar + 1);
		n = take_name(value, &name);
		if (n == 0)
			return false;
		if (name.n > 0 &&
		    (!str_to_u64(name, FOUND_MAX - 1, &number) || number == 0))
			return false;
		if (name.n > 0 && number > *max_out)
			*max_out = number;
		value = str_from(value, n);
	}
}

/* Why the value cannot stand behind its pattern; NULL: it can. */
static const char *
why_not_value(const struct loading *l, struct rule *rule)
{
	uint64_t max;

	if (!scan_value(rule->value, &max, &rule->has_substitution))
		return "behind '$' no number of a group; write $1, ${1}, or $$ "
		       "for the sign itself";
	if (max > 0 && rule->first.is_negated)
		return "$1 has no meaning behind a pattern with '!'";
	if (max > rule->first.n_groups)
		return "the pattern has not so many groups as the value says";
	if (max > 0 && l->r->options.is_no_substitution)
		return "$1 is not possible in this map";
	return NULL;
}

struct found {
	struct str key;
	const PCRE2_SIZE *ends; // pairs
	uint32_t n;
};

static enum err
substitute(struct arena *arena, struct str value, const struct found *found,
	   struct str *out)
{
	struct buf b = BUF_INIT(VALUE_MAX_OCTETS);
	enum err e = OK;

	while (e == OK && value.n > 0) {
		ptrdiff_t dollar = str_chr(value, '$');
		size_t n = dollar < 0 ? value.n : (size_t)dollar;
		struct str name;
		uint64_t i = 0;

		e = buf_add(&b, str_first(value, n));
		value = str_from(value, n + (dollar >= 0));
		if (e != OK || dollar < 0)
			continue;
		value = str_from(value, take_name(value, &name));
		if (name.n == 0)
			e = buf_addc(&b, '$');
		else if (str_to_u64(name, FOUND_MAX, &i) && i < found->n &&
			 found->ends[2 * i] != PCRE2_UNSET)
			e = buf_add(&b, str_sub(found->key, found->ends[2 * i],
						found->ends[2 * i + 1] -
							found->ends[2 * i]));
	}
	if (e == OK)
		e = arena_str(arena, buf_str(&b), out);
	buf_release(&b);
	return e;
}

/* ---- reading ---- */

static enum err
keep(struct loading *l, const struct rule *rule)
{
	struct rules *r = l->r;

	if (r->n == r->cap) {
		size_t cap = r->cap == 0 ? FIRST_RULES : r->cap * 2;
		struct rule *bigger =
			arena_array(l->arena, cap, sizeof(*bigger));

		if (bigger == NULL)
			return ERR_LIMIT;
		if (r->n > 0)
			memcpy(bigger, r->list, r->n * sizeof(*bigger));
		r->list = bigger;
		r->cap = cap;
	}
	r->list[r->n++] = *rule;
	return OK;
}

static void
drop(struct rule *rule)
{
	pcre2_code_free(rule->first.code);
	pcre2_code_free(rule->second.code);
}

/* Takes "network/bits" off the front. False: told. */
static bool
take_network(struct loading *l, struct rule *rule, struct str *rest)
{
	struct str before = *rest, text;
	const char *why;
	size_t n = 0;

	while (rest->n > 0 &&
	       (rest->p[0] == '!' || cflines_is_space(rest->p[0]))) {
		rule->first.is_negated ^= rest->p[0] == '!';
		*rest = str_from(*rest, 1);
	}
	while (n < rest->n && !cflines_is_space(rest->p[n]))
		n++;
	text = str_first(*rest, n);
	*rest = str_from(*rest, n);
	rule->first.text = str_first(before, before.n - rest->n);
	rule->is_v6 = str_chr(text, ':') >= 0;
	if (!str_istarts(text, S("IPv6:")) &&
	    cidr_parse(text, &rule->net, &why))
		return true;
	warn(l, rule, "%.*s: %s; the rule is left out",
	     STR(str_first(text, 100)),
	     str_istarts(text, S("IPv6:")) ? "write it without IPv6:" : why);
	return false;
}

static bool
take_condition(struct loading *l, struct rule *rule, struct str *rest)
{
	if (l->r->options.kind == RULES_CIDR)
		return take_network(l, rule, rest);
	if (!take_pattern(l, rule, rest, &rule->first))
		return false;
	if (rule->operation == OP_IF || !str_starts(*rest, S("!")))
		return true;
	*rest = str_from(*rest, 1);
	rule->second.is_negated = true;
	return take_pattern(l, rule, rest, &rule->second);
}

static enum err
take_match(struct loading *l, struct rule *rule, struct str rest)
{
	const char *why = NULL;
	bool is_good = take_condition(l, rule, &rest);

	rule->value = cflines_trim(rest);
	if (is_good && rule->value.n == 0) {
		bool is_cidr = l->r->options.kind == RULES_CIDR;

		warn(l, rule, "no value behind the pattern; %s",
		     is_cidr ? "the rule is left out"
			     : "what it matches is put off");
		is_good = !is_cidr;
	}
	if (is_good && l->r->options.kind != RULES_CIDR)
		why = why_not_value(l, rule);
	if (why != NULL)
		warn(l, rule, "%s; the rule is left out", why);
	if (is_good && why == NULL && keep(l, rule) == OK)
		return OK;
	drop(rule);
	return is_good && why == NULL ? ERR_LIMIT : OK;
}

static enum err
take_if(struct loading *l, struct rule *rule, struct str rest)
{
	enum err e;

	rule->operation = OP_IF;
	rule->end = SIZE_MAX;
	if (!take_condition(l, rule, &rest)) {
		drop(rule);
		return OK;
	}
	if (cflines_trim(rest).n > 0)
		warn(l, rule,
		     "what stands behind the pattern of \"if\" has no "
		     "effect");
	if (l->depth == NESTING_MAX) {
		drop(rule);
		return ERR_LIMIT;
	}
	e = keep(l, rule);
	if (e != OK)
		drop(rule);
	else
		l->open[l->depth++] = l->r->n - 1;
	return e;
}

static enum err
take_endif(struct loading *l, struct rule *rule)
{
	if (l->depth == 0) {
		warn(l, rule, "\"endif\" without \"if\"; it has no effect");
		return OK;
	}
	l->r->list[l->open[--l->depth]].end = l->r->n;
	return OK;
}

static bool
is_word(struct str text, struct str word)
{
	return str_istarts(text, word) &&
	       (text.n == word.n || (!ascii_is_alpha(text.p[word.n]) &&
				     !ascii_is_digit(text.p[word.n])));
}

static enum err
take_line(struct loading *l, const struct cfline *line)
{
	struct rule rule = { .line = l->inline_line ? l->inline_line
						    : line->line,
			     .is_guarded = l->depth > 0 };
	struct str text = cflines_trim(line->text);

	if (line->is_orphan)
		warn(l, &rule,
		     "the line begins with a blank but continues "
		     "nothing; remove the blank");
	if (is_word(text, S("if")))
		return take_if(l, &rule, cflines_trim(str_from(text, 2)));
	if (is_word(text, S("endif")))
		return take_endif(l, &rule);
	if (l->r->options.kind != RULES_CIDR && text.n > 0 &&
	    (ascii_is_alpha(text.p[0]) || ascii_is_digit(text.p[0]))) {
		warn(l, &rule,
		     "neither a pattern nor if or endif; the line is "
		     "left out; write /pattern/ value");
		return OK;
	}
	return take_match(l, &rule, text);
}

/* "{{rule}, {rule}}": takes one rule; ERR_EOF behind the last. */
static enum err
next_inline(struct str *rest, struct cfline *out)
{
	size_t level = 0;

	while (rest->n > 0 &&
	       (rest->p[0] == ',' || cflines_is_space(rest->p[0])))
		*rest = str_from(*rest, 1);
	if (rest->n == 0)
		return ERR_EOF;
	if (rest->p[0] != '{')
		return ERR_FORMAT;
	for (size_t i = 0; i < rest->n; i++) {
		level += rest->p[i] == '{';
		level -= rest->p[i] == '}';
		if (level > 0)
			continue;
		*out = (struct cfline) { .text = cflines_trim(
						 str_sub(*rest, 1, i - 1)) };
		*rest = str_from(*rest, i + 1);
		return OK;
	}
	return ERR_FORMAT;
}

static enum err
load_inline(struct loading *l, struct str text)
{
	struct cfline line;
	enum err e = OK;

	if (!str_starts(text, S("{")) || !str_ends(text, S("}")) || text.n < 2)
		return ERR_FORMAT;
	text = str_sub(text, 1, text.n - 2);
	while (e == OK) {
		e = next_inline(&text, &line);
		if (e == OK && line.text.n > 0 && line.text.p[0] != '#')
			e = take_line(l, &line);
	}
	return e;
}

static enum err
load_file(struct loading *l, struct str bytes)
{
	struct cflines lines;
	struct cfline line;
	enum err e = OK;

	cflines_init(&lines, bytes, l->arena);
	while (e == OK) {
		e = cflines_next(&lines, &line);
		if (e == OK)
			e = take_line(l, &line);
	}
	return e;
}

/* An "if" that nothing closes reaches to the end. */
static void
close_all(struct loading *l)
{
	while (l->depth > 0) {
		struct rule *rule = &l->r->list[l->open[--l->depth]];

		rule->end = l->r->n;
		warn(l, rule, "no \"endif\" closes this \"if\"");
	}
}

enum err
rules_load(struct arena *arena, struct str file, uint32_t line,
	   struct str bytes, bool is_inline,
	   const struct rules_options *options, struct diag *d,
	   struct rules **out)
{
	struct loading *l = must_alloc(sizeof(*l));
	enum err e;

	*out = NULL;
	*l = (struct loading) { .r = must_alloc(sizeof(*l->r)),
				.arena = arena,
				.file = file,
				.inline_line = is_inline ? line : 0,
				.d = d };
	l->r->options = *options;
	e = is_inline ? load_inline(l, bytes) : load_file(l, bytes);
	if (e == ERR_FORMAT)
		diag_error(d, file, line,
			   "the braces of \"%.*s\" are not right; write "
			   "{{rule}, {rule}}",
			   STR(str_first(bytes, 200)));
	close_all(l);
	if (e == ERR_EOF)
		e = OK;
	else
		rules_free(&l->r);
	*out = l->r;
	free(l);
	return e;
}

void
rules_free(struct rules **rules)
{
	struct rules *r = *rules;

	if (r == NULL)
		return;
	for (size_t i = 0; i < r->n; i++)
		drop(&r->list[i]);
	free(r);
	*rules = NULL;
}

/* ---- asking ---- */

struct asking {
	const struct rules *r;
	struct str key;
	pcre2_match_context *context;
	pcre2_match_data *data;
	uint32_t n_steps;
	uint64_t *steps_left; // of the caller, or NULL
	/* cidr */
	bool is_address, is_v6;
	uint8_t address[16];
};

/* False: a bound is met. */
static bool
take_steps(struct asking *a, size_t n)
{
	a->n_steps += (uint32_t)n;
	if (a->n_steps > STEPS_MAX)
		return false;
	if (a->steps_left == NULL)
		return true;
	if (*a->steps_left < n) {
		*a->steps_left = 0; // how who asked knows
		return false;
	}
	*a->steps_left -= n;
	return true;
}

static int
count_step(pcre2_callout_block *block UNUSED, void *user)
{
	return take_steps(user, 1) ? 0 : PCRE2_ERROR_CALLOUT;
}

static enum err
begin_patterns(struct asking *a)
{
	if (a->r->options.kind == RULES_CIDR)
		return OK;
	a->context = pcre2_match_context_create(NULL);
	a->data = pcre2_match_data_create(FOUND_MAX, NULL);
	if (a->context == NULL || a->data == NULL)
		return ERR_LIMIT;
	pcre2_set_match_limit(a->context, MATCH_MAX);
	pcre2_set_depth_limit(a->context, DEPTH_MAX);
	pcre2_set_heap_limit(a->context, HEAP_MAX_KIB);
	pcre2_set_callout(a->context, count_step, a);
	return OK;
}

/* OK, ERR_NOT_FOUND, or ERR_UNAVAILABLE: a bound was met. */
static enum err
run_pattern(struct asking *a, const struct pattern *p, struct found *found)
{
	int n;

	/* The search for a first octet that fits is no step of a pattern. */
	if (!take_steps(a, 1 + a->key.n / SEARCH_OCTETS_A_STEP))
		return ERR_UNAVAILABLE;
	n = pcre2_match(p->code, (PCRE2_SPTR)a->key.p, a->key.n, 0, 0, a->data,
			a->context);

	if (n < 0 && n != PCRE2_ERROR_NOMATCH)
		return ERR_UNAVAILABLE;
	*found = (struct found) { a->key, pcre2_get_ovector_pointer(a->data),
				  n < 0	   ? 0
				  : n == 0 ? FOUND_MAX
					   : (uint32_t)n };
	return (n >= 0) != p->is_negated ? OK : ERR_NOT_FOUND;
}

static enum err
run_network(const struct asking *a, const struct rule *rule)
{
	struct cidr_list one = { (struct cidr[]) { rule->net }, 1 };

	if (!a->is_address || a->is_v6 != rule->is_v6)
		return ERR_NOT_FOUND;
	return cidr_list_has(&one, a->address) != rule->first.is_negated
		       ? OK
		       : ERR_NOT_FOUND;
}

static enum err
run_rule(struct asking *a, const struct rule *rule, struct found *found)
{
	struct found ignored;
	enum err e;

	if (a->r->options.kind == RULES_CIDR)
		return run_network(a, rule);
	if (rule->second.code != NULL) {
		e = run_pattern(a, &rule->second, &ignored);
		if (e != OK)
			return e;
	}
	return run_pattern(a, &rule->first, found);
}

static enum err
ask_all(struct asking *a, struct arena *arena, struct str *value_out,
	uint32_t *line_out)
{
	const struct rules *r = a->r;
	struct found found = { 0 };

	for (size_t i = 0; i < r->n; i++) {
		const struct rule *rule = &r->list[i];
		enum err e = run_rule(a, rule, &found);

		if (e == ERR_UNAVAILABLE) {
			*line_out = rule->line;
			*value_out = S("the pattern takes too many steps");
			return e;
		}
		if (rule->operation == OP_IF) {
			if (e != OK)
				i = rule->end - 1;
			continue;
		}
		if (e != OK)
			continue;
		*line_out = rule->line;
		*value_out = rule->value;
		return rule->has_substitution ? substitute(arena, rule->value,
							   &found, value_out)
					      : OK;
	}
	return ERR_NOT_FOUND;
}

enum err
rules_find(const struct rules *r, struct str key, struct arena *arena,
	   uint64_t *steps_left, struct str *value_out, uint32_t *line_out)
{
	struct asking a = { .r = r, .key = key, .steps_left = steps_left };
	enum err e;

	*line_out = 0;
	if (key.n > KEY_MAX_OCTETS) {
		*value_out = S("the key is too long for patterns");
		return ERR_UNAVAILABLE;
	}
	if (key.p == NULL)
		a.key = S("");
	a.is_v6 = str_chr(key, ':') >= 0;
	if (r->options.kind == RULES_CIDR)
		a.is_address = !str_starts(key, S("[")) &&
			       !str_istarts(key, S("IPv6:")) &&
			       cidr_address(key, a.address);
	e = begin_patterns(&a);
	if (e == OK)
		e = ask_all(&a, arena, value_out, line_out);
	pcre2_match_data_free(a.data);
	pcre2_match_context_free(a.context);
	return e;
}

bool
rules_next(const struct rules *r, size_t *at, struct rule_view *out)
{
	while (*at < r->n) {
		const struct rule *rule = &r->list[(*at)++];

		if (rule->operation != OP_MATCH)
			continue;
		*out = (struct rule_view) {
			.line = rule->line,
			.pattern = rule->first.text,
			.value = rule->value,
			.is_negated = rule->first.is_negated,
			.is_guarded = rule->is_guarded,
			.net = r->options.kind == RULES_CIDR ? &rule->net
							     : NULL,
			.is_v6 = rule->is_v6,
		};
		return true;
	}
	return false;
}
