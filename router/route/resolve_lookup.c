/* SPDX-License-Identifier: MIT
 * router/route/resolve_lookup.c - asks tables, lists of domains and accounts,
 * and tells the trace of each.
 *
 * Process: router.  Standards: none; keys are tried in the order of virtual(5).
 * Invariants: those of resolve_private.h, which stand and fall here.
 */
#include "router/route/resolve_private.h"

#include "lib/mail/address.h"

/* ---- trace ---- */

void
resolve_say(struct resolver *r, const char *format, ...)
{
	va_list ap;
	size_t from;

	if (r->trace == NULL || r->trace_err != OK)
		return;
	from = r->trace->n;
	va_start(ap, format);
	r->trace_err = buf_vaddf(r->trace, format, ap);
	va_end(ap);
	for (size_t i = from; i < r->trace->n; i++)
		if ((unsigned char)r->trace->p[i] < 0x20 ||
		    r->trace->p[i] == 0x7f)
			r->trace->p[i] = '?';
	if (r->trace_err == OK)
		r->trace_err = buf_addc(r->trace, '\n');
}

void
resolve_say_setting(struct resolver *r, const char *name, struct str what)
{
	const struct setting *v = settings_find(&r->c->settings, name);

	if (v != NULL && v->line > 0)
		resolve_say(r, "%s (%.*s:%u): %.*s", name, STR(v->file),
			    v->line, STR(what));
	else
		resolve_say(r, "%s: %.*s", name, STR(what));
}

/* ---- extensions ---- */

/* Names that mean the same with any delimiter in them. */
static bool
is_never_split(struct str local)
{
	return str_ieq(local, S("postmaster")) ||
	       str_ieq(local, S("mailer-daemon")) ||
	       str_ieq(local, S("double-bounce"));
}

/* "owner-x" and "x-request" name people of a list, whatever '-' delimits. */
static bool
is_of_a_list(struct str local)
{
	return (local.n > 6 && str_istarts(local, S("owner-"))) ||
	       (local.n > 8 && str_iends(local, S("-request")));
}

/* The extension with its delimiter: "+ext" of "user+ext", "+" of "user+";
 * empty when there is none. The user is not empty. */
struct str
route_extension(const struct config *c, struct str local)
{
	struct str delimiters =
		settings_text(&c->settings, "recipient_delimiter");

	if (is_never_split(local) ||
	    (str_chr(delimiters, '-') >= 0 && is_of_a_list(local)))
		return S("");
	for (size_t i = 0; i < local.n; i++)
		if (str_chr(delimiters, local.p[i]) >= 0)
			return i > 0 ? str_from(local, i) : S("");
	return S("");
}

/* ---- tables ---- */

/* Tells of each table that the answer did not come from. */
static void
say_misses(struct resolver *r, const struct table_list *tables,
	   enum table_part part, struct str key, const struct table *by)
{
	for (size_t i = 0; r->trace != NULL && i < tables->n; i++) {
		const struct table *t = &tables->list[i];

		if (t == by)
			return;
		if (part == TABLE_WHOLE || !t->is_pattern)
			resolve_say(r, "%.*s: \"%.*s\" is not in %.*s",
				    STR(tables->what), STR(key),
				    STR(t->line > 0 ? t->name : t->file));
	}
}

enum err
resolve_look_up(struct resolver *r, const struct table_list *tables,
		struct str key, enum table_part part, struct table_answer *out)
{
	struct table_ask ask = { r->arena, r->remote, NULL };
	bool is_secret = tables == &r->c->sasl;
	const struct table *by = NULL;
	enum err e = table_list_find(tables, key, part, &ask, out, &by);

	say_misses(r, tables, part, key, e == ERR_NOT_FOUND ? NULL : by);
	if (e == ERR_MORE) {
		r->is_asking = true;
		r->is_deferred = true;
		return ERR_UNAVAILABLE;
	}
	if (e == ERR_UNAVAILABLE) {
		r->is_deferred = true;
		resolve_say(r, "%.*s: %.*s is not available (%.*s): put off",
			    STR(tables->what), STR(by->name), STR(out->why));
	}
	if (e == OK && out->line > 0)
		resolve_say(r, "%.*s: \"%.*s\" is in %.*s:%u: %.*s",
			    STR(tables->what), STR(key), STR(out->file),
			    out->line,
			    STR(is_secret ? S("(a password)") : out->value));
	else if (e == OK)
		resolve_say(r, "%.*s: \"%.*s\" is in %.*s: %.*s",
			    STR(tables->what), STR(key), STR(by->name),
			    STR(is_secret ? S("(a password)") : out->value));
	return e;
}

/* ---- lists of domains ---- */

/* A table in a list of domains; in relay_domains parents count as well, but
 * not for patterns. ERR_NOT_FOUND, ERR_UNAVAILABLE, ERR_MORE. */
static enum err
find_in_list(struct resolver *r, enum config_domain_list list,
	     struct str domain)
{
	const struct table_list *tables = &r->c->domain_tables[list];
	struct table_ask ask = { r->arena, r->remote, NULL };
	bool is_deep = list == DOMAINS_OF_RELAY &&
		       settings_lists(&r->c->settings,
				      "parent_domain_matches_subdomains",
				      S("relay_domains"));
	struct table_answer answer;
	enum table_part part = TABLE_WHOLE;
	enum err e = ERR_NOT_FOUND;

