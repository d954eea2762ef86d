/* SPDX-License-Identifier: MIT
 * router/route/resolve_canonical.c - what canonical(5), masquerade_domains and
 * recipient_bcc_maps make of an address.
 *
 * Process: router.  Standards: none.
 */
#include "router/route/resolve_private.h"

#include "lib/mail/address.h"
#include "router/route/masquerade.h"

enum { REWRITES_MAX = 10 }; // as Postfix

/* ---- canonical(5), masquerade_domains ---- */

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
	enum err e = resolve_find(r, tables, before, true, &entry, &extension);

	if (e != OK)
		return e;
	value = entry.value;
	if (!resolve_next_address(&value, &first))
		return ERR_NOT_FOUND;
	e = resolve_make_address(r, first, before, extension, is_propagating,
				 true, address);
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
		resolve_say(r, "%.*s leads back to itself: put off",
			    STR(tables->what));
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

enum err
resolve_rewrite_by_maps(struct resolver *r, enum route_canonical class,
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

enum err
resolve_rewrite(struct resolver *r, enum route_canonical class,
		struct str *address)
{
	enum err e = resolve_rewrite_by_maps(r, class, address);
	struct str before = *address;

	if (e == OK && masquerade_is_on(r->c, class_words[class]))
		e = masquerade(r->c, before, r->arena, address);
	if (e == OK && !str_eq(before, *address))
		resolve_say_setting(r, "masquerade_domains", *address);
	return e;
}

enum err
route_canonical(const struct config *c, enum route_canonical class,
		struct str address, struct arena *arena, struct remote *remote,
		struct str *out)
{
	struct resolver r = { .c = c, .arena = arena, .remote = remote };
	enum err e;

	*out = address;
	e = resolve_rewrite(&r, class, out);
	if (r.is_asking)
		return ERR_MORE;
	return e == OK && r.is_deferred ? ERR_UNAVAILABLE : e;
}

/* ---- copies ---- */

/* recipient_bcc_maps, by the recipient as canonical maps leave it; the first
 * address of the value counts. Empty: no copy. */
enum err
resolve_copy(struct resolver *r, struct str *out)
{
	struct table_answer entry;
	struct str address, ignored, value, first;
	struct address parsed;
	enum err e;

	*out = S("");
	if (r->c->recipient_bcc.n == 0)
		return OK;
	e = resolve_whole_address(r, r->rcpt, &address);
	if (e == OK)
		e = resolve_rewrite(r, CANONICAL_ENVELOPE_RECIPIENT, &address);
	if (e == OK)
		e = resolve_find(r, &r->c->recipient_bcc, address, true, &entry,
				 &ignored);
	if (r->is_asking)
		return ERR_MORE;
	value = entry.value;
	if (e != OK || !resolve_next_address(&value, &first))
		return e == ERR_NOT_FOUND ? OK : e;
	e = resolve_whole_address(r, first, &address);
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
route_copy(const struct config *c, struct str rcpt, struct arena *arena,
	   struct remote *remote, struct str *out)
{
	struct resolver r = {
		.c = c, .arena = arena, .rcpt = rcpt, .remote = remote
	};

	return resolve_copy(&r, out);
}
