/* SPDX-License-Identifier: MIT
 * router/route/resolve.c - see resolve.h.
 *
 * Process: router.  Standards: RFC 5321 4.5.1 (postmaster), RFC 3463 (codes);
 * lookup orders are those of virtual(5), transport(5), relocated(5).
 * Owns: nothing; works in the caller's arena.
 * Invariants:
 *  (1) r->is_deferred is set when any table that was asked is not available;
 *      the answer is then "put off", whatever else was found.
 *  (2) Lookups change nothing; a trace sees exactly the lookups that decide.
 *  (3) r->is_asking is set when a table of another host lacks an answer; all
 *      that was found is then dropped, and ERR_MORE is the result.
 */
#include "router/route/resolve.h"

#include "lib/mail/address.h"
#include "lib/mail/nexthop.h"
#include "router/route/masquerade.h"

enum {
	FIRST_EXPANSION = 8,
	EXPANSION_MAX = 1000, // virtual_alias_expansion_limit
	ROUNDS_MAX = 1000,    // virtual_alias_recursion_limit
	/* What lib/ipc carries; virtual_alias_address_length_limit is 1000. */
	ADDRESS_MAX_OCTETS = ROUTER_ADDRESS_MAX_OCTETS,
	WORK_MAX_OCTETS = 32 << 20,
	REWRITES_MAX = 10,
	STEPS_MAX = 20000, // lookups of aliases for one recipient
};

/* docker-mailserver's way to its own mailboxes, which are here. */
#define DOVECOT_SOCKET "lmtp:unix:/var/run/dovecot/lmtp"

struct resolver {
	const struct config *c;
	struct arena *arena;
	struct str sender, rcpt;
	struct buf *trace; // NULL: nobody looks
	enum err trace_err;
	bool is_deferred;
	struct remote *remote; // NULL: no other host can be asked
	bool is_asking;	       // an answer of another host is missing
	/* The domain that was looked up last, and what flags_of() said. */
	struct str seen_domain;
	unsigned seen_flags;
	enum err seen_err;
};

const char *route_class_text(enum route_class class)
{
	static const char *const texts[] = {
		[ROUTE_LOCAL] = "local",     [ROUTE_REMOTE] = "remote",
		[ROUTE_ERROR] = "error",     [ROUTE_RETRY] = "retry",
		[ROUTE_DISCARD] = "discard", [ROUTE_HOLD] = "hold",
	};

	return texts[class];
}

/* ---- trace ---- */

static void PRINTF(2, 3) say(struct resolver *r, const char *format, ...)
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

/* What a setting of main.cf orders, and where it stands. */
static void
say_setting(struct resolver *r, const char *name, struct str what)
{
	const struct setting *v = settings_find(&r->c->settings, name);

	if (v != NULL && v->line > 0)
		say(r, "%s (%.*s:%u): %.*s", name, STR(v->file), v->line,
		    STR(what));
	else
		say(r, "%s: %.*s", name, STR(what));
}

/* ---- strings ---- */

static enum err
join3(struct arena *arena, struct str a, struct str b, struct str c,
      struct str *out)
{
	char *p = arena_alloc(arena, a.n + b.n + c.n + 1);

	if (p == NULL)
		return ERR_LIMIT;
	if (a.n > 0)
		memcpy(p, a.p, a.n);
	if (b.n > 0)
		memcpy(p + a.n, b.p, b.n);
	if (c.n > 0)
		memcpy(p + a.n + b.n, c.p, c.n);
	*out = (struct str) { p, a.n + b.n + c.n };
	return OK;
}

static enum err
lower(struct arena *arena, struct str s, struct str *out)
{
	char *p = arena_alloc(arena, s.n + 1);

	if (p == NULL)
		return ERR_LIMIT;
	for (size_t i = 0; i < s.n; i++)
		p[i] = ascii_lower(s.p[i]);
	*out = (struct str) { p, s.n };
	return OK;
}

static struct str
domain_of(struct str address)
{
	ptrdiff_t at = str_rchr(address, '@');

	return at < 0 ? S("") : str_from(address, (size_t)at + 1);
}

static struct str
local_of(struct str address)
{
	ptrdiff_t at = str_rchr(address, '@');

	return at < 0 ? address : str_first(address, (size_t)at);
}

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
static struct str
extension_of(const struct config *c, struct str local)
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

/* ---- lookups ---- */

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
			say(r, "%.*s: \"%.*s\" is not in %.*s",
			    STR(tables->what), STR(key),
			    STR(t->line > 0 ? t->name : t->file));
	}
}

/* Asks each table of the list for one key. ERR_NOT_FOUND, or ERR_UNAVAILABLE
 * with r->is_deferred set. */
static enum err
lookup(struct resolver *r, const struct table_list *tables, struct str key,
       enum table_part part, struct table_answer *out)
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
		say(r, "%.*s: %.*s is not available (%.*s): put off",
		    STR(tables->what), STR(by->name), STR(out->why));
	}
	if (e == OK && out->line > 0)
		say(r, "%.*s: \"%.*s\" is in %.*s:%u: %.*s", STR(tables->what),
		    STR(key), STR(out->file), out->line,
		    STR(is_secret ? S("(a password)") : out->value));
	else if (e == OK)
		say(r, "%.*s: \"%.*s\" is in %.*s: %.*s", STR(tables->what),
		    STR(key), STR(by->name),
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
		say(r, "%.*s: %.*s is in %.*s", STR(tables->what), STR(domain),
		    STR(answer.file));
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
	enum err e = lower(r->arena, domain, &domain);

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

/* Why a domain is ours, by names and by tables. With r->is_deferred: it cannot
 * be said. */
static unsigned
flags_of(struct resolver *r, struct str domain)
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
	       (flags_of(r, domain) & DOMAIN_MYDESTINATION) != 0;
}

/* ---- addresses ---- */

/* user+ext@dom, user@dom, user+ext and user where the domain is our own, @dom.
 * *extension_out is what the key that was found leaves over; a whole domain
 * leaves nothing. */
static enum err
find_address(struct resolver *r, const struct table_list *tables,
	     struct str address, bool is_domain_tried, struct table_answer *out,
	     struct str *extension_out)
{
	struct str local = local_of(address), domain = domain_of(address);
	struct str extension = extension_of(r->c, local), base, key;
	enum err e;

	*extension_out = S("");
	if (tables->n == 0)
		return ERR_NOT_FOUND;
	base = str_first(local, local.n - extension.n);
	e = lookup(r, tables, address, TABLE_WHOLE, out);
	if (e == ERR_NOT_FOUND && extension.n > 0) {
		e = join3(r->arena, base, S("@"), domain, &key);
		if (e == OK)
			e = lookup(r, tables, key, TABLE_PART, out);
		if (e == OK)
			*extension_out = extension;
	}
	if (e == ERR_NOT_FOUND && has_local_forms(r, domain)) {
		e = lookup(r, tables, local, TABLE_PART, out);
		if (e == ERR_NOT_FOUND && extension.n > 0) {
			e = lookup(r, tables, base, TABLE_PART, out);
			if (e == OK)
				*extension_out = extension;
		}
	}
	if (e == ERR_NOT_FOUND && is_domain_tried) {
		e = join3(r->arena, S("@"), domain, S(""), &key);
		if (e == OK)
			e = lookup(r, tables, key, TABLE_PART, out);
	}
	return e;
}

