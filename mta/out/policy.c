/* SPDX-License-Identifier: MIT
 * mta/out/policy.c - see policy.h.
 *
 * Invariant: whatever cannot be understood or does not fit makes no weaker
 * policy: it is refused. */
#include "mta/out/policy.h"

enum { SUBMISSIONS_PORT = 465 };

static bool
has_word(struct str list, struct str word)
{
	struct str item;

	while (str_split(&list, ',', &item)) {
		struct str part;

		while (str_word(&item, &part))
			if (str_ieq(part, word))
				return true;
	}
	return false;
}

static bool
is_address(struct str host)
{
	struct nexthop hop;
	const char *why;

	return nexthop_parse(host, &hop, &why) && hop.is_address;
}

/* "nexthop", "dot-nexthop", "hostname", or a name. */
static bool
add_name(const struct policy_question *ask, struct str item, struct policy *p)
{
	struct str name = item, hop = ask->hop->host;

	if (p->peer.n_names == POLICY_NAMES)
		return false;
	if (str_ieq(item, S("hostname"))) {
		name = ask->host;
	} else if (str_ieq(item, S("nexthop"))) {
		name = hop;
	} else if (str_ieq(item, S("dot-nexthop"))) {
		if (is_address(hop))
			return true; // nothing is below an address
		if (hop.n + 2 > sizeof(p->dot_nexthop))
			return false;
		name.n =
			(size_t)snprintf(p->dot_nexthop, sizeof(p->dot_nexthop),
					 ".%.*s", STR(hop));
		name.p = p->dot_nexthop;
	}
	if (name.n > 0)
		p->names[p->peer.n_names++] = name;
	return true;
}

/* main.cf separates by commas and blanks, a policy by ':'. */
static bool
add_names(const struct policy_question *ask, struct str list, struct policy *p)
{
	struct str rest = list, item;

	while (rest.n > 0) {
		size_t n = 0;

		while (n < rest.n && str_chr(S(":, \t"), rest.p[n]) < 0)
			n++;
		item = str_first(rest, n);
		rest = str_from(rest, n < rest.n ? n + 1 : n);
		if (item.n > 0 && !add_name(ask, item, p))
			return false;
	}
	return true;
}

static bool
add_prints(struct str list, struct policy *p)
{
	struct str rest = list, item;

	while (rest.n > 0) {
		size_t n = 0;

		while (n < rest.n && str_chr(S("|, \t"), rest.p[n]) < 0)
			n++;
		item = str_first(rest, n);
		rest = str_from(rest, n < rest.n ? n + 1 : n);
		if (item.n == 0)
			continue;
		if (p->peer.n_prints == POLICY_NAMES ||
		    !tls_fingerprint_parse(item, p->prints[p->peer.n_prints++]))
			return false;
	}
	return true;
}

static bool
make_matches(const struct policy_question *ask, const struct tls_policy *t,
	     struct policy *p, const char **why_out)
{
	const struct router_smtp *m = ask->smtp;
	struct str preset = t->level == TLS_FINGERPRINT
				    ? m->tls_fingerprint_match
			    : t->level == TLS_VERIFY ? m->tls_verify_match
						     : m->tls_secure_match;
	size_t n = t->n_match ? t->n_match : 1;
	bool ok = true;

	if (t->level < TLS_FINGERPRINT)
		return true;
	for (size_t i = 0; i < n && ok; i++) {
		struct str list = t->n_match ? t->match[i] : preset;

		ok = t->level == TLS_FINGERPRINT ? add_prints(list, p)
						 : add_names(ask, list, p);
	}
	*why_out = t->level == TLS_FINGERPRINT
			   ? "no SHA-256 fingerprints to compare with"
			   : "no names to compare with, or too many";
	p->peer.must_verify = t->level != TLS_FINGERPRINT;
	return ok && p->peer.n_prints + p->peer.n_names > 0;
}

bool
policy_make(const struct policy_question *ask, struct policy *p,
	    const char **why_out)
{
	const struct router_smtp *m = ask->smtp;
	struct str level = m->tls_level.n > 0 ? m->tls_level : S("may");
	struct tls_policy t;
	struct str protocols;
	unsigned with;

	memset(p, 0, sizeof(*p));
	if (!tls_policy_parse(ask->text.n > 0 ? ask->text : level, &t, why_out))
		return false;
	p->is_wrapped = m->has_wrapper || ask->port == SUBMISSIONS_PORT;
	p->may_login_plain = !has_word(m->sasl_options, S("noplaintext"));
	p->level = t.level;
	if (p->level < TLS_ENCRYPT &&
	    (p->is_wrapped || (ask->has_password && !p->may_login_plain)))
		p->level = TLS_ENCRYPT;
	p->peer.names = p->names;
	p->peer.prints = (const unsigned char(*)[TLS_PRINT_OCTETS])p->prints;
	p->peer.exclude = t.exclude.n > 0 ? t.exclude : m->tls_exclude;
	p->peer.sni = is_address(ask->host) ? STR_NONE : ask->host;
	if (t.servername.n > 0 && !str_ieq(t.servername, S("hostname")))
		p->peer.sni = t.servername;
	protocols = t.protocols.n > 0	      ? t.protocols
		    : p->level >= TLS_ENCRYPT ? m->tls_mandatory_protocols
					      : m->tls_protocols;
	*why_out = "none of TLS 1.2 and 1.3 is allowed";
	if (!tls_protocols_parse(protocols, &with))
		return false;
	p->peer.without_1_2 = !(with & TLS_WITH_1_2);
	p->peer.without_1_3 = !(with & TLS_WITH_1_3);
	return make_matches(ask, &t, p, why_out);
}
