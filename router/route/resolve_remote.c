/* SPDX-License-Identifier: MIT
 * router/route/resolve_remote.c - what goes with a next hop: is it well
 * written, which credentials belong there, which TLS policy.
 *
 * Process: router.  Standards: none.
 * Invariant: credentials of a sender never go to a host that the recipient's
 * domain names.
 */
#include "router/route/resolve_private.h"

#include "lib/mail/address.h"
#include "lib/mail/nexthop.h"

/* ---- next hops ---- */

bool
resolve_is_foreign(const struct route_target *t)
{
	return str_eq(t->nexthop, address_domain_of(t->address));
}

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

void
resolve_check_nexthop(struct resolver *r, struct route_target *t)
{
	struct str list = t->nexthop, element;
	struct nexthop hop;
	const char *why;

	if (resolve_is_foreign(t)) {
		if (!is_domain(t->nexthop))
			resolve_set_error(t, ROUTE_ERROR, "5.1.2",
					  "Bad domain of the recipient");
		return;
	}
	while (nexthop_next(&list, &element)) {
		if (nexthop_parse(element, &hop, &why))
			continue;
		resolve_say(r, "next hop %.*s: %s: put off", STR(element), why);
		resolve_set_error(t, ROUTE_RETRY, "4.3.5",
				  "The next hop is not configured well");
		return;
	}
}

/* ---- credentials ---- */

static bool
split_password(struct str value, struct route_target *t)
{
	return str_split(&value, ':', &t->sasl_user) &&
	       (t->sasl_password = value).p != NULL;
}

/* Sender, host, next hop as written: the order of Postfix's client. Credentials
 * of a sender go only where the configuration says, never to the hosts that a
 * recipient's domain names: anybody can own such a host. */
void
resolve_credentials(struct resolver *r, struct route_target *t)
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
	if (c->is_sasl_by_sender && !resolve_is_foreign(t) && r->sender.n > 0)
		e = resolve_find(r, &c->sasl, r->sender, true, &entry,
				 &ignored);
	if (e == ERR_NOT_FOUND && is_single)
		e = resolve_look_up(r, &c->sasl, hop.host, TABLE_WHOLE, &entry);
	if (e == ERR_NOT_FOUND)
		e = resolve_look_up(r, &c->sasl, t->nexthop, TABLE_WHOLE,
				    &entry);
	if (e == OK) {
		split_password(entry.value, t);
		return;
	}
	if (e == ERR_NOT_FOUND && c->relay_user.n > 0 &&
	    str_ieq(t->nexthop, c->relay_auth_nexthop)) {
		resolve_say(r, "RELAY_USER: %.*s", STR(c->relay_user));
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
	enum err e = resolve_look_up(r, &r->c->tls_policy, element, TABLE_WHOLE,
				     out);
	struct str rest = element;
	ptrdiff_t dot;

	if (e != ERR_NOT_FOUND || !nexthop_parse(element, &hop, &why) ||
	    hop.is_exact || hop.port != 0 || !str_eq(hop.host, element))
		return e;
	while (e == ERR_NOT_FOUND && (dot = str_chr(rest, '.')) >= 0) {
		rest = str_from(rest, (size_t)dot);
		e = resolve_look_up(r, &r->c->tls_policy, rest, TABLE_PART,
				    out);
		rest = str_from(rest, 1);
	}
	return e;
}

enum err
resolve_tls_policies(struct resolver *r, struct route_target *t)
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
		resolve_set_error(
			t, ROUTE_RETRY, "4.3.5",
			"The TLS policies of the next hop are too long");
	else if (e == OK && is_any)
		e = arena_str(r->arena, buf_str(&lines), &t->tls_policy);
	buf_release(&lines);
	return e;
}
