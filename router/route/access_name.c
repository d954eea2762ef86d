/* SPDX-License-Identifier: MIT
 * router/route/access_name.c - names and domains: are they whole, does DNS know
 * them?
 *
 * Process: router.  Standards: RFC 5321 4.1.3, RFC 7505, RFC 7372.
 * Owns: nothing; works in the caller's arena. Invariants: those of access.c.
 */
#include "router/route/access_private.h"

#include "lib/mail/address.h"

/* "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 4.1.3). */
static bool
is_good_literal(struct str name)
{
	uint8_t ignored[16];
	struct str inner = str_sub(name, 1, name.n < 2 ? 0 : name.n - 2);
	bool has_tag = str_istarts(inner, S("IPv6:"));

	return str_ends(name, S("]")) && cidr_address(inner, ignored) &&
	       has_tag == (str_chr(inner, ':') >= 0);
}

enum status
access_check_helo(struct eval *e)
{
	struct scope s = access_scope(e, SUBJECT_HELO);
	struct str name = access_without_dot(e->f->helo);
	uint8_t ignored[16];

	if (e->f->helo.n == 0)
		return DUNNO;
	if (access_is_literal(name)) {
		if (is_good_literal(name))
			return DUNNO;
		return access_reject(
			e, &s, access_code(e, "invalid_hostname_reject_code"),
			"5.5.2", "invalid ip address");
	}
	if (address_is_domain(name, 0) || cidr_address(name, ignored))
		return DUNNO;
	return access_reject(e, &s,
			     access_code(e, "invalid_hostname_reject_code"),
			     "5.5.2", "Invalid name");
}

static bool
is_fqdn(struct str name)
{
	uint8_t ignored[16];

	name = access_without_dot(name);
	return address_is_domain(name, 0) && !access_is_literal(name) &&
	       !cidr_address(name, ignored) && str_chr(name, '.') >= 0;
}

enum status
access_check_fqdn(struct eval *e)
{
	enum policy_subject subject = e->rule->subject;
	struct scope s = access_scope(e, subject);
	unsigned code = access_code(e, "non_fqdn_reject_code");
	struct str domain = address_domain_of(s.name);

	if (s.name.n == 0)
		return DUNNO;
	if (subject == SUBJECT_HELO) {
		if (access_is_literal(s.name))
			return access_check_helo(e);
		return is_fqdn(s.name)
			       ? DUNNO
			       : access_reject(e, &s, code, "5.5.2",
					       "need fully-qualified hostname");
	}
	if (str_ieq(s.name, S("postmaster")) || access_is_literal(domain) ||
	    is_fqdn(domain))
		return DUNNO;
	return access_reject(e, &s, code, "5.5.2",
			     "need fully-qualified address");
}

static enum status
check_unknown_helo(struct eval *e)
{
	struct scope s = access_scope(e, SUBJECT_HELO);
	struct str name = access_without_dot(e->f->helo);
	const struct access_fact *f;

	if (name.n == 0)
		return DUNNO;
	if (access_is_literal(name))
		return access_check_helo(e);
	if (access_is_known_name(e, name))
		return DUNNO;
	f = access_need(e, FACT_ADDRESSES, name);
	if (f != NULL && f->status == FACT_NONE)
		f = access_need(e, FACT_EXCHANGES, name);
	if (f == NULL)
		return STOPPED;
	if (f->status == FACT_FOUND)
		return DUNNO;
	if (f->status == FACT_TEMPORARY)
		return access_defer_if(e, &s, &e->if_permit, 450, "4.7.1",
				       S("Host not found"));
	return access_reject(e, &s,
			     access_code(e, "unknown_hostname_reject_code"),
			     "4.7.1", "Host not found");
}

enum status
access_check_name(struct eval *e)
{
	struct scope s = access_scope(e, e->rule->subject);
	bool is_reverse = e->rule->subject == SUBJECT_REVERSE_CLIENT;
	struct str name;
	bool is_sure;

	if (e->rule->subject == SUBJECT_HELO)
		return check_unknown_helo(e);
	if (!(is_reverse ? access_reverse_name(e, &name, &is_sure)
			 : access_client_name(e, &name, &is_sure)))
		return STOPPED;
	if (!str_eq(name, S("unknown")))
		return DUNNO;
	return access_refuse(
		e, &s,
		is_sure ? access_code(e, "unknown_client_reject_code") : 450,
		"4.7.25",
		access_text(
			e,
			"Client host rejected: cannot find your %shostname, "
			"[%.*s]",
			is_reverse ? "reverse " : "", STR(e->f->client)));
}

enum status
access_check_domain(struct eval *e)
{
	bool is_sender = e->rule->subject == SUBJECT_SENDER;
	struct scope s = access_scope(e, e->rule->subject);
	struct str domain = access_without_dot(address_domain_of(s.name));
	const struct access_fact *f;

	if (s.name.n == 0 || domain.n == 0 || access_is_literal(domain) ||
	    access_is_known_name(e, domain))
		return DUNNO;
	f = access_need(e, FACT_EXCHANGES, domain);
	if (f != NULL && f->status == FACT_FOUND && str_eq(f->value, S(".")))
		return access_refuse(
			e, &s, is_sender ? 550 : 556,
			is_sender ? "5.7.27" : "5.1.10",
			access_text(e,
				    "<%.*s>: %s rejected: Domain %.*s does "
				    "not accept mail (nullMX)",
				    STR(str_first(s.name, 256)), s.class,
				    STR(str_first(domain, 256))));
	if (f != NULL && f->status == FACT_NONE)
		f = access_need(e, FACT_ADDRESSES, domain);
	if (f == NULL)
		return STOPPED;
	if (f->status == FACT_FOUND)
		return DUNNO;
	if (f->status == FACT_TEMPORARY)
		return access_defer_if(e, &s, &e->if_permit, 450, "4.1.8",
				       S("Domain not found"));
	return access_reject(e, &s,
			     access_code(e, "unknown_address_reject_code"),
			     "4.1.8", "Domain not found");
}
