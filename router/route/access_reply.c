/* SPDX-License-Identifier: MIT
 * router/route/access_reply.c - the words of a decision: strings, replies,
 * orders.
 *
 * Process: router.  Standards: RFC 3463 (codes).
 * Owns: nothing; works in the caller's arena. Invariants: those of access.c.
 */
#include "router/route/access_private.h"

#include "lib/mail/cflines.h"

struct str
access_text(struct eval *e, const char *format, ...)
{
	struct buf b = BUF_INIT(NEED_MAX_OCTETS);
	struct str s = S("");
	va_list ap;

	va_start(ap, format);
	if (buf_vaddf(&b, format, ap) != OK ||
	    arena_str(e->arena, buf_str(&b), &s) != OK) {
		e->is_full = true;
		s = S("");
	}
	va_end(ap);
	buf_release(&b);
	return s;
}

struct str
access_lower(struct eval *e, struct str s)
{
	struct str lower = S("");

	if (arena_lower(e->arena, s, &lower) != OK)
		e->is_full = true;
	return lower;
}

bool
access_is_literal(struct str domain)
{
	return str_starts(domain, S("["));
}

struct str
access_without_dot(struct str name)
{
	if (str_ends(name, S(".")))
		name.n--;
	return name;
}

unsigned
access_code(const struct eval *e, const char *name)
{
	uint64_t n = settings_number(e->policy->settings, name);

	return n >= 400 && n <= 599 ? (unsigned)n : 451;
}

struct str
access_rule_text(struct eval *e)
{
	if (e->rule == NULL)
		return e->list != NULL ? e->list->name : S("");
	return access_text(e, "%.*s%s%.*s (%.*s %.*s:%u)", STR(e->rule->word),
			   e->rule->argument.n > 0 ? " " : "",
			   STR(e->rule->argument), STR(e->list->name),
			   STR(e->list->file), e->list->line);
}

void
access_order(struct eval *e, enum access_effect_kind kind, struct str text)
{
	struct access_result *r = e->out;

	if (r->n_effects == ACCESS_EFFECTS_MAX)
		return;
	r->effects[r->n_effects++] =
		(struct access_effect) { kind, str_first(text, TEXT_MAX_OCTETS),
					 access_rule_text(e) };
}

/* The subject and detail of a code fit who is spoken about: a sender is not an
 * unknown mailbox, and neither belongs into HELO (RFC 3463 3.2). */
static struct str
fix_dsn(struct eval *e, unsigned code, struct str dsn, const char *class)
{
	static const char *const sender[] = { "1.0", "1.0", "1.8", "1.7", "1.0",
					      "1.0", "1.0", "1.7", "1.8" };
	static const char *const rcpt[] = { "1.0", "1.1", "1.2", "1.3", "1.4",
					    "1.5", "1.6", "1.3", "1.2" };
	bool is_address = dsn.n >= 5 && dsn.p[2] == '1' && dsn.p[3] == '.';
	size_t i = is_address && dsn.n == 5 ? (size_t)(dsn.p[4] - '0') : 9;
	const char *rest = NULL;

	if (is_address && strcmp(class, "Sender address") == 0)
		rest = i < 9 ? sender[i] : "1.0";
	else if (is_address && strcmp(class, "Recipient address") == 0)
		rest = i < 9 ? rcpt[i] : "1.0";
	else if (is_address)
		rest = "0.0";
	if (rest != NULL)
		return access_text(e, "%u.%s", code / 100, rest);
	return access_text(e, "%u.%.*s", code / 100, STR(str_from(dsn, 2)));
}

enum status
access_refuse(struct eval *e, const struct scope *s, unsigned code,
	      const char *dsn, struct str text)
{
	struct access_reply reply = {
		.code = code,
		.dsn = fix_dsn(e, code, str_c(dsn), s->class),
		.text = text,
	};

	if (e->is_warning) {
		access_order(e, EFFECT_NOTE,
			     access_text(e, "reject_warning: %u %.*s %.*s",
					 code, STR(reply.dsn), STR(text)));
		return DUNNO;
	}
	if (e->if_reject.code != 0 && code >= 500)
		reply = e->if_reject;
	e->out->outcome = ACCESS_REFUSE;
	e->out->reply = reply;
	e->out->is_hang_up = code == 421 || code == 521;
	e->out->rule = access_rule_text(e);
	return REFUSED;
}

/* "<name>: class rejected: why". */
enum status
access_reject(struct eval *e, const struct scope *s, unsigned code,
	      const char *dsn, const char *why)
{
	return access_refuse(e, s, code, dsn,
			     access_text(e, "<%.*s>: %s rejected: %s",
					 STR(str_first(s->name, 256)), s->class,
					 why));
}

/* Remembers the first reason to put off; it counts at the end. */
enum status
access_defer_if(struct eval *e, const struct scope *s,
		struct access_reply *which, unsigned code, const char *dsn,
		struct str why)
{
	if (e->is_warning || which->code != 0)
		return DUNNO;
	which->code = code;
	which->dsn = fix_dsn(e, code, str_c(dsn), s->class);
	which->text =
		access_text(e, "<%.*s>: %s rejected: %.*s",
			    STR(str_first(s->name, 256)), s->class, STR(why));
	return DUNNO;
}

/* Something of ours is wrong: 451, and the log says what. */
enum status
access_broken(struct eval *e, const struct scope *s, struct str why)
{
	access_order(e, EFFECT_NOTE, why);
	return access_refuse(e, s, 451, "4.3.5",
			     S("Server configuration error"));
}

/* Takes "5.7.1 " from the front of a text. */
struct str
access_take_dsn(struct str *text)
{
	struct str t = *text;
	size_t n = 0, n_dots = 0;

	while (n < t.n && (ascii_is_digit(t.p[n]) || t.p[n] == '.'))
		n_dots += t.p[n++] == '.';
	if (n_dots != 2 || n < 5 || n > 9 || t.p[1] != '.' ||
	    strchr("245", t.p[0]) == NULL ||
	    (n < t.n && !cflines_is_space(t.p[n])) || t.p[n - 1] == '.')
		return S("");
	*text = cflines_trim(str_from(t, n));
	return str_first(t, n);
}
