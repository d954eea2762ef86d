/* SPDX-License-Identifier: MIT
 * router/route/resolve.c - see resolve.h: one recipient, its steps in their
 * order.
 *
 * Process: router.  Standards: RFC 5321 4.5.1 (postmaster).
 * Owns: nothing; works in the caller's arena.
 * Invariants: those of resolve_private.h.
 */
#include "router/route/resolve.h"

#include "lib/mail/address.h"
#include "router/route/resolve_private.h"

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

	if (resolve_is_postmaster(local) && !resolve_is_local(r, origin) &&
	    c->n_accounts > 0)
		return address_domain_of(c->accounts[0].name);
	return origin;
}

enum err
resolve_whole_address(struct resolver *r, struct str rcpt, struct str *out)
{
	struct str local = without_quotes(address_local_of(rcpt));
	struct str domain = address_domain_of(rcpt);

	if (rcpt.n == 0)
		return arena_join(r->arena, S("MAILER-DAEMON"), S("@"),
				  settings_text(&r->c->settings, "myhostname"),
				  out);
	if (str_ends(domain, S(".")))
		domain.n--;
	if (domain.n == 0)
		domain = own_domain(r, local);
	return arena_join(r->arena, local, S("@"), domain, out);
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

		e = arena_lower(r->arena, x->list[i], &key);
		if (e != OK || map_set(&seen, key, x) != NULL)
			continue;
		resolve_say(r, "final address %.*s", STR(x->list[i]));
		e = resolve_final(r, x->list[i], &out->list[out->n++]);
	}
	map_release(&seen);
	return e;
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
	resolve_set_error(out->list, ROUTE_RETRY, code, text);
	return OK;
}

enum err
resolve_all(struct resolver *r, bool *is_alias_out, struct route_result *out)
{
	struct expansion x = { .r = r, .self_mapped = MAP_INIT };
	struct str address;
	enum err e = resolve_whole_address(r, r->rcpt, &address);

	*out = (struct route_result) { NULL, 0 };
	if (e == OK && !r->is_unmapped &&
	    resolve_rewrite(r, CANONICAL_ENVELOPE_RECIPIENT, &address) != OK)
		x.has_failed = true;
	else if (e == OK)
		e = resolve_expand(&x, address);
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

	return resolve_all(&r, &is_alias, out);
}

enum err
route_resolve_unmapped(const struct config *c, struct str sender,
		       struct str rcpt, struct arena *arena,
		       struct remote *remote, struct route_result *out)
{
	struct resolver r = { .c = c,
			      .arena = arena,
			      .sender = sender,
			      .rcpt = rcpt,
			      .is_unmapped = true,
			      .remote = remote };
	bool is_alias;

	return resolve_all(&r, &is_alias, out);
}

const char *route_class_text(enum route_class class)
{
	static const char *const texts[] = {
		[ROUTE_LOCAL] = "local",     [ROUTE_REMOTE] = "remote",
		[ROUTE_ERROR] = "error",     [ROUTE_RETRY] = "retry",
		[ROUTE_DISCARD] = "discard", [ROUTE_HOLD] = "hold",
	};

	return texts[class];
}
