/* SPDX-License-Identifier: MIT
 * router/route/access_lookup.c - check_*_access: which keys a table is asked
 * for.
 *
 * Process: router.  Standards: none (access(5)).
 * Owns: nothing; works in the caller's arena. Invariants: those of access.c.
 */
#include "router/route/access_private.h"

#include "lib/mail/address.h"
#include "router/route/resolve.h"

enum found { FOUND, NOT_FOUND };

/* One key. *found_out tells whether the table has it; the status is then that
 * of its value. A part of what is asked for is no question to a table of
 * patterns. */
static enum status
look(struct eval *e, const struct scope *s, struct str key, bool is_part,
     enum found *found_out)
{
	const struct table *t = e->rule->table;
	struct table_ask ask = { e->arena, e->remote, NULL };
	struct table_answer answer;
	enum err r = ERR_NOT_FOUND;

	*found_out = FOUND;
	if (++e->n_steps > ACCESS_STEPS_MAX)
		return access_broken(e, s, S("too many lookups"));
	if (!is_part || !t->is_pattern)
		r = table_find(t, key, &ask, &answer);
	if (r == ERR_NOT_FOUND) {
		*found_out = NOT_FOUND;
		return DUNNO;
	}
	if (r == ERR_MORE) {
		e->is_asking = true;
		return STOPPED;
	}
	if (r != OK)
		return access_broken(
			e, s,
			access_text(e, "the table %.*s is not available",
				    STR(t->name)));
	return access_act(e, s, answer.value);
}

/* A name and its parents. */
static enum status
look_name(struct eval *e, const struct scope *s, struct str name, bool is_part,
	  enum found *found_out)
{
	bool with_dot = true;
	struct str styles = settings_text(&e->c->settings,
					  "parent_domain_matches_subdomains");
	struct str item;

	while (settings_item(&styles, &item))
		if (str_eq(item, S("smtpd_access_maps")))
			with_dot = false;
	name = access_without_dot(name);
	*found_out = NOT_FOUND;
	while (name.n > 0) {
		enum status status = look(e, s, name, is_part, found_out);
		ptrdiff_t dot;
		uint8_t ignored[16];

		if (*found_out == FOUND)
			return status;
		/* An address that stands as a name has no parents. */
		if (cidr_address(name, ignored))
			return DUNNO;
		dot = str_chr(str_from(name, 1), '.');
		if (dot < 0)
			return DUNNO;
		name = str_from(name, (size_t)dot + (with_dot ? 1 : 2));
		is_part = true;
	}
	return DUNNO;
}

/* An address and its networks, octet by octet or group by group. */
static enum status
look_address(struct eval *e, const struct scope *s, struct str address,
	     enum found *found_out)
{
	char delimiter = str_chr(address, ':') >= 0 ? ':' : '.';
	bool is_part = false;

	*found_out = NOT_FOUND;
	while (address.n > 0) {
		enum status status = look(e, s, address, is_part, found_out);
		ptrdiff_t last;

		if (*found_out == FOUND)
			return status;
		last = str_rchr(address, delimiter);
		if (last < 0)
			return DUNNO;
		address = str_first(address, (size_t)last);
		while (address.n > 1 && address.p[address.n - 1] == delimiter)
			address.n--;
		is_part = true;
	}
	return DUNNO;
}

static enum status
look_client(struct eval *e, const struct scope *s, bool is_reverse)
{
	/* Networks have no names in them: no need to ask for one. */
	bool is_sure, has_names = e->rule->table->kind != TABLE_NETWORKS;
	enum found found;
	enum status status;
	struct str name;

	if (has_names) {
		if (!(is_reverse ? access_reverse_name(e, &name, &is_sure)
				 : access_client_name(e, &name, &is_sure)))
			return STOPPED;
		status = look_name(e, s, name, false, &found);
		if (found == FOUND || is_reverse)
			return status;
	}
	return look_address(e, s, e->f->client, &found);
}

/* A local part that names a second destination. */
bool
access_is_source_routed(struct str address)
{
	struct str local = address_local_of(address);

	return str_chr(local, '@') >= 0 || str_chr(local, '%') >= 0 ||
	       str_chr(local, '!') >= 0;
}

static enum status
look_mail(struct eval *e, const struct scope *s, struct str address,
	  enum policy_subject subject)
{
	struct str local = address_local_of(address),
		   domain = address_domain_of(address);
	struct str extension, base;
	enum found found;
	enum status status;

	if (address.n == 0)
		return look(e, s,
			    settings_text(&e->c->settings,
					  "smtpd_null_access_lookup_key"),
			    false, &found);
	extension = route_extension(e->c, local);
	base = str_first(local, local.n - extension.n);
	status = look(e, s, address, false, &found);
	if (found == NOT_FOUND && extension.n > 0)
		status = look(
			e, s,
			access_text(e, "%.*s@%.*s", STR(base), STR(domain)),
			true, &found);
	if (found == NOT_FOUND && domain.n > 0)
		status = look_name(e, s, domain, true, &found);
	if (found == NOT_FOUND)
		status = look(e, s, access_text(e, "%.*s@", STR(local)), true,
			      &found);
	if (found == NOT_FOUND && extension.n > 0)
		status = look(e, s, access_text(e, "%.*s@", STR(base)), true,
			      &found);
	if (status == PERMIT && subject == SUBJECT_RECIPIENT &&
	    access_is_source_routed(address)) {
		access_order(
			e, EFFECT_NOTE,
			S("OK is not taken for an address with a route in it"));
		return DUNNO;
	}
	return status;
}

