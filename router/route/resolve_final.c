/* SPDX-License-Identifier: MIT
 * router/route/resolve_final.c - class, transport and next hop of an address
 * that no alias changes any more; the mailbox, if it is here.
 *
 * Process: router.  Standards: RFC 5321 4.5.1 (postmaster), RFC 3463 (codes);
 * lookup orders are those of transport(5) and relocated(5).
 */
#include "router/route/resolve_private.h"

#include "lib/mail/address.h"

/* docker-mailserver's way to its own mailboxes, which are here. */
#define DOVECOT_SOCKET "lmtp:unix:/var/run/dovecot/lmtp"

/* ---- class, transport, next hop ---- */

void
resolve_set_error(struct route_target *t, enum route_class class,
		  const char *code, const char *text)
{
	t->class = class;
	t->transport = class == ROUTE_RETRY ? S("retry") : S("error");
	t->nexthop = S("");
	t->code = str_c(code);
	t->text = str_c(text);
}

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
	resolve_say(r, "%s: %.*s", setting, STR(text));
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
	enum err e = resolve_find(r, &c->sender_relayhost, sender_key(r), true,
				  &entry, &ignored);

	if (e == OK && entry.value.n > 0 && !str_ieq(entry.value, S("DUNNO"))) {
		t->nexthop = without_smtp(entry.value);
		return;
	}
	if (e == ERR_NOT_FOUND && c->relay_nexthop.n > 0 &&
	    (resolve_domain_flags(r, address_domain_of(r->sender)) &
	     DOMAIN_MAILBOX) != 0) {
		resolve_say(r, "RELAY_HOST: %.*s", STR(c->relay_nexthop));
		t->nexthop = c->relay_nexthop;
		return;
	}
	if (relayhost.n == 0)
		return;
	resolve_say(r, "relayhost: %.*s", STR(relayhost));
	t->nexthop = relayhost;
}