/* The account that address means: itself, or without its extension. */
static const struct config_account *
find_account(struct resolver *r, struct str address, struct str *extension_out)
{
	struct str local = local_of(address), base;
	struct str extension = extension_of(r->c, local);
	const struct config_account *a = config_account(r->c, address);

	*extension_out = S("");
	if (a != NULL || extension.n == 0)
		return a;
	if (join3(r->arena, str_first(local, local.n - extension.n), S("@"),
		  domain_of(address), &base) != OK)
		return NULL;
	a = config_account(r->c, base);
	if (a != NULL)
		*extension_out = str_from(extension, 1);
	return a;
}

static bool
is_local_domain(struct resolver *r, struct str domain)
{
	return (flags_of(r, domain) & DOMAIN_LOCAL) != 0;
}

static bool
is_postmaster(struct str address)
{
	return str_ieq(local_of(address), S("postmaster"));
}

/* ---- virtual aliases ---- */

struct expansion {
	struct resolver *r;
	struct str *list;
	size_t n, cap;
	unsigned n_steps;
	bool has_failed;	// a limit was met: put off
	bool is_alias;		// at least one entry matched
	struct map self_mapped; // addresses that expand to themselves
	bool is_propagating;	// unmatched extensions go to the targets
};

static enum err
grow(struct expansion *x)
{
	size_t cap = x->cap == 0 ? FIRST_EXPANSION : x->cap * 2;
	struct str *bigger = arena_array(x->r->arena, cap, sizeof(*bigger));

	if (bigger == NULL)
		return ERR_LIMIT;
	if (x->n > 0)
		memcpy(bigger, x->list, x->n * sizeof(*bigger));
	x->list = bigger;
	x->cap = cap;
	return OK;
}

static enum err
append(struct expansion *x, struct str address)
{
	enum err e = x->n == x->cap ? grow(x) : OK;

	if (e != OK)
		return e;
	if (x->n == EXPANSION_MAX) {
		say(x->r, "more than %d addresses: put off", EXPANSION_MAX);
		x->has_failed = true;
		return OK;
	}
	x->list[x->n++] = address;
	return OK;
}

/* The next address of a value: separated by commas and white space, which may
 * stand in double quotes. */
static bool
next_target(struct str *rest, struct str *out)
{
	bool is_quoted = false;
	size_t n = 0;

	while (rest->n > 0 && (rest->p[0] == ',' || ascii_is_space(rest->p[0])))
		*rest = str_from(*rest, 1);
	for (; n < rest->n; n++) {
		if (rest->p[n] == '\\' && n + 1 < rest->n)
			n++;
		else if (rest->p[n] == '"')
			is_quoted = !is_quoted;
		else if (!is_quoted &&
			 (rest->p[n] == ',' || ascii_is_space(rest->p[n])))
			break;
	}
	*out = str_first(*rest, n);
	*rest = str_from(*rest, n);
	return n > 0;
}

/* user+ext@, with the extension within the quotes if there are any. */
static enum err
add_extension(struct resolver *r, struct str local, struct str extension,
	      struct str *out)
{
	enum err e;

	if (extension.n == 0 || local.n < 2 || !str_ends(local, S("\"")))
		return join3(r->arena, local, extension, S("@"), out);
	e = join3(r->arena, str_first(local, local.n - 1), extension, S("\""),
		  out);
	return e != OK ? e : join3(r->arena, *out, S("@"), S(""), out);
}

/* "@other" keeps the local part; a missing domain is $myorigin; unmatched, the
 * extension that no key matched, goes before the '@'. from is what is being
 * replaced. */
static enum err
make_target(struct resolver *r, struct str text, struct str from,
	    struct str unmatched, bool is_propagating, bool is_first,
	    struct str *out)
{
	struct str local = local_of(text), domain = domain_of(text);
	struct str extension = is_propagating ? unmatched : S("");
	enum err e;

	if (str_starts(text, S("<")) && str_ends(text, S(">"))) {
		text = str_sub(text, 1, text.n - 2);
		local = local_of(text);
		domain = domain_of(text);
	}
	if (is_first && str_starts(text, S("@"))) {
		local = local_of(from);
		local.n -= unmatched.n;
	}
	if (domain.n == 0)
		domain = settings_text(&r->c->settings, "myorigin");
	e = add_extension(r, local, extension, &local);
	return e != OK ? e : join3(r->arena, local, domain, S(""), out);
}

static enum err
mark_self_mapped(struct expansion *x, struct str address)
{
	enum err e = lower(x->r->arena, address, &address);

	if (e == OK)
		map_set(&x->self_mapped, address, x);
	return e;
}

static bool
is_self_mapped(struct expansion *x, struct str address)
{
	struct str key;

	return x->self_mapped.n > 0 &&
	       lower(x->r->arena, address, &key) == OK &&
	       map_get(&x->self_mapped, key) != NULL;
}

/* Puts the addresses of value in the place of x->list[at] and behind. */
static enum err
replace(struct expansion *x, size_t at, struct str value, struct str unmatched)
{
	struct str from = x->list[at], text, target;
	bool is_first = true, is_own = false;
	enum err e = OK;

	while (e == OK && !x->has_failed && next_target(&value, &text)) {
		e = make_target(x->r, text, from, unmatched, x->is_propagating,
				is_first, &target);
		if (e != OK)
			break;
		if (target.n > ADDRESS_MAX_OCTETS) {
			say(x->r, "an address over %d octets: put off",
			    ADDRESS_MAX_OCTETS);
			x->has_failed = true;
		}
		if (str_ieq(target, from))
			is_own = true;
		if (is_first)
			x->list[at] = target;
		else
			e = append(x, target);
		is_first = false;
	}
	if (e == OK && is_own)
		e = mark_self_mapped(x, from);
	return e;
}

/* Is it a name of this host itself, so that aliases(5) knows its users? */
static bool
is_own_name(struct resolver *r, struct str domain)
{
	return (flags_of(r, domain) & DOMAIN_LOCAL) == DOMAIN_MYDESTINATION;
}

/* Commands and files: nothing is run here, and nothing gets lost. */
static bool
is_for_addresses(struct str value)
{
	struct str target;

	while (next_target(&value, &target))
		if (str_starts(target, S("|")) || str_starts(target, S("/")) ||
		    str_starts(target, S("\"|")))
			return false;
	return true;
}

/* docker-mailserver's file of aliases begins with such a line. */
static bool
stands_for_root(struct resolver *r, struct str local, struct str *out)
{
	*out = settings_text(&r->c->settings, "postmaster_address");
	if (!str_ieq(local, S("root")) || out->n == 0)
		return false;
	say(r, "root: postmaster_address, %.*s", STR(*out));
	return true;
}

