/* SPDX-License-Identifier: MIT
 * router/route/canonical.c - see canonical.h.
 *
 * Process: router. Standards: canonical(5), postconf(5), RFC 5322 3.4 for
 * where an address begins and ends in a field.
 * Invariants:
 *  (1) What a table gives goes into a header or an envelope only if it is one
 *      address without blanks, control octets or brackets: a table of another
 *      host cannot add a field.
 *  (2) A table that cannot be read puts the message off. */
#include "router/route/canonical.h"

#include "lib/mail/header.h"
#include "router/route/resolve.h"

struct rewriting {
	const struct config *c;
	struct arena *arena;
	struct remote *remote;
	struct buf *out;
	struct access_result *result;
	unsigned n_addresses;
};

static const struct {
	struct str name;
	enum route_canonical class;
} fields[] = {
	{ STR_INIT("From"), CANONICAL_HEADER_SENDER },
	{ STR_INIT("Sender"), CANONICAL_HEADER_SENDER },
	{ STR_INIT("Reply-To"), CANONICAL_HEADER_SENDER },
	{ STR_INIT("Errors-To"), CANONICAL_HEADER_SENDER },
	{ STR_INIT("Return-Receipt-To"), CANONICAL_HEADER_SENDER },
	{ STR_INIT("Resent-From"), CANONICAL_HEADER_SENDER },
	{ STR_INIT("Resent-Sender"), CANONICAL_HEADER_SENDER },
	{ STR_INIT("Resent-Reply-To"), CANONICAL_HEADER_SENDER },
	{ STR_INIT("To"), CANONICAL_HEADER_RECIPIENT },
	{ STR_INIT("Cc"), CANONICAL_HEADER_RECIPIENT },
	{ STR_INIT("Bcc"), CANONICAL_HEADER_RECIPIENT },
	{ STR_INIT("Apparently-To"), CANONICAL_HEADER_RECIPIENT },
	{ STR_INIT("Resent-To"), CANONICAL_HEADER_RECIPIENT },
	{ STR_INIT("Resent-Cc"), CANONICAL_HEADER_RECIPIENT },
	{ STR_INIT("Resent-Bcc"), CANONICAL_HEADER_RECIPIENT },
};

/* Is there anything that gives addresses another form? */
static bool
has_rewriting(const struct config *c)
{
	return c->canonical.n + c->sender_canonical.n +
			       c->recipient_canonical.n >
		       0 ||
	       settings_text(&c->settings, "masquerade_domains").n > 0;
}

bool
canonical_has_work(const struct config *c)
{
	return has_rewriting(c) || c->sender_bcc.n > 0 ||
	       settings_text(&c->settings, "always_bcc").n > 0;
}

static void
add_effect(struct rewriting *w, enum access_effect_kind kind, struct str text,
	   const char *rule)
{
	struct access_result *r = w->result;

	if (r->n_effects < ACCESS_EFFECTS_MAX)
		r->effects[r->n_effects++] =
			(struct access_effect) { kind, text, str_c(rule) };
}

static enum err
put_off(struct rewriting *w, const char *rule)
{
	w->result->outcome = ACCESS_REFUSE;
	w->result->reply = (struct access_reply) {
		451, S("4.3.0"), S("A table is not available; try again later")
	};
	w->result->rule = str_c(rule);
	return OK;
}

/* Invariant (1). */
static bool
is_fit(struct str address)
{
	if (str_rchr(address, '@') <= 0)
		return false;
	for (size_t i = 0; i < address.n; i++) {
		unsigned char octet = (unsigned char)address.p[i];

		if (octet <= ' ' || octet == 0x7f ||
		    memchr("<>(),;\"\\", octet, 8) != NULL)
			return false;
	}
	return true;
}

/* *address stays as it is where no table has it. False: told in the result. */
static enum err
rewrite(struct rewriting *w, enum route_canonical class, struct str *address)
{
	struct str made;
	enum err e = route_canonical(w->c, class, *address, w->arena, w->remote,
				     &made);

	if (e == OK && !str_eq(made, *address) && !is_fit(made))
		e = ERR_UNAVAILABLE;
	if (e == ERR_UNAVAILABLE || e == ERR_LIMIT)
		return put_off(w, "canonical_maps");
	if (e == OK)
		*address = made;
	return e;
}

/* The end of a comment or quoted string that begins at `at`. */
static size_t
skip_enclosed(struct str s, size_t at)
{
	bool is_comment = s.p[at] == '(';
	unsigned depth = 1; // counts, does not recurse

	for (at++; at < s.n && depth > 0; at++) {
		if (s.p[at] == '\\' && at + 1 < s.n)
			at++;
		else if (is_comment && s.p[at] == '(')
			depth++;
		else if (s.p[at] == (is_comment ? ')' : '"'))
			depth--;
	}
	return at;
}

static bool
is_between(char octet)
{
	return (unsigned char)octet <= ' ' || memchr(",:;<>()", octet, 7);
}

