/* SPDX-License-Identifier: MIT
 * router/route/resolve_alias.c - virtual(5) and aliases(5): the addresses that
 * a recipient stands for.
 *
 * Process: router.  Standards: none.
 * Owns: nothing; the list is in the arena.
 * Invariant: at most EXPANSION_MAX addresses, STEPS_MAX lookups and ROUNDS_MAX
 * rounds for one of them; over that, the recipient is put off.
 */
#include "router/route/resolve_private.h"

#include "lib/mail/address.h"

enum {
	FIRST_EXPANSION = 8,
	EXPANSION_MAX = 1000, // virtual_alias_expansion_limit
	ROUNDS_MAX = 1000,    // virtual_alias_recursion_limit
	STEPS_MAX = 20000,    // lookups for one recipient
};

/* ---- values ---- */

bool
resolve_next_address(struct str *rest, struct str *out)
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
		return arena_join(r->arena, local, extension, S("@"), out);
	e = arena_join(r->arena, str_first(local, local.n - 1), extension,
		       S("\""), out);
	return e != OK ? e : arena_join(r->arena, *out, S("@"), S(""), out);
}

enum err
resolve_make_address(struct resolver *r, struct str text, struct str from,
		     struct str unmatched, bool is_propagating, bool is_first,
		     struct str *out)
{
	struct str local = address_local_of(text),
		   domain = address_domain_of(text);
	struct str extension = is_propagating ? unmatched : S("");
	enum err e;

	if (str_starts(text, S("<")) && str_ends(text, S(">"))) {
		text = str_sub(text, 1, text.n - 2);
		local = address_local_of(text);
		domain = address_domain_of(text);
	}
	if (is_first && str_starts(text, S("@"))) {
		local = address_local_of(from);
		local.n -= unmatched.n;
	}
	if (domain.n == 0)
		domain = settings_text(&r->c->settings, "myorigin");
	e = add_extension(r, local, extension, &local);
	return e != OK ? e : arena_join(r->arena, local, domain, S(""), out);
}

/* ---- the list of addresses ---- */

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
		resolve_say(x->r, "more than %d addresses: put off",
			    EXPANSION_MAX);
		x->has_failed = true;
		return OK;
	}
	x->list[x->n++] = address;
	return OK;
}

static enum err
mark_self_mapped(struct expansion *x, struct str address)
{
	enum err e = arena_lower(x->r->arena, address, &address);

	if (e == OK)
		map_set(&x->self_mapped, address, x);
	return e;
}

static bool
is_self_mapped(struct expansion *x, struct str address)
{
	struct str key;

	return x->self_mapped.n > 0 &&
	       arena_lower(x->r->arena, address, &key) == OK &&
	       map_get(&x->self_mapped, key) != NULL;
}

/* Puts the addresses of value in the place of x->list[at] and behind. */
static enum err
replace(struct expansion *x, size_t at, struct str value, struct str unmatched)
{
	struct str from = x->list[at], text, target;
	bool is_first = true, is_own = false;
	enum err e = OK;

	while (e == OK && !x->has_failed &&
	       resolve_next_address(&value, &text)) {
		e = resolve_make_address(x->r, text, from, unmatched,
					 x->is_propagating, is_first, &target);
		if (e != OK)
			break;
		if (target.n > ADDRESS_MAX_OCTETS) {
			resolve_say(x->r, "an address over %d octets: put off",
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
	return (resolve_domain_flags(r, domain) & DOMAIN_LOCAL) ==
	       DOMAIN_MYDESTINATION;
}

/* Commands and files: nothing is run here, and nothing gets lost. */
static bool
is_for_addresses(struct str value)
{
	struct str target;

	while (resolve_next_address(&value, &target))
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
	resolve_say(r, "root: postmaster_address, %.*s", STR(*out));
	return true;
}

/* aliases(5): user+ext, then user. Extensions stay behind. */
static enum err
expand_alias(struct expansion *x, size_t at)
{
	struct resolver *r = x->r;
	struct str local = address_local_of(x->list[at]);
	struct str extension = route_extension(r->c, local);
	struct table_answer entry;
	enum err e;

	if (!is_own_name(r, address_domain_of(x->list[at])))
		return ERR_NOT_FOUND;
	e = resolve_look_up(r, &r->c->aliases, local, TABLE_WHOLE, &entry);
	if (e == ERR_NOT_FOUND && extension.n > 0)
		e = resolve_look_up(r, &r->c->aliases,
				    str_first(local, local.n - extension.n),
				    TABLE_PART, &entry);
	if (e == ERR_NOT_FOUND && stands_for_root(r, local, &entry.value))
		e = OK;
	if (e != OK)
		return e;
	x->is_alias = true;
	x->is_propagating = false;
	if (is_for_addresses(entry.value))
		return replace(x, at, entry.value, S(""));
	resolve_say(r, "commands and files get no mail here: put off");
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
	bool is_domain_tried =
		!settings_is_on(s, "catchall_after_accounts") ||
		resolve_find_account(r, address, &ignored) == NULL;
	enum err e = ERR_NOT_FOUND;

	if (++x->n_steps > STEPS_MAX) {
		resolve_say(r, "too many aliases: put off");
		x->has_failed = true;
		return ERR_NOT_FOUND;
	}
	if (!r->is_unmapped)
		e = resolve_find(r, &r->c->virtual_alias, address,
				 is_domain_tried, &entry, &extension);
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
			resolve_say(x->r,
				    "aliases lead back to themselves: put off");
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

	if (!resolve_is_postmaster(address) || stand_in.n == 0 ||
	    !resolve_is_local(r, address_domain_of(address)) ||
	    resolve_find_account(r, address, &ignored) != NULL ||
	    str_ieq(stand_in, address))
		return address;
	resolve_say(r, "postmaster_address: %.*s", STR(stand_in));
	return stand_in;
}

enum err
resolve_expand(struct expansion *x, struct str address)
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