/* aliases(5): user+ext, then user. Extensions stay behind. */
static enum err
expand_alias(struct expansion *x, size_t at)
{
	struct resolver *r = x->r;
	struct str local = local_of(x->list[at]);
	struct str extension = extension_of(r->c, local);
	struct table_answer entry;
	enum err e;

	if (!is_own_name(r, domain_of(x->list[at])))
		return ERR_NOT_FOUND;
	e = lookup(r, &r->c->aliases, local, TABLE_WHOLE, &entry);
	if (e == ERR_NOT_FOUND && extension.n > 0)
		e = lookup(r, &r->c->aliases,
			   str_first(local, local.n - extension.n), TABLE_PART,
			   &entry);
	if (e == ERR_NOT_FOUND && stands_for_root(r, local, &entry.value))
		e = OK;
	if (e != OK)
		return e;
	x->is_alias = true;
	x->is_propagating = false;
	if (is_for_addresses(entry.value))
		return replace(x, at, entry.value, S(""));
	say(r, "commands and files get no mail here: put off");
	r->is_deferred = true;
	return ERR_UNAVAILABLE;
}

/* One lookup for x->list[at]. ERR_NOT_FOUND: it stays as it is. */
static enum err
expand_once(struct expansion *x, size_t at)
{
	struct resolver *r = x->r;
	const struct settings *s = &r->c->settings;
	struct str address = x->list[at], extension, ignored;
	struct table_answer entry;
	bool is_domain_tried = !settings_is_on(s, "catchall_after_accounts") ||
			       find_account(r, address, &ignored) == NULL;
	enum err e;

	if (++x->n_steps > STEPS_MAX) {
		say(r, "too many aliases: put off");
		x->has_failed = true;
		return ERR_NOT_FOUND;
	}
	e = find_address(r, &r->c->virtual_alias, address, is_domain_tried,
			 &entry, &extension);
	if (e == ERR_NOT_FOUND)
		return expand_alias(x, at);
	if (e != OK)
		return e;
	x->is_alias = true;
	x->is_propagating = settings_lists(s, "propagate_unmatched_extensions",
					   S("virtual"));
	return replace(x, at, entry.value, extension);
}

static enum err
expand_one(struct expansion *x, size_t at)
{
	for (unsigned round = 0; !x->has_failed; round++) {
		enum err e;

		if (is_self_mapped(x, x->list[at]))
			return OK;
		if (round == ROUNDS_MAX) {
			say(x->r, "aliases lead back to themselves: put off");
			x->has_failed = true;
			return OK;
		}
		e = expand_once(x, at);
		if (e == ERR_NOT_FOUND || e == ERR_UNAVAILABLE)
			return OK;
		if (e != OK)
			return e;
	}
	return OK;
}

/* POSTMASTER_ADDRESS stands in where nothing else says who that is. */
static struct str
postmaster_of(struct resolver *r, struct str address)
{
	struct str stand_in =
		settings_text(&r->c->settings, "postmaster_address");
	struct str ignored;

	if (!is_postmaster(address) || stand_in.n == 0 ||
	    !is_local_domain(r, domain_of(address)) ||
	    find_account(r, address, &ignored) != NULL ||
	    str_ieq(stand_in, address))
		return address;
	say(r, "postmaster_address: %.*s", STR(stand_in));
	return stand_in;
}

static enum err
expand_all(struct expansion *x, struct str address)
{
	struct str stand_in;
	enum err e = OK;

	e = append(x, address);
	for (size_t at = 0; e == OK && at < x->n; at++)
		e = expand_one(x, at);
	if (e != OK || x->is_alias || x->has_failed)
		return e;
	stand_in = postmaster_of(x->r, x->list[0]);
	if (str_eq(stand_in, x->list[0]))
		return OK;
	x->list[0] = stand_in;
	for (size_t at = 0; e == OK && at < x->n; at++)
		e = expand_one(x, at);
	return e;
}

/* ---- class, transport, next hop ---- */

void
route_split(struct str text, struct str *transport_out, struct str *nexthop_out)
{
	ptrdiff_t colon = str_chr(text, ':');
	size_t n = colon < 0 ? text.n : (size_t)colon;

	*transport_out = str_first(text, n);
	*nexthop_out = str_from(text, colon < 0 ? n : n + 1);
}

/* A setting "transport[:nexthop]": takes the transport, and the next hop where
 * one is named. */
static void
take_spec(struct resolver *r, const char *setting, struct route_target *t)
{
	struct str text = settings_text(&r->c->settings, setting), nexthop;

	if (str_eq(text, S(DOVECOT_SOCKET)))
		text = S("virtual");
	route_split(text, &t->transport, &nexthop);
	if (nexthop.n > 0)
		t->nexthop = nexthop;
	say(r, "%s: %.*s", setting, STR(text));
}

static struct str
sender_key(const struct resolver *r)
{
	return r->sender.n > 0 ? r->sender : S("<>");
}

/* A next hop with the transport's name before it, as people write there. */
static struct str
without_smtp(struct str value)
{
	return str_istarts(value, S("smtp:")) ? str_from(value, 5) : value;
}

/* The relay host of the sender, or $relayhost, or the domain itself. */
static void
choose_relay(struct resolver *r, struct route_target *t)
{
	const struct config *c = r->c;
	struct str relayhost = settings_text(&c->settings, "relayhost");
	struct table_answer entry;
	struct str ignored;
	enum err e = find_address(r, &c->sender_relayhost, sender_key(r), true,
				  &entry, &ignored);

	if (e == OK && entry.value.n > 0 && !str_ieq(entry.value, S("DUNNO"))) {
		t->nexthop = without_smtp(entry.value);
		return;
	}
	if (e == ERR_NOT_FOUND && c->relay_nexthop.n > 0 &&
	    (flags_of(r, domain_of(r->sender)) & DOMAIN_MAILBOX) != 0) {
		say(r, "RELAY_HOST: %.*s", STR(c->relay_nexthop));
		t->nexthop = c->relay_nexthop;
		return;
	}
	if (relayhost.n == 0)
		return;
	say(r, "relayhost: %.*s", STR(relayhost));
	t->nexthop = relayhost;
}

static void
choose_default(struct resolver *r, struct route_target *t)
{
	struct table_answer entry;
	struct str ignored, nexthop;

	choose_relay(r, t);
	if (find_address(r, &r->c->sender_transport, sender_key(r), true,
			 &entry, &ignored) == OK &&
	    !str_ieq(entry.value, S("DUNNO"))) {
		route_split(entry.value, &t->transport, &nexthop);
		if (nexthop.n > 0)
			t->nexthop = nexthop;
		return;
	}
	take_spec(r, "default_transport", t);
}

/* False: an alias domain that has no such alias; the transport table is not
 * asked then. */
static bool
choose_class(struct resolver *r, struct route_target *t)
{
	struct str domain = domain_of(t->address);
	unsigned flags = flags_of(r, domain);

	t->nexthop = domain;
	if ((flags & DOMAIN_MAILBOX) != 0) {
		say(r, "%.*s is a domain of mailboxes", STR(domain));
		take_spec(r, "virtual_transport", t);
	} else if ((flags & DOMAIN_MYDESTINATION) != 0) {
		say(r, "%.*s is in mydestination", STR(domain));
		take_spec(r, "local_transport", t);
		t->nexthop = domain;
	} else if ((flags & DOMAIN_ALIAS) != 0) {
		say(r, "%.*s has aliases alone", STR(domain));
		return false;
	} else if ((flags & DOMAIN_RELAY) != 0) {
		say(r, "%.*s is a relay domain", STR(domain));
		choose_relay(r, t);
		take_spec(r, "relay_transport", t);
	} else {
		choose_default(r, t);
	}
	return true;
}