	while (e == ERR_NOT_FOUND && domain.n > 0) {
		ptrdiff_t dot = str_chr(domain, '.');

		e = table_list_find(tables, domain, part, &ask, &answer, NULL);
		if (dot < 0 || !is_deep)
			break;
		domain = str_from(domain, (size_t)dot + 1);
		part = TABLE_PART;
	}
	if (e == OK)
		resolve_say(r, "%.*s: %.*s is in %.*s", STR(tables->what),
			    STR(domain), STR(answer.file));
	return e;
}

static bool
has_domain_tables(const struct config *c)
{
	for (size_t i = 0; i < DOMAIN_LISTS; i++)
		if (c->domain_tables[i].n > 0)
			return true;
	return false;
}

static enum err
ask_lists(struct resolver *r, struct str domain, unsigned excluded,
	  unsigned *flags)
{
	enum err e = arena_lower(r->arena, domain, &domain);

	for (unsigned i = 0; i < DOMAIN_LISTS; i++) {
		enum err found;

		if (e != OK || r->c->domain_tables[i].n == 0 ||
		    ((*flags | excluded) & 1u << i) != 0)
			continue;
		found = find_in_list(r, (enum config_domain_list)i, domain);
		if (found == OK)
			*flags |= 1u << i;
		else if (found != ERR_NOT_FOUND)
			e = found;
	}
	return e;
}

static void
look_at_domain(struct resolver *r, struct str domain)
{
	const struct config *c = r->c;
	const struct config_domain *d = config_domain(c, domain);

	r->seen_domain = domain;
	r->seen_flags = d == NULL ? 0 : d->flags;
	r->seen_err = OK;
	if ((r->seen_flags & DOMAIN_RELAY) == 0 &&
	    settings_text(&c->settings, "relay_domains").n > 0 &&
	    config_is_relay_domain(c, domain))
		r->seen_flags |= DOMAIN_RELAY;
	if (domain.n > 0 && has_domain_tables(c))
		r->seen_err = ask_lists(r, domain, d == NULL ? 0 : d->excluded,
					&r->seen_flags);
}

unsigned
resolve_domain_flags(struct resolver *r, struct str domain)
{
	if (r->seen_domain.n == 0 || !str_eq(domain, r->seen_domain))
		look_at_domain(r, domain);
	if (r->seen_err != OK)
		r->is_deferred = true;
	if (r->seen_err == ERR_MORE)
		r->is_asking = true;
	return r->seen_flags;
}

/* Does a domain have users known by their local part alone? */
static bool
has_local_forms(struct resolver *r, struct str domain)
{
	return str_ieq(domain, settings_text(&r->c->settings, "myorigin")) ||
	       (resolve_domain_flags(r, domain) & DOMAIN_MYDESTINATION) != 0;
}

/* ---- addresses ---- */

enum err
resolve_find(struct resolver *r, const struct table_list *tables,
	     struct str address, bool is_domain_tried, struct table_answer *out,
	     struct str *extension_out)
{
	struct str local = address_local_of(address),
		   domain = address_domain_of(address);
	struct str extension = route_extension(r->c, local), base, key;
	enum err e;

	*extension_out = S("");
	if (tables->n == 0)
		return ERR_NOT_FOUND;
	base = str_first(local, local.n - extension.n);
	e = resolve_look_up(r, tables, address, TABLE_WHOLE, out);
	if (e == ERR_NOT_FOUND && extension.n > 0) {
		e = arena_join(r->arena, base, S("@"), domain, &key);
		if (e == OK)
			e = resolve_look_up(r, tables, key, TABLE_PART, out);
		if (e == OK)
			*extension_out = extension;
	}
	if (e == ERR_NOT_FOUND && has_local_forms(r, domain)) {
		e = resolve_look_up(r, tables, local, TABLE_PART, out);
		if (e == ERR_NOT_FOUND && extension.n > 0) {
			e = resolve_look_up(r, tables, base, TABLE_PART, out);
			if (e == OK)
				*extension_out = extension;
		}
	}
	if (e == ERR_NOT_FOUND && is_domain_tried) {
		e = arena_join(r->arena, S("@"), domain, S(""), &key);
		if (e == OK)
			e = resolve_look_up(r, tables, key, TABLE_PART, out);
	}
	return e;
}

const struct config_account *
resolve_find_account(struct resolver *r, struct str address,
		     struct str *extension_out)
{
	struct str local = address_local_of(address), base;
	struct str extension = route_extension(r->c, local);
	const struct config_account *a = config_account(r->c, address);

	*extension_out = S("");
	if (a != NULL || extension.n == 0)
		return a;
	if (arena_join(r->arena, str_first(local, local.n - extension.n),
		       S("@"), address_domain_of(address), &base) != OK)
		return NULL;
	a = config_account(r->c, base);
	if (a != NULL)
		*extension_out = str_from(extension, 1);
	return a;
}

bool
resolve_is_local(struct resolver *r, struct str domain)
{
	return (resolve_domain_flags(r, domain) & DOMAIN_LOCAL) != 0;
}

bool
resolve_is_postmaster(struct str address)
{
	return str_ieq(address_local_of(address), S("postmaster"));
}

enum err
route_find_address(const struct config *c, const struct table_list *tables,
		   struct str address, struct arena *arena,
		   struct remote *remote, struct str *value_out)
{
	struct resolver r = { .c = c, .arena = arena, .remote = remote };
	struct table_answer answer;
	struct str ignored;
	enum err e = resolve_find(&r, tables, address, true, &answer, &ignored);

	if (e == OK)
		*value_out = answer.value;
	return r.is_asking ? ERR_MORE : e;
}