static void
choose_default(struct resolver *r, struct route_target *t)
{
	struct table_answer entry;
	struct str ignored, nexthop;

	choose_relay(r, t);
	if (resolve_find(r, &r->c->sender_transport, sender_key(r), true,
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
	struct str domain = address_domain_of(t->address);
	unsigned flags = resolve_domain_flags(r, domain);

	t->nexthop = domain;
	if ((flags & DOMAIN_MAILBOX) != 0) {
		resolve_say(r, "%.*s is a domain of mailboxes", STR(domain));
		take_spec(r, "virtual_transport", t);
	} else if ((flags & DOMAIN_MYDESTINATION) != 0) {
		resolve_say(r, "%.*s is in mydestination", STR(domain));
		take_spec(r, "local_transport", t);
		t->nexthop = domain;
	} else if ((flags & DOMAIN_ALIAS) != 0) {
		resolve_say(r, "%.*s has aliases alone", STR(domain));
		return false;
	} else if ((flags & DOMAIN_RELAY) != 0) {
		resolve_say(r, "%.*s is a relay domain", STR(domain));
		choose_relay(r, t);
		take_spec(r, "relay_transport", t);
	} else {
		choose_default(r, t);
	}
	return true;
}

/* user+ext@dom, user@dom, dom, .parents from the longest, "*". */
static enum err
resolve_find_transport(struct resolver *r, struct str address,
		       struct table_answer *out, bool *is_star_out)
{
	const struct table_list *tables = &r->c->transport;
	bool is_parent_bare = settings_lists(&r->c->settings,
					     "parent_domain_matches_subdomains",
					     S("transport_maps"));
	struct str local = address_local_of(address),
		   name = address_domain_of(address), key;
	struct str extension = route_extension(r->c, local);
	enum err e;

	*is_star_out = false;
	if (tables->n == 0)
		return ERR_NOT_FOUND;
	e = resolve_look_up(r, tables, address, TABLE_WHOLE, out);
	if (e == ERR_NOT_FOUND && extension.n > 0) {
		e = arena_join(r->arena,
			       str_first(local, local.n - extension.n), S("@"),
			       name, &key);
		if (e == OK)
			e = resolve_look_up(r, tables, key, TABLE_PART, out);
	}
	while (e == ERR_NOT_FOUND && name.n > 0) {
		ptrdiff_t dot = str_chr(str_from(name, 1), '.');

		e = resolve_look_up(r, tables, name, TABLE_PART, out);
		if (e != ERR_NOT_FOUND || dot < 0)
			break;
		name = str_from(name, (size_t)dot + 1);
		if (is_parent_bare)
			name = str_from(name, 1);
	}
	*is_star_out = e == ERR_NOT_FOUND;
	return *is_star_out
		       ? resolve_look_up(r, tables, S("*"), TABLE_WHOLE, out)
		       : e;
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
			: address_domain_of(t->address);
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

enum err
route_knows_domain(const struct config *c, struct str domain,
		   struct remote *remote, bool *is_known_out)
{
	struct arena arena = ARENA_INIT(WORK_MAX_OCTETS);
	struct resolver r = { .c = c, .arena = &arena, .remote = remote };
	struct table_answer entry;
	struct str address;
	bool is_star;

	*is_known_out = (resolve_domain_flags(&r, domain) &
			 (DOMAIN_LOCAL | DOMAIN_RELAY)) != 0;
	if (!*is_known_out &&
	    arena_join(&arena, S(""), S("@"), domain, &address) == OK &&
	    resolve_find_transport(&r, address, &entry, &is_star) == OK)
		*is_known_out = !is_star;
	arena_release(&arena);
	return r.is_asking ? ERR_MORE : OK;
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
	const struct config_domain *d =
		config_domain(r->c, address_domain_of(address));

	if (d != NULL && d->first_account != NULL)
		return d->first_account;
	return r->c->n_accounts > 0 ? &r->c->accounts[0] : NULL;
}

static void
resolve_mailbox(struct resolver *r, struct route_target *t)
{
	const struct config *c = r->c;
	const struct config_account *a;

	t->class = ROUTE_LOCAL;
	if (!c->is_accounts_known || c->n_accounts == 0) {
		resolve_say(r, "accounts: none known yet: put off");
		resolve_set_error(t, ROUTE_RETRY, "4.3.0",
				  "No accounts are known yet; try again later");
		return;
	}
	a = resolve_find_account(r, t->address, &t->extension);
	if (a == NULL && resolve_is_postmaster(t->address)) {
		a = stand_in_for_postmaster(r, t->address);
		if (a != NULL)
			resolve_say(r,
				    "postmaster: the first account, %.*s, "
				    "stands in",
				    STR(a->name));
	}
	if (a == NULL) {
		resolve_say(r, "accounts: no %.*s", STR(t->address));
		resolve_set_error(t, ROUTE_ERROR, "5.1.1",
				  "User unknown in the table of accounts");
		return;
	}
	if (a->line > 0)
		resolve_say(r, "accounts: %.*s (line %u)", STR(a->name),
			    a->line);
	else // the running router knows names alone
		resolve_say(r, "accounts: %.*s", STR(a->name));
	t->mailbox = a->name;
	set_quota(r, t);
}

/* ---- one final address ---- */

/* What an error transport says; a domain that stands there by default would
 * say nothing. */
static struct str
error_text(const struct route_target *t)
{
	return resolve_is_foreign(t) ? S("Address is undeliverable")
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
		resolve_say(r, "no transport is called %.*s: put off",
			    STR(t->transport));
		resolve_set_error(t, ROUTE_RETRY, "4.3.5",
				  "The mail transport is not available");
		return;
	}
	t->class = transports[i].class;
	switch (t->class) {
	case ROUTE_LOCAL:
		resolve_mailbox(r, t);
		break;
	case ROUTE_REMOTE:
		resolve_check_nexthop(r, t);
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

	if (resolve_find(r, &r->c->relocated, t->address, true, &entry,
			 &ignored) != OK)
		return false;
	resolve_set_error(t, ROUTE_ERROR, "5.1.6", "User has moved");
	if (arena_join(r->arena, S("User has moved to "), entry.value, S(""),
		       &t->text) != OK)
		t->text = S("User has moved");
	return true;
}

enum err
resolve_final(struct resolver *r, struct str address, struct route_target *t)
{
	struct table_answer entry;
	struct str domain;
	bool is_star;
	enum err e = arena_lower(r->arena, address_domain_of(address), &domain);

	if (e == OK)
		e = arena_join(r->arena, address_local_of(address), S("@"),
			       domain, &t->address);
	if (e != OK)
		return e;
	t->original = r->rcpt;
	r->is_deferred = false;
	if (str_starts(address, S("-")) || str_starts(address, S("@"))) {
		resolve_set_error(t, ROUTE_ERROR, "5.1.3",
				  "Bad recipient address");
		return OK;
	}
	if (!choose_class(r, t)) {
		resolve_set_error(t, ROUTE_ERROR, "5.1.1",
				  "User unknown in the table of aliases");
		return OK;
	}
	e = resolve_find_transport(r, t->address, &entry, &is_star);
	if (e == OK)
		override(t, entry.value);
	if (!is_relocated(r, t))
		apply_transport(r, t);
	if (t->class == ROUTE_REMOTE)
		resolve_credentials(r, t);
	if (t->class == ROUTE_REMOTE && resolve_tls_policies(r, t) == ERR_LIMIT)
		return ERR_LIMIT;
	if (r->is_deferred)
		resolve_set_error(t, ROUTE_RETRY, "4.3.0",
				  "A table is not available; try again later");
	return OK;
}