/* The end of a run of octets that may be an address, from `at`. */
static size_t
skip_run(struct str s, size_t at)
{
	while (at < s.n && !is_between(s.p[at])) {
		if (s.p[at] == '[')
			while (at + 1 < s.n && s.p[at] != ']' &&
			       (unsigned char)s.p[at] > ' ')
				at++;
		at = s.p[at] == '"' ? skip_enclosed(s, at) : at + 1;
	}
	return at;
}

/* A run before '<' is a phrase, whatever it looks like. */
static bool
is_phrase(struct str s, size_t end)
{
	while (end < s.n && (unsigned char)s.p[end] <= ' ')
		end++;
	return end < s.n && s.p[end] == '<';
}

static enum err
put_run(struct rewriting *w, enum route_canonical class, struct str value,
	size_t at, size_t end)
{
	struct str run = str_sub(value, at, end - at);
	enum err e = OK;

	if (str_rchr(run, '@') <= 0 || str_chr(run, '"') >= 0 ||
	    is_phrase(value, end))
		return buf_add(w->out, run);
	if (++w->n_addresses == CANONICAL_MAX_ADDRESSES + 1)
		add_effect(w, EFFECT_NOTE,
			   S("too many addresses in the header: the rest "
			     "stays as it is"),
			   "canonical_maps");
	if (w->n_addresses <= CANONICAL_MAX_ADDRESSES)
		e = rewrite(w, class, &run);
	return e == OK ? buf_add(w->out, run) : e;
}

/* A whole field, its line ends included. */
static enum err
put_field(struct rewriting *w, enum route_canonical class, struct str field)
{
	size_t at = (size_t)str_chr(field, ':') + 1, end;
	enum err e = buf_add(w->out, str_first(field, at));

	for (; e == OK && at < field.n; at = end) {
		if (field.p[at] == '(') {
			end = skip_enclosed(field, at);
			e = buf_add(w->out, str_sub(field, at, end - at));
		} else if (is_between(field.p[at])) {
			end = at + 1;
			e = buf_addc(w->out, field.p[at]);
		} else {
			end = skip_run(field, at);
			e = put_run(w, class, field, at, end);
		}
	}
	return e;
}

static enum err
put_header(struct rewriting *w, struct str header)
{
	struct header_iter it;
	struct header_field f;
	size_t done = 0;
	enum err e = OK;

	header_iter_init(&it, header);
	while (e == OK && header_next(&it, &f))
		for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
			if (!str_ieq(f.name, fields[i].name))
				continue;
			e = buf_add(w->out, str_sub(header, done, f.at - done));
			if (e == OK)
				e = put_field(w, fields[i].class,
					      str_sub(header, f.at, f.n));
			done = f.at + f.n;
			break;
		}
	return e == OK ? buf_add(w->out, str_from(header, done)) : e;
}

/* local_header_rewrite_clients. */
static bool
is_rewritten(const struct config *c, const struct canonical_ask *ask)
{
	struct str list =
		settings_text(&c->settings, "local_header_rewrite_clients");
	bool is_here = str_starts(ask->client, S("127.")) ||
		       str_eq(ask->client, S("::1")) || ask->client.n == 0;
	struct str item;

	if (!has_rewriting(c))
		return false;
	while (settings_item(&list, &item))
		if ((is_here && str_eq(item, S("permit_inet_interfaces"))) ||
		    (ask->is_trusted && str_eq(item, S("permit_mynetworks"))) ||
		    (ask->has_login &&
		     str_eq(item, S("permit_sasl_authenticated"))))
			return true;
	return settings_text(&c->settings, "remote_header_rewrite_domain").n >
	       0;
}

/* sender_bcc_maps; the first address of the value counts. */
static enum err
copy_for_sender(struct rewriting *w, struct str sender)
{
	struct str value, first;
	enum err e;

	if (w->c->sender_bcc.n == 0 || sender.n == 0)
		return OK;
	e = route_find_address(w->c, &w->c->sender_bcc, sender, w->arena,
			       w->remote, &value);
	if (e == ERR_NOT_FOUND)
		return OK;
	if (e == ERR_UNAVAILABLE || e == ERR_LIMIT)
		return put_off(w, "sender_bcc_maps");
	if (e == OK && settings_item(&value, &first))
		add_effect(w, EFFECT_BCC, first, "sender_bcc_maps");
	return e;
}

enum err
canonical_message(const struct config *c, const struct canonical_ask *ask,
		  struct arena *arena, struct remote *remote, struct buf *out,
		  struct access_result *result)
{
	struct rewriting w = { .c = c,
			       .arena = arena,
			       .remote = remote,
			       .out = out,
			       .result = result };
	struct str sender = ask->sender;
	struct str always = settings_text(&c->settings, "always_bcc");
	enum err e = OK;

	if (sender.n > 0)
		e = rewrite(&w, CANONICAL_ENVELOPE_SENDER, &sender);
	if (e == OK && !str_eq(sender, ask->sender))
		add_effect(&w, EFFECT_SENDER, sender, "canonical_maps");
	if (always.n > 0)
		add_effect(&w, EFFECT_BCC, always, "always_bcc");
	if (e == OK)
		e = copy_for_sender(&w, sender);
	if (e != OK)
		return e;
	return is_rewritten(c, ask) ? put_header(&w, ask->header)
				    : buf_add(out, ask->header);
}
