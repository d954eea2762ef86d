/* SPDX-License-Identifier: MIT
 * router/route/resolve_explain.c - tells a person each step of a resolution.
 *
 * Process: router, and mailctl for a configuration that does not run.
 */
#include "router/route/resolve_private.h"

static void
explain_target(struct resolver *r, const struct route_target *t)
{
	switch (t->class) {
	case ROUTE_LOCAL:
		resolve_say(r, "=> %.*s: mailbox %.*s", STR(t->address),
			    STR(t->mailbox));
		break;
	case ROUTE_REMOTE:
		resolve_say(r, "=> %.*s: %.*s to %.*s%s%.*s", STR(t->address),
			    STR(t->transport), STR(t->nexthop),
			    t->sasl_user.n > 0 ? " as " : "",
			    STR(t->sasl_user));
		break;
	case ROUTE_ERROR:
	case ROUTE_RETRY:
		resolve_say(r, "=> %.*s: %s %.*s %.*s", STR(t->address),
			    route_class_text(t->class), STR(t->code),
			    STR(t->text));
		break;
	case ROUTE_DISCARD:
	case ROUTE_HOLD:
		resolve_say(r, "=> %.*s: %s %.*s", STR(t->address),
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
	e = resolve_rewrite(r, class, address);
	if (e != OK || r->is_deferred)
		resolve_say(r,
			    "%.*s cannot be rewritten: the message is put off, "
			    "4.3.0",
			    STR(before));
	else if (!str_eq(before, *address))
		resolve_say(r, "%s %.*s", what, STR(*address));
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
		resolve_say_setting(
			r, "local_header_rewrite_clients",
			settings_text(&r->c->settings,
				      "local_header_rewrite_clients"));
	return e;
}

static void
explain_copy(struct resolver *r, struct str address)
{
	resolve_say(r, "copy to %.*s (NOTIFY=NEVER)", STR(address));
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
		resolve_say_setting(r, "always_bcc", always);
		explain_copy(r, always);
	}
	if (r->sender.n > 0 && resolve_find(r, &r->c->sender_bcc, r->sender,
					    true, &entry, &ignored) == OK) {
		value = entry.value;
		if (resolve_next_address(&value, &first))
			explain_copy(r, first);
	}
	e = resolve_copy(r, &copy);
	if (e == OK && copy.n > 0)
		explain_copy(r, copy);
	if (r->is_asking)
		return ERR_MORE;
	if (e != OK || r->is_deferred)
		resolve_say(r, "copies: put off, 4.3.0");
	return OK;
}

/* What the question at RCPT would get, but for restriction lists. */
static enum err
explain_rcpt(struct resolver *r, struct str sender, struct str rcpt)
{
	struct route_verdict v;
	enum err e = route_check_rcpt(r->c, sender, rcpt, false, r->remote, &v);

	if (e == OK)
		resolve_say(r, "RCPT from a stranger: %u %.*s %.*s", v.reply,
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

	resolve_say(&r, "recipient %.*s from <%.*s>", STR(rcpt), STR(sender));
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
		e = resolve_all(&r, &is_alias, &result);
	for (size_t i = 0; e == OK && i < result.n; i++)
		explain_target(&r, &result.list[i]);
	arena_release(&arena);
	return e != OK ? e : r.trace_err;
}