/* user+ext@dom, user@dom, dom, .parents from the longest, "*". */
static enum err
find_transport(struct resolver *r, struct str address, struct table_answer *out,
	       bool *is_star_out)
{
	const struct table_list *tables = &r->c->transport;
	bool is_parent_bare = settings_lists(&r->c->settings,
					     "parent_domain_matches_subdomains",
					     S("transport_maps"));
	struct str local = local_of(address), name = domain_of(address), key;
	struct str extension = extension_of(r->c, local);
	enum err e;

	*is_star_out = false;
	if (tables->n == 0)
		return ERR_NOT_FOUND;
	e = lookup(r, tables, address, TABLE_WHOLE, out);
	if (e == ERR_NOT_FOUND && extension.n > 0) {
		e = join3(r->arena, str_first(local, local.n - extension.n),
			  S("@"), name, &key);
		if (e == OK)
			e = lookup(r, tables, key, TABLE_PART, out);
	}
	while (e == ERR_NOT_FOUND && name.n > 0) {
		ptrdiff_t dot = str_chr(str_from(name, 1), '.');

		e = lookup(r, tables, name, TABLE_PART, out);
		if (e != ERR_NOT_FOUND || dot < 0)
			break;
		name = str_from(name, (size_t)dot + 1);
		if (is_parent_bare)
			name = str_from(name, 1);
	}
	*is_star_out = e == ERR_NOT_FOUND;
	return *is_star_out ? lookup(r, tables, S("*"), TABLE_WHOLE, out) : e;
}

/* What the table's "transport:nexthop" changes. ":nexthop" keeps the transport,
 * "transport:" sets the next hop back to the domain, ":" changes nothing. */
static void
override(struct route_target *t, struct str value)
{
	struct str transport, nexthop;

	route_split(value, &transport, &nexthop);
	if (transport.n == 0) {
		if (nexthop.n > 0)
			t->nexthop = nexthop;
		return;
	}
	t->transport = transport;
	t->nexthop = nexthop;
	if (nexthop.n > 0)
		return;
	t->nexthop =
		str_eq(transport, S("error")) || str_eq(transport, S("retry"))
			? S("Address is undeliverable")
			: domain_of(t->address);
}

/* "5.7.1 text" as code and text. */
static void
take_text(struct route_target *t, struct str text, struct str code)
{
	struct str rest = text, word, status, part;
	uint64_t n;
	int n_parts = 0;

	t->code = code;
	t->text = text;
	if (!str_word(&rest, &word) || word.n < 5 || word.p[0] != code.p[0] ||
	    word.p[1] != '.')
		return;
	for (status = word; str_split(&status, '.', &part); n_parts++)
		if (part.n > 3 || !str_to_u64(part, 999, &n))
			return;
	if (n_parts != 3)
		return;
	t->code = word;
	t->text = str_trim(rest);
}

static void
set_error(struct route_target *t, enum route_class class, const char *code,
	  const char *text)
{
	t->class = class;
	t->transport = class == ROUTE_RETRY ? S("retry") : S("error");
	t->nexthop = S("");
	t->code = str_c(code);
	t->text = str_c(text);
}

/* ---- the mailbox behind a local address ---- */

static void
set_quota(struct resolver *r, struct route_target *t)
{
	const struct quota *q = map_get(&r->c->quota_by_address, t->mailbox);

	t->quota_octets = quota_storage(q, r->c->default_quota_octets);
	t->quota_messages = q ? q->messages : 0;
}

/* RFC 5321 4.5.1: postmaster is always somebody. Without alias, account or
 * postmaster_address it is the first account of the domain, or of all. */
static const struct config_account *
stand_in_for_postmaster(struct resolver *r, struct str address)
{
	const struct config_domain *d = config_domain(r->c, domain_of(address));

	if (d != NULL && d->first_account != NULL)
		return d->first_account;
	return r->c->n_accounts > 0 ? &r->c->accounts[0] : NULL;
}

static void
find_mailbox(struct resolver *r, struct route_target *t)
{
	const struct config *c = r->c;
	const struct config_account *a;

	t->class = ROUTE_LOCAL;
	if (!c->is_accounts_known || c->n_accounts == 0) {
		say(r, "accounts: none known yet: put off");
		set_error(t, ROUTE_RETRY, "4.3.0",
			  "No accounts are known yet; try again later");
		return;
	}
	a = find_account(r, t->address, &t->extension);
	if (a == NULL && is_postmaster(t->address)) {
		a = stand_in_for_postmaster(r, t->address);
		if (a != NULL)
			say(r, "postmaster: the first account, %.*s, stands in",
			    STR(a->name));
	}
	if (a == NULL) {
		say(r, "accounts: no %.*s", STR(t->address));
		set_error(t, ROUTE_ERROR, "5.1.1",
			  "User unknown in the table of accounts");
		return;
	}
	if (a->line > 0)
		say(r, "accounts: %.*s (line %u)", STR(a->name), a->line);
	else // the running router knows names alone
		say(r, "accounts: %.*s", STR(a->name));
	t->mailbox = a->name;
	set_quota(r, t);
}

/* ---- credentials ---- */

/* Is the next hop the recipient's domain, and not the operator's choice? */
static bool
is_nexthop_foreign(const struct route_target *t)
{
	return str_eq(t->nexthop, domain_of(t->address));
}

static bool
split_password(struct str value, struct route_target *t)
{
	return str_split(&value, ':', &t->sasl_user) &&
	       (t->sasl_password = value).p != NULL;
}

/* Sender, host, next hop as written: the order of Postfix's client. Credentials
 * of a sender go only where the configuration says, never to the hosts that a
 * recipient's domain names: anybody can own such a host. */
static void
find_credentials(struct resolver *r, struct route_target *t)
{
	const struct config *c = r->c;
	struct str list = t->nexthop, first, ignored;
	struct table_answer entry;
	struct nexthop hop;
	const char *why;
	bool is_single;
	enum err e = ERR_NOT_FOUND;

	if (!c->is_sasl_on || !nexthop_next(&list, &first))
		return;
	is_single = !nexthop_next(&list, &ignored) &&
		    nexthop_parse(first, &hop, &why) && hop.host.n > 0;
	if (c->is_sasl_by_sender && !is_nexthop_foreign(t) && r->sender.n > 0)
		e = find_address(r, &c->sasl, r->sender, true, &entry,
				 &ignored);
	if (e == ERR_NOT_FOUND && is_single)
		e = lookup(r, &c->sasl, hop.host, TABLE_WHOLE, &entry);
	if (e == ERR_NOT_FOUND)
		e = lookup(r, &c->sasl, t->nexthop, TABLE_WHOLE, &entry);
	if (e == OK) {
		split_password(entry.value, t);
		return;
	}
	if (e == ERR_NOT_FOUND && c->relay_user.n > 0 &&
	    str_ieq(t->nexthop, c->relay_auth_nexthop)) {
		say(r, "RELAY_USER: %.*s", STR(c->relay_user));
		t->sasl_user = c->relay_user;
		t->sasl_password = c->relay_password;
	}
}

/* ---- TLS ---- */