/* The name of a subject; empty when it has none. false: stopped. */
bool
access_name_of(struct eval *e, enum policy_subject subject, struct str *out)
{
	bool is_sure;

	*out = S("");
	switch (subject) {
	case SUBJECT_CLIENT:
		if (!access_client_name(e, out, &is_sure))
			return false;
		break;
	case SUBJECT_REVERSE_CLIENT:
		if (!access_reverse_name(e, out, &is_sure))
			return false;
		break;
	case SUBJECT_HELO:
		*out = e->f->helo;
		break;
	case SUBJECT_SENDER:
		*out = address_domain_of(e->f->sender);
		break;
	case SUBJECT_RECIPIENT:
		*out = address_domain_of(e->f->rcpt);
		break;
	case SUBJECT_LOGIN:
	case SUBJECT_CERTIFICATE:
	case SUBJECT_NONE:
		break;
	}
	*out = access_without_dot(*out);
	if (str_eq(*out, S("unknown")) || !address_is_domain(*out, 0) ||
	    access_is_literal(*out))
		*out = S("");
	return true;
}

/* The hosts behind a name, as lines; empty: none. false: stopped. */
static bool
hosts_of(struct eval *e, struct str name, enum policy_via via, struct str *out)
{
	const struct access_fact *f;

	*out = name;
	if (via == VIA_ADDRESS)
		return true;
	if (via == VIA_MX) {
		f = access_need(e, FACT_EXCHANGES, name);
		if (f == NULL)
			return false;
		if (f->status == FACT_FOUND)
			*out = str_eq(f->value, S(".")) ? S("") : f->value;
		else if (f->status == FACT_TEMPORARY)
			*out = S("");
		return true;
	}
	*out = S("");
	while (str_chr(name, '.') > 0) {
		f = access_need(e, FACT_SERVERS, name);
		if (f == NULL)
			return false;
		if (f->status == FACT_FOUND)
			*out = f->value;
		if (f->status != FACT_NONE)
			return true;
		name = str_from(name, (size_t)str_chr(name, '.') + 1);
	}
	return true;
}

static enum status
look_host(struct eval *e, const struct scope *s, struct str host,
	  enum found *found_out)
{
	enum status status = look_name(e, s, host, false, found_out);
	const struct access_fact *f;
	struct str lines, line;

	if (*found_out == FOUND)
		return status;
	f = access_need(e, FACT_ADDRESSES, host);
	if (f == NULL) {
		*found_out = FOUND;
		return STOPPED;
	}
	lines = f->status == FACT_FOUND ? f->value : STR_NONE;
	while (str_split(&lines, '\n', &line)) {
		status = look_address(e, s, line, found_out);
		if (*found_out == FOUND)
			return status;
	}
	return DUNNO;
}

/* check_*_{mx,ns,a}_access. OK counts for nothing: anybody can name hosts of
 * somebody else as his own. */
static enum status
look_via(struct eval *e, const struct scope *s)
{
	struct str name, hosts, host;

	if (!access_name_of(e, e->rule->subject, &name))
		return STOPPED;
	if (name.n == 0)
		return DUNNO;
	if (!hosts_of(e, name, e->rule->via, &hosts))
		return STOPPED;
	if (hosts.n == 0)
		hosts = STR_NONE;
	for (size_t i = 0; i < HOSTS_MAX && str_split(&hosts, '\n', &host);
	     i++) {
		enum found found;
		enum status status = look_host(e, s, host, &found);

		if (found == NOT_FOUND)
			continue;
		if (status != PERMIT)
			return status;
		access_order(e, EFFECT_NOTE, S("OK is not taken here"));
		return DUNNO;
	}
	return DUNNO;
}

enum status
access_look_up(struct eval *e)
{
	const struct policy_rule *rule = e->rule;
	struct scope s = access_scope(e, rule->subject);
	const struct access_facts *f = e->f;
	enum found found;

	if (rule->via != VIA_ITSELF)
		return look_via(e, &s);
	switch (rule->subject) {
	case SUBJECT_CLIENT:
		return look_client(e, &s, false);
	case SUBJECT_REVERSE_CLIENT:
		return look_client(e, &s, true);
	case SUBJECT_HELO:
		return f->helo.n > 0 ? look_name(e, &s, f->helo, false, &found)
				     : DUNNO;
	case SUBJECT_SENDER:
		return f->has_sender
			       ? look_mail(e, &s, f->sender, SUBJECT_SENDER)
			       : DUNNO;
	case SUBJECT_RECIPIENT:
		return f->has_rcpt
			       ? look_mail(e, &s, f->rcpt, SUBJECT_RECIPIENT)
			       : DUNNO;
	case SUBJECT_LOGIN:
		return f->login.n > 0 ? look(e, &s, f->login, false, &found)
				      : DUNNO;
	case SUBJECT_CERTIFICATE:
	case SUBJECT_NONE:
		break;
	}
	return DUNNO;
}
