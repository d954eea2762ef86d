/* SPDX-License-Identifier: MIT
 * router/route/access_fact.c - what is known of a session, and who is spoken
 * about.
 *
 * Process: router.  Standards: none.
 * Owns: nothing; works in the caller's arena. Invariants: those of access.c.
 */
#include "router/route/access_private.h"

#include "lib/mail/address.h"
#include "router/route/resolve.h"

/* NULL: it is missing, and all stops. */
const struct access_fact *
access_need(struct eval *e, enum access_fact_kind kind, struct str key)
{
	if (kind != FACT_SERVICE)
		key = access_lower(e, key);
	for (size_t i = 0; i < e->f->n_known; i++)
		if (e->f->known[i].kind == kind &&
		    str_eq(e->f->known[i].key, key))
			return &e->f->known[i];
	e->out->outcome = ACCESS_NEED;
	e->out->need_kind = kind;
	e->out->need_key = key;
	return NULL;
}

const struct access_fact *
access_known(struct eval *e, enum access_fact_kind kind, struct str key)
{
	for (size_t i = 0; i < e->f->n_known; i++)
		if (e->f->known[i].kind == kind &&
		    str_ieq(e->f->known[i].key, key))
			return &e->f->known[i];
	return NULL;
}

struct str
access_first_line(struct str lines)
{
	struct str line = S("");

	str_split(&lines, '\n', &line);
	return line;
}

/* The client's name as its network claims it; "unknown" with *is_sure_out when
 * there is none. */
bool
access_reverse_name(struct eval *e, struct str *out, bool *is_sure_out)
{
	const struct access_fact *f =
		access_need(e, FACT_NAMES_OF, e->f->client);

	if (f == NULL)
		return false;
	*is_sure_out = f->status != FACT_TEMPORARY;
	*out = f->status == FACT_FOUND ? access_first_line(f->value)
				       : S("unknown");
	if (!address_is_domain(*out, 0) || access_is_literal(*out))
		*out = S("unknown");
	return true;
}

/* Is one of these lines this address, however it is written? */
static bool
has_address(struct str lines, struct str address)
{
	uint8_t wanted[16], octets[16];
	struct str line;

	if (!cidr_address(address, wanted))
		return false;
	while (str_split(&lines, '\n', &line))
		if (cidr_address(line, octets) &&
		    memcmp(wanted, octets, sizeof(octets)) == 0)
			return true;
	return false;
}

/* The name that leads back to the client's address. */
bool
access_client_name(struct eval *e, struct str *out, bool *is_sure_out)
{
	const struct access_fact *f;
	struct str name;

	if (!access_reverse_name(e, &name, is_sure_out))
		return false;
	*out = name;
	if (str_eq(name, S("unknown")))
		return true;
	f = access_need(e, FACT_ADDRESSES, name);
	if (f == NULL)
		return false;
	*is_sure_out = f->status != FACT_TEMPORARY;
	if (f->status != FACT_FOUND || !has_address(f->value, e->f->client))
		*out = S("unknown");
	return true;
}

/* For messages: what is known already, without asking. */
struct str
access_client_text(struct eval *e)
{
	const struct access_fact *f =
		access_known(e, FACT_NAMES_OF, e->f->client);
	struct str name = S("unknown");

	if (f != NULL && f->status == FACT_FOUND) {
		const struct access_fact *back = access_known(
			e, FACT_ADDRESSES, access_first_line(f->value));

		if (back != NULL && back->status == FACT_FOUND &&
		    has_address(back->value, e->f->client))
			name = access_first_line(f->value);
	}
	return access_text(e, "%.*s[%.*s]", STR(name), STR(e->f->client));
}

/* Names that need no DNS: of the operator's own network, ours, or with an
 * explicit route. Public DNS says nothing about them. */
bool
access_is_known_name(struct eval *e, struct str name)
{
	bool is_known = true;

	if (str_chr(name, '.') < 0 || str_iends(name, S(".local")))
		return true;
	if (route_knows_domain(e->c, name, e->remote, &is_known) != OK)
		e->is_asking = true;
	return is_known;
}

struct scope
access_scope(struct eval *e, enum policy_subject subject)
{
	switch (subject) {
	case SUBJECT_CLIENT:
		return (struct scope) { access_client_text(e), "Client host",
					POLICY_CLIENT };
	case SUBJECT_REVERSE_CLIENT:
		return (struct scope) { access_client_text(e),
					"Unverified Client host",
					POLICY_CLIENT };
	case SUBJECT_HELO:
		return (struct scope) { e->f->helo, "Helo command",
					POLICY_HELO };
	case SUBJECT_SENDER:
		return (struct scope) { e->f->sender, "Sender address",
					POLICY_SENDER };
	case SUBJECT_RECIPIENT:
		return (struct scope) { e->f->rcpt, "Recipient address",
					POLICY_RECIPIENT };
	case SUBJECT_LOGIN:
		return (struct scope) { e->f->login, "SASL login name",
					POLICY_CLIENT };
	case SUBJECT_CERTIFICATE:
		return (struct scope) { S(""), "Client certificate",
					POLICY_CLIENT };
	case SUBJECT_NONE:
		break;
	}
	return (struct scope) { S(""), "Client host", POLICY_CLIENT };
}