/* The next hop as written; for a bare domain also its parents, ".example". */
static enum err
find_policy(struct resolver *r, struct str element, struct table_answer *out)
{
	struct nexthop hop;
	const char *why;
	enum err e = lookup(r, &r->c->tls_policy, element, TABLE_WHOLE, out);
	struct str rest = element;
	ptrdiff_t dot;

	if (e != ERR_NOT_FOUND || !nexthop_parse(element, &hop, &why) ||
	    hop.is_exact || hop.port != 0 || !str_eq(hop.host, element))
		return e;
	while (e == ERR_NOT_FOUND && (dot = str_chr(rest, '.')) >= 0) {
		rest = str_from(rest, (size_t)dot);
		e = lookup(r, &r->c->tls_policy, rest, TABLE_PART, out);
		rest = str_from(rest, 1);
	}
	return e;
}

/* One line for each element of the list of next hops; nothing when all are
 * empty. */
static enum err
find_policies(struct resolver *r, struct route_target *t)
{
	struct buf lines = BUF_INIT(ROUTER_TEXT_MAX_OCTETS);
	struct str list = t->nexthop, element;
	bool is_any = false;
	enum err e = OK;

	if (r->c->tls_policy.n == 0)
		return OK;
	while (e == OK && nexthop_next(&list, &element)) {
		struct table_answer entry;

		e = find_policy(r, element, &entry);
		is_any |= e == OK;
		if (e == OK)
			e = buf_add(&lines, entry.value);
		if (e == OK || e == ERR_NOT_FOUND)
			e = buf_addc(&lines, '\n');
	}
	if (e == ERR_LIMIT)
		set_error(t, ROUTE_RETRY, "4.3.5",
			  "The TLS policies of the next hop are too long");
	else if (e == OK && is_any)
		e = arena_str(r->arena, buf_str(&lines), &t->tls_policy);
	buf_release(&lines);
	return e;
}

/* ---- one final address ---- */

/* The domain comes from a stranger: "unix:/path", "host:25" or "[host]", which
 * an operator may write, must not come in by it. */
static bool
is_domain(struct str domain)
{
	struct nexthop hop;
	const char *why;

	return nexthop_parse(domain, &hop, &why) && hop.host.n > 0 &&
	       hop.port == 0 && !str_istarts(domain, S("inet:")) &&
	       hop.is_exact == hop.is_address;
}

static void
check_nexthop(struct resolver *r, struct route_target *t)
{
	struct str list = t->nexthop, element;
	struct nexthop hop;
	const char *why;

	if (is_nexthop_foreign(t)) {
		if (!is_domain(t->nexthop))
			set_error(t, ROUTE_ERROR, "5.1.2",
				  "Bad domain of the recipient");
		return;
	}
	while (nexthop_next(&list, &element)) {
		if (nexthop_parse(element, &hop, &why))
			continue;
		say(r, "next hop %.*s: %s: put off", STR(element), why);
		set_error(t, ROUTE_RETRY, "4.3.5",
			  "The next hop is not configured well");
		return;
	}
}

/* What an error transport says; a domain that stands there by default would
 * say nothing. */
static struct str
error_text(const struct route_target *t)
{
	return is_nexthop_foreign(t) ? S("Address is undeliverable")
				     : t->nexthop;
}

static void
apply_transport(struct resolver *r, struct route_target *t)
{
	static const struct {
		struct str name;
		enum route_class class;
	} transports[] = {
		{ STR_INIT("smtp"), ROUTE_REMOTE },
		{ STR_INIT("relay"), ROUTE_REMOTE },
		{ STR_INIT("lmtp"), ROUTE_REMOTE },
		{ STR_INIT("local"), ROUTE_LOCAL },
		{ STR_INIT("virtual"), ROUTE_LOCAL },
		{ STR_INIT("error"), ROUTE_ERROR },
		{ STR_INIT("retry"), ROUTE_RETRY },
		{ STR_INIT("discard"), ROUTE_DISCARD },
		{ STR_INIT("hold"), ROUTE_HOLD },
	};
	size_t i = 0, n = sizeof(transports) / sizeof(*transports);

	while (i < n && !str_eq(transports[i].name, t->transport))
		i++;
	if (i == n) {
		say(r, "no transport is called %.*s: put off",
		    STR(t->transport));
		set_error(t, ROUTE_RETRY, "4.3.5",
			  "The mail transport is not available");
		return;
	}
	t->class = transports[i].class;
	switch (t->class) {
	case ROUTE_LOCAL:
		find_mailbox(r, t);
		break;
	case ROUTE_REMOTE:
		check_nexthop(r, t);
		break;
	case ROUTE_ERROR:
		take_text(t, error_text(t), S("5.0.0"));
		break;
	case ROUTE_RETRY:
		take_text(t, error_text(t), S("4.0.0"));
		break;
	case ROUTE_DISCARD:
		t->text = error_text(t);
		break;
	case ROUTE_HOLD:
		break;
	}
}

/* relocated_maps stands above everything: 5.1.6 with the new address. */
static bool
is_relocated(struct resolver *r, struct route_target *t)
{
	struct table_answer entry;
	struct str ignored;

	if (find_address(r, &r->c->relocated, t->address, true, &entry,
			 &ignored) != OK)
		return false;
	set_error(t, ROUTE_ERROR, "5.1.6", "User has moved");
	if (join3(r->arena, S("User has moved to "), entry.value, S(""),
		  &t->text) != OK)
		t->text = S("User has moved");
	return true;
}

static enum err
resolve_final(struct resolver *r, struct str address, struct route_target *t)
{
	struct table_answer entry;
	struct str domain;
	bool is_star;
	enum err e = lower(r->arena, domain_of(address), &domain);

	if (e == OK)
		e = join3(r->arena, local_of(address), S("@"), domain,
			  &t->address);
	if (e != OK)
		return e;
	t->original = r->rcpt;
	r->is_deferred = false;
	if (str_starts(address, S("-")) || str_starts(address, S("@"))) {
		set_error(t, ROUTE_ERROR, "5.1.3", "Bad recipient address");
		return OK;
	}
	if (!choose_class(r, t)) {
		set_error(t, ROUTE_ERROR, "5.1.1",
			  "User unknown in the table of aliases");
		return OK;
	}
	e = find_transport(r, t->address, &entry, &is_star);
	if (e == OK)
		override(t, entry.value);
	if (!is_relocated(r, t))
		apply_transport(r, t);
	if (t->class == ROUTE_REMOTE)
		find_credentials(r, t);
	if (t->class == ROUTE_REMOTE && find_policies(r, t) == ERR_LIMIT)
		return ERR_LIMIT;
	if (r->is_deferred)
		set_error(t, ROUTE_RETRY, "4.3.0",
			  "A table is not available; try again later");
	return OK;
}

/* ---- one recipient ---- */

/* "user"@dom is user@dom when user needs no quotes (RFC 5321 4.1.2). */
static struct str
without_quotes(struct str local)
{
	struct str rest = str_sub(local, 1, local.n < 2 ? 0 : local.n - 2);
	struct str inner = rest, atom;

	if (local.n < 3 || !str_starts(local, S("\"")) ||
	    !str_ends(local, S("\"")))
		return local;
	while (str_split(&rest, '.', &atom)) {
		if (atom.n == 0)
			return local;
		for (size_t i = 0; i < atom.n; i++)
			if (!ascii_is_print(atom.p[i]) ||
			    strchr(" \"(),:;<>@[\\]", atom.p[i]) != NULL)
				return local;
	}
	return inner;
}

