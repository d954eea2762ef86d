/* SPDX-License-Identifier: MIT
 * router/route/resolve_rcpt.c - the answer to RCPT TO: may it be relayed, is it
 * known?
 *
 * Process: router.  Standards: RFC 5321 3.6, 4.5.1.
 * Invariant: 550 and 554 are said only when no table was missing.
 */
#include "router/route/resolve_private.h"

#include "lib/mail/address.h"

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
	struct str local = address_local_of(address);

	return str_chr(local, '@') >= 0 || str_chr(local, '%') >= 0 ||
	       str_chr(local, '!') >= 0;
}

static bool
may_relay(struct resolver *r, struct str address, bool is_relay_allowed)
{
	unsigned flags = resolve_domain_flags(r, address_domain_of(address));

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
	return resolve_find(r, tables, address, true, &entry, &ignored);
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
	return resolve_find_account(r, address, &ignored) != NULL
		       ? OK
		       : ERR_NOT_FOUND;
}

/* Takes back the 250 of a recipient that is not listed. */
static void
judge_listed(struct resolver *r, struct str address, struct route_verdict *v)
{
	unsigned flags = resolve_domain_flags(r, address_domain_of(address));
	bool is_local = (flags & DOMAIN_LOCAL) != 0;
	enum err e = OK;

	if (is_local && !resolve_is_postmaster(address) &&
	    r->c->is_accounts_known && r->c->n_accounts > 0)
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

static enum err
check_rcpt(struct resolver *r, bool is_relay_allowed, struct route_verdict *out)
{
	struct route_result result;
	struct str address, canonical;
	bool is_alias = false;
	enum err e = resolve_whole_address(r, r->rcpt, &address);

	set_verdict(out, 451, S("4.3.0"), S("Try again later"));
	if (e == OK && !may_relay(r, address, is_relay_allowed) &&
	    !r->is_deferred) {
		set_verdict(out, 554, S("5.7.1"), S("Relay access denied"));
		e = ERR_REFUSED;
	}
	if (e == OK && r->is_deferred)
		e = r->is_asking ? ERR_MORE : ERR_UNAVAILABLE;
	if (e == OK)
		e = resolve_all(r, &is_alias, &result);
	if (e == OK) {
		judge(&result, out);
		if (out->reply == 550 && resolve_is_postmaster(address) &&
		    resolve_is_local(r, address_domain_of(address)))
			set_verdict(out, 250, S("2.1.5"), S("Ok"));
		/* Canonical maps make an address known; masquerading makes
		 * nobody known. As with Postfix. */
		canonical = address;
		if (out->reply == 250 && !is_alias &&
		    resolve_rewrite_by_maps(r, CANONICAL_ENVELOPE_RECIPIENT,
					    &canonical) == OK &&
		    str_eq(canonical, address))
			judge_listed(r, address, out);
		if (r->is_asking)
			e = ERR_MORE;
	}
	return e == ERR_MORE ? ERR_MORE : OK;
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
	enum err e = check_rcpt(&r, is_relay_allowed, out);

	arena_release(&arena);
	return e;
}

enum err
route_check_rcpt_unmapped(const struct config *c, struct str sender,
			  struct str rcpt, struct remote *remote,
			  struct route_verdict *out)
{
	struct arena arena = ARENA_INIT(WORK_MAX_OCTETS);
	struct resolver r = { .c = c,
			      .arena = &arena,
			      .sender = sender,
			      .rcpt = rcpt,
			      .is_unmapped = true,
			      .remote = remote };
	enum err e = check_rcpt(&r, true, out);

	arena_release(&arena);
	return e;
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

	*is_ours_out = resolve_whole_address(&r, rcpt, &address) == OK &&
		       may_relay(&r, address, false);
	arena_release(&arena);
	if (r.is_asking)
		return ERR_MORE;
	return r.is_deferred ? ERR_UNAVAILABLE : OK;
}