/* Where a recipient without a domain belongs. RFC 5321 4.5.1 wants a bare
 * postmaster taken even where $myorigin is not ours. */
static struct str
own_domain(struct resolver *r, struct str local)
{
	const struct config *c = r->c;
	struct str origin = settings_text(&c->settings, "myorigin");

	if (is_postmaster(local) && !is_local_domain(r, origin) &&
	    c->n_accounts > 0)
		return domain_of(c->accounts[0].name);
	return origin;
}

/* The address with its domain, without a dot behind that; "" is the way back to
 * the null sender. */
static enum err
whole_address(struct resolver *r, struct str rcpt, struct str *out)
{
	struct str local = without_quotes(local_of(rcpt));
	struct str domain = domain_of(rcpt);

	if (rcpt.n == 0)
		return join3(r->arena, S("MAILER-DAEMON"), S("@"),
			     settings_text(&r->c->settings, "myhostname"), out);
	if (str_ends(domain, S(".")))
		domain.n--;
	if (domain.n == 0)
		domain = own_domain(r, local);
	return join3(r->arena, local, S("@"), domain, out);
}

/* All expanded addresses, each once. */
static enum err
resolve_each(struct resolver *r, struct expansion *x, struct route_result *out)
{
	struct map seen = MAP_INIT;
	enum err e = OK;

	out->list = arena_array(r->arena, x->n, sizeof(*out->list));
	if (out->list == NULL)
		return ERR_LIMIT;
	for (size_t i = 0; e == OK && i < x->n; i++) {
		struct str key;

		e = lower(r->arena, x->list[i], &key);
		if (e != OK || map_set(&seen, key, x) != NULL)
			continue;
		say(r, "final address %.*s", STR(x->list[i]));
		e = resolve_final(r, x->list[i], &out->list[out->n++]);
	}
	map_release(&seen);
	return e;
}

/* ---- canonical, and copies ---- */

/* One lookup of canonical(5); the first address of the value counts.
 * ERR_NOT_FOUND: *address stays. */
static enum err
rewrite_once(struct resolver *r, const struct table_list *tables,
	     struct str *address)
{
	bool is_propagating = settings_lists(&r->c->settings,
					     "propagate_unmatched_extensions",
					     S("canonical"));
	struct str before = *address, extension, value, first;
	struct table_answer entry;
	enum err e = find_address(r, tables, before, true, &entry, &extension);

	if (e != OK)
		return e;
	value = entry.value;
	if (!next_target(&value, &first))
		return ERR_NOT_FOUND;
	e = make_target(r, first, before, extension, is_propagating, true,
			address);
	if (e == OK && address->n > ADDRESS_MAX_OCTETS)
		e = ERR_LIMIT;
	return e == OK && str_ieq(*address, before) ? ERR_NOT_FOUND : e;
}

/* Rewrites until nothing more is found; REWRITES_MAX as in Postfix. */
static enum err
rewrite(struct resolver *r, const struct table_list *tables,
	struct str *address)
{
	enum err e = OK;

	for (int i = 0; e == OK && tables->n > 0 && i < REWRITES_MAX; i++)
		e = rewrite_once(r, tables, address);
	if (e == OK && tables->n > 0) {
		say(r, "%.*s leads back to itself: put off", STR(tables->what));
		return ERR_LIMIT;
	}
	return e == ERR_NOT_FOUND || e == ERR_UNAVAILABLE ? OK : e;
}

static const struct str class_words[] = {
	[CANONICAL_ENVELOPE_SENDER] = STR_INIT("envelope_sender"),
	[CANONICAL_ENVELOPE_RECIPIENT] = STR_INIT("envelope_recipient"),
	[CANONICAL_HEADER_SENDER] = STR_INIT("header_sender"),
	[CANONICAL_HEADER_RECIPIENT] = STR_INIT("header_recipient"),
};

/* What canonical(5) makes of an address. ERR_LIMIT: put it off. */
static enum err
rewrite_by_maps(struct resolver *r, enum route_canonical class,
		struct str *address)
{
	bool is_sender = class == CANONICAL_ENVELOPE_SENDER ||
			 class == CANONICAL_HEADER_SENDER;
	const struct settings *s = &r->c->settings;
	enum err e = OK;

	if (settings_lists(s,
			   is_sender ? "sender_canonical_classes"
				     : "recipient_canonical_classes",
			   class_words[class]))
		e = rewrite(r,
			    is_sender ? &r->c->sender_canonical
				      : &r->c->recipient_canonical,
			    address);
	if (e == OK &&
	    settings_lists(s, "canonical_classes", class_words[class]))
		e = rewrite(r, &r->c->canonical, address);
	return e;
}

/* The same, and masquerade_domains. */
static enum err
rewrite_as(struct resolver *r, enum route_canonical class, struct str *address)
{
	enum err e = rewrite_by_maps(r, class, address);
	struct str before = *address;

	if (e == OK && masquerade_is_on(r->c, class_words[class]))
		e = masquerade(r->c, before, r->arena, address);
	if (e == OK && !str_eq(before, *address))
		say_setting(r, "masquerade_domains", *address);
	return e;
}

static enum err
rewrite_recipient(struct resolver *r, struct str *address)
{
	return rewrite_as(r, CANONICAL_ENVELOPE_RECIPIENT, address);
}

static enum err
put_off(struct resolver *r, struct str address, const char *code,
	const char *text, struct route_result *out)
{
	out->n = 1;
	out->list = arena_alloc(r->arena, sizeof(*out->list));
	if (out->list == NULL)
		return ERR_LIMIT;
	out->list->address = address;
	out->list->original = r->rcpt;
	set_error(out->list, ROUTE_RETRY, code, text);
	return OK;
}

static enum err
resolve(struct resolver *r, bool *is_alias_out, struct route_result *out)
{
	struct expansion x = { .r = r, .self_mapped = MAP_INIT };
	struct str address;
	enum err e = whole_address(r, r->rcpt, &address);

	*out = (struct route_result) { NULL, 0 };
	if (e == OK && rewrite_recipient(r, &address) != OK)
		x.has_failed = true;
	else if (e == OK)
		e = expand_all(&x, address);
	if (e == OK && r->is_deferred)
		e = put_off(r, address, "4.3.0",
			    "A table is not available; try again later", out);
	else if (e == OK && x.has_failed)
		e = put_off(r, address, "4.6.0",
			    "Aliases lead back to themselves, or to too many "
			    "addresses",
			    out);
	else if (e == OK)
		e = resolve_each(r, &x, out);
	if (e == OK && r->is_asking)
		e = ERR_MORE;
	*is_alias_out = x.is_alias;
	map_release(&x.self_mapped);
	return e;
}

/* recipient_bcc_maps, by the recipient as canonical maps leave it; the first
 * address of the value counts. Empty: no copy. */
static enum err
find_copy(struct resolver *r, struct str *out)
{
	struct table_answer entry;
	struct str address, ignored, value, first;
	struct address parsed;
	enum err e;

	*out = S("");
	if (r->c->recipient_bcc.n == 0)
		return OK;
	e = whole_address(r, r->rcpt, &address);
	if (e == OK)
		e = rewrite_recipient(r, &address);
	if (e == OK)
		e = find_address(r, &r->c->recipient_bcc, address, true, &entry,
				 &ignored);
	if (r->is_asking)
		return ERR_MORE;
	value = entry.value;
	if (e != OK || !next_target(&value, &first))
		return e == ERR_NOT_FOUND ? OK : e;
	e = whole_address(r, first, &address);
	/* Tables of other hosts may say anything. */
	if (e == OK && (address.n > ADDRESS_MAX_OCTETS ||
			address_parse(address, ADDRESS_UTF8, &parsed,
				      r->arena) != ADDRESS_OK))
		return ERR_UNAVAILABLE;
	if (e == OK)
		*out = address;
	return e;
}

enum err
route_resolve(const struct config *c, struct str sender, struct str rcpt,
	      struct arena *arena, struct remote *remote,
	      struct route_result *out)
{
	struct resolver r = { .c = c,
			      .arena = arena,
			      .sender = sender,
			      .rcpt = rcpt,
			      .remote = remote };
	bool is_alias;

	return resolve(&r, &is_alias, out);
}

enum err
route_copy(const struct config *c, struct str rcpt, struct arena *arena,
	   struct remote *remote, struct str *out)
{
	struct resolver r = {
		.c = c, .arena = arena, .rcpt = rcpt, .remote = remote
	};

	return find_copy(&r, out);
}

static void
explain_target(struct resolver *r, const struct route_target *t)
{
	switch (t->class) {
	case ROUTE_LOCAL:
		say(r, "=> %.*s: mailbox %.*s", STR(t->address),
		    STR(t->mailbox));
		break;
	case ROUTE_REMOTE:
		say(r, "=> %.*s: %.*s to %.*s%s%.*s", STR(t->address),
		    STR(t->transport), STR(t->nexthop),
		    t->sasl_user.n > 0 ? " as " : "", STR(t->sasl_user));
		break;
	case ROUTE_ERROR:
	case ROUTE_RETRY:
		say(r, "=> %.*s: %s %.*s %.*s", STR(t->address),
		    route_class_text(t->class), STR(t->code), STR(t->text));
		break;
	case ROUTE_DISCARD:
	case ROUTE_HOLD:
		say(r, "=> %.*s: %s %.*s", STR(t->address),
		    route_class_text(t->class), STR(t->text));
		break;
	}
}

/* One way of canonical(5) and masquerade_domains with an address, and what
 * comes of it. */
static enum err
explain_rewriting(struct resolver *r, enum route_canonical class,
		  const char *what, struct str *address)
{
	struct str before = *address;
	enum err e;

	r->is_deferred = false;
	e = rewrite_as(r, class, address);
	if (e != OK || r->is_deferred)
		say(r,
		    "%.*s cannot be rewritten: the message is put off, "
		    "4.3.0",
		    STR(before));
	else if (!str_eq(before, *address))
		say(r, "%s %.*s", what, STR(*address));
	if (e != OK || r->is_deferred)
		*address = before;
	return r->is_asking ? ERR_MORE : OK;
}

/* Addresses in the fields of the header, of clients that are rewritten. */
static enum err
explain_header(struct resolver *r, struct str sender, struct str rcpt)
{
	struct str from = sender, to = rcpt;
	enum err e = OK;

	if (sender.n > 0)
		e = explain_rewriting(r, CANONICAL_HEADER_SENDER,
				      "From, Sender, Reply-To become", &from);
	if (e == OK)
		e = explain_rewriting(r, CANONICAL_HEADER_RECIPIENT,
				      "To, Cc become", &to);
	if (e == OK && (!str_eq(from, sender) || !str_eq(to, rcpt)))
		say_setting(r, "local_header_rewrite_clients",
			    settings_text(&r->c->settings,
					  "local_header_rewrite_clients"));
	return e;
}

static void
explain_copy(struct resolver *r, struct str address)
{
	say(r, "copy to %.*s (NOTIFY=NEVER)", STR(address));
}

/* Who else gets the message. */
static enum err
explain_copies(struct resolver *r)
{
	struct str always = settings_text(&r->c->settings, "always_bcc");
	struct str value, first, ignored, copy;
	struct table_answer entry;
	enum err e;

	r->is_deferred = false;
	if (always.n > 0) {
		say_setting(r, "always_bcc", always);
		explain_copy(r, always);
	}
	if (r->sender.n > 0 && find_address(r, &r->c->sender_bcc, r->sender,
					    true, &entry, &ignored) == OK) {
		value = entry.value;
		if (next_target(&value, &first))
			explain_copy(r, first);
	}
	e = find_copy(r, &copy);
	if (e == OK && copy.n > 0)
		explain_copy(r, copy);
	if (r->is_asking)
		return ERR_MORE;
	if (e != OK || r->is_deferred)
		say(r, "copies: put off, 4.3.0");
	return OK;
}

/* What the question at RCPT would get, but for restriction lists. */
static enum err
explain_rcpt(struct resolver *r, struct str sender, struct str rcpt)
{
	struct route_verdict v;
	enum err e = route_check_rcpt(r->c, sender, rcpt, false, r->remote, &v);

	if (e == OK)
		say(r, "RCPT from a stranger: %u %.*s %.*s", v.reply,
		    STR(v.code), STR(v.text));
	return e;
}

enum err
route_explain(const struct config *c, struct str sender, struct str rcpt,
	      struct remote *remote, struct buf *out)
{
	struct arena arena = ARENA_INIT(WORK_MAX_OCTETS);
	struct resolver r = { .c = c,
			      .arena = &arena,
			      .sender = sender,
			      .rcpt = rcpt,
			      .trace = out,
			      .remote = remote };
	struct route_result result;
	bool is_alias;
	enum err e;

	say(&r, "recipient %.*s from <%.*s>", STR(rcpt), STR(sender));
	e = sender.n > 0
		    ? explain_rewriting(&r, CANONICAL_ENVELOPE_SENDER,
					"envelope sender becomes", &r.sender)
		    : OK;
	if (e == OK)
		e = explain_header(&r, sender, rcpt);
	if (e == OK)
		e = explain_copies(&r);
	if (e == OK)
		e = explain_rcpt(&r, sender, rcpt);
	r.is_deferred = false;
	if (e == OK)
		e = resolve(&r, &is_alias, &result);
	for (size_t i = 0; e == OK && i < result.n; i++)
		explain_target(&r, &result.list[i]);
	arena_release(&arena);
	return e != OK ? e : r.trace_err;
}

/* ---- RCPT TO ---- */

static void
set_verdict(struct route_verdict *v, unsigned reply, struct str code,
	    struct str text)
{
	*v = (struct route_verdict) { reply, code, text };
}

/* The text of a target may lie in the arena that is about to go; those that do
 * are one sentence. */
static struct str
lasting_text(const struct route_target *t)
{
	return str_eq(t->code, S("5.1.6")) ? S("User has moved") : t->text;
}

/* One target that can take mail is enough; else one that may later; else the
 * first refusal. */
static void
judge(const struct route_result *result, struct route_verdict *v)
{
	const struct route_target *first = &result->list[0];

	for (size_t i = 0; i < result->n; i++) {
		const struct route_target *t = &result->list[i];

		if (t->class == ROUTE_RETRY) {
			set_verdict(v, str_eq(t->code, S("4.3.0")) ? 451 : 450,
				    t->code, t->text);
			first = NULL;
		} else if (t->class != ROUTE_ERROR) {
			set_verdict(v, 250, S("2.1.5"), S("Ok"));
			return;
		}
	}
	if (first != NULL)
		set_verdict(v, 550, first->code, lasting_text(first));
}

/* A local part that names a second destination, for a host behind us. */
static bool
is_source_routed(struct str address)
{
	struct str local = local_of(address);

	return str_chr(local, '@') >= 0 || str_chr(local, '%') >= 0 ||
	       str_chr(local, '!') >= 0;
}

static bool
may_relay(struct resolver *r, struct str address, bool is_relay_allowed)
{
	unsigned flags = flags_of(r, domain_of(address));

	if (is_relay_allowed || (flags & DOMAIN_LOCAL) != 0)
		return true;
	return (flags & DOMAIN_RELAY) != 0 && !is_source_routed(address);
}

/* A list of those who get mail; empty: everybody. */
static enum err
find_known(struct resolver *r, const struct table_list *tables,
	   struct str address)
{
	struct table_answer entry;
	struct str ignored;

	if (tables->n == 0)
		return OK;
	return find_address(r, tables, address, true, &entry, &ignored);
}

/* Is a recipient of ours listed: in virtual_mailbox_maps or in
 * local_recipient_maps where they are set, else among the accounts? Asked even
 * where the transport table sends a local domain elsewhere, as Postfix does.
 * OK, ERR_NOT_FOUND, or ERR_UNAVAILABLE. */
static enum err
find_listed(struct resolver *r, struct str address, unsigned flags)
{
	const struct config *c = r->c;
	struct str ignored;

	if ((flags & DOMAIN_MAILBOX) != 0 && c->has_virtual_mailbox)
		return find_known(r, &c->virtual_mailbox, address);
	if ((flags & DOMAIN_LOCAL) == DOMAIN_MYDESTINATION &&
	    c->has_local_recipient)
		return find_known(r, &c->local_recipient, address);
	return find_account(r, address, &ignored) != NULL ? OK : ERR_NOT_FOUND;
}

/* Takes back the 250 of a recipient that is not listed. */
static void
judge_listed(struct resolver *r, struct str address, struct route_verdict *v)
{
	unsigned flags = flags_of(r, domain_of(address));
	bool is_local = (flags & DOMAIN_LOCAL) != 0;
	enum err e = OK;

	if (is_local && !is_postmaster(address) && r->c->is_accounts_known &&
	    r->c->n_accounts > 0)
		e = find_listed(r, address, flags);
	else if (!is_local && (flags & DOMAIN_RELAY) != 0)
		e = find_known(r, &r->c->relay_recipient, address);
	if (e == ERR_NOT_FOUND)
		set_verdict(v, 550, S("5.1.1"),
			    is_local ? S("User unknown in the table of "
					 "accounts")
				     : S("User unknown in the table of relay "
					 "recipients"));
	else if (e != OK)
		set_verdict(v, 451, S("4.3.0"), S("Try again later"));
}

enum err
route_check_rcpt(const struct config *c, struct str sender, struct str rcpt,
		 bool is_relay_allowed, struct remote *remote,
		 struct route_verdict *out)
{
	struct arena arena = ARENA_INIT(WORK_MAX_OCTETS);
	struct resolver r = { .c = c,
			      .arena = &arena,
			      .sender = sender,
			      .rcpt = rcpt,
			      .remote = remote };
	struct route_result result;
	struct str address, canonical;
	bool is_alias = false;
	enum err e = whole_address(&r, rcpt, &address);

	set_verdict(out, 451, S("4.3.0"), S("Try again later"));
	if (e == OK && !may_relay(&r, address, is_relay_allowed) &&
	    !r.is_deferred) {
		set_verdict(out, 554, S("5.7.1"), S("Relay access denied"));
		e = ERR_REFUSED;
	}
	if (e == OK && r.is_deferred)
		e = r.is_asking ? ERR_MORE : ERR_UNAVAILABLE;
	if (e == OK)
		e = resolve(&r, &is_alias, &result);
	if (e == OK) {
		judge(&result, out);
		if (out->reply == 550 && is_postmaster(address) &&
		    is_local_domain(&r, domain_of(address)))
			set_verdict(out, 250, S("2.1.5"), S("Ok"));
		/* Canonical maps make an address known; masquerading makes
		 * nobody known. As with Postfix. */
		canonical = address;
		if (out->reply == 250 && !is_alias &&
		    rewrite_by_maps(&r, CANONICAL_ENVELOPE_RECIPIENT,
				    &canonical) == OK &&
		    str_eq(canonical, address))
			judge_listed(&r, address, out);
		if (r.is_asking)
			e = ERR_MORE;
	}
	arena_release(&arena);
	return e == ERR_MORE ? ERR_MORE : OK;
}

enum err
route_knows_domain(const struct config *c, struct str domain,
		   struct remote *remote, bool *is_known_out)
{
	struct arena arena = ARENA_INIT(WORK_MAX_OCTETS);
	struct resolver r = { .c = c, .arena = &arena, .remote = remote };
	struct table_answer entry;
	struct str address;
	bool is_star;

	*is_known_out =
		(flags_of(&r, domain) & (DOMAIN_LOCAL | DOMAIN_RELAY)) != 0;
	if (!*is_known_out &&
	    join3(&arena, S(""), S("@"), domain, &address) == OK &&
	    find_transport(&r, address, &entry, &is_star) == OK)
		*is_known_out = !is_star;
	arena_release(&arena);
	return r.is_asking ? ERR_MORE : OK;
}

enum err
route_find_address(const struct config *c, const struct table_list *tables,
		   struct str address, struct arena *arena,
		   struct remote *remote, struct str *value_out)
{
	struct resolver r = { .c = c, .arena = arena, .remote = remote };
	struct table_answer answer;
	struct str ignored;
	enum err e = find_address(&r, tables, address, true, &answer, &ignored);

	if (e == OK)
		*value_out = answer.value;
	return r.is_asking ? ERR_MORE : e;
}

enum err
route_canonical(const struct config *c, enum route_canonical class,
		struct str address, struct arena *arena, struct remote *remote,
		struct str *out)
{
	struct resolver r = { .c = c, .arena = arena, .remote = remote };
	enum err e;

	*out = address;
	e = rewrite_as(&r, class, out);
	if (r.is_asking)
		return ERR_MORE;
	return e == OK && r.is_deferred ? ERR_UNAVAILABLE : e;
}

enum err
route_is_destination(const struct config *c, struct str rcpt,
		     struct remote *remote, bool *is_ours_out)
{
	struct arena arena = ARENA_INIT(WORK_MAX_OCTETS);
	struct resolver r = {
		.c = c, .arena = &arena, .rcpt = rcpt, .remote = remote
	};
	struct str address;

	*is_ours_out = whole_address(&r, rcpt, &address) == OK &&
		       may_relay(&r, address, false);
	arena_release(&arena);
	if (r.is_asking)
		return ERR_MORE;
	return r.is_deferred ? ERR_UNAVAILABLE : OK;
}

struct str
route_extension(const struct config *c, struct str local)
{
	return extension_of(c, local);
}
