/* SPDX-License-Identifier: MIT
 * router/route/access_destination.c - recipients and relaying: ours, listed? */
#include "router/route/access_private.h"

#include "lib/mail/address.h"
#include "router/route/resolve.h"

/* Does a list of lines hold this one? */
static bool
has_line(struct str lines, struct str wanted)
{
	struct str line;

	while (str_split(&lines, '\n', &line))
		if (str_ieq(line, wanted))
			return true;
	return false;
}

/* Is it for a domain of ours, or one that we relay for? PERMIT: yes; DUNNO: no;
 * else the evaluation ends. */
enum status
access_is_destination(struct eval *e, struct str address)
{
	struct scope s = access_scope(e, SUBJECT_RECIPIENT);
	bool is_ours;
	enum err r = route_is_destination(e->c, address, e->remote, &is_ours);

	if (r == ERR_MORE) {
		e->is_asking = true;
		return STOPPED;
	}
	if (r != OK)
		return access_broken(
			e, &s,
			S("a table in a list of domains cannot be read"));
	return is_ours ? PERMIT : DUNNO;
}

enum status
access_check_destination(struct eval *e, unsigned code, const char *dsn)
{
	struct scope s = access_scope(e, SUBJECT_RECIPIENT);
	enum status ours =
		e->f->has_rcpt ? access_is_destination(e, e->f->rcpt) : PERMIT;

	if (ours == PERMIT)
		return DUNNO;
	if (ours != DUNNO)
		return ours;
	return access_refuse(e, &s, code, dsn,
			     access_text(e, "<%.*s>: Relay access denied",
					 STR(str_first(e->f->rcpt, 256))));
}

enum status
access_check_mx_backup(struct eval *e)
{
	struct str domain = access_without_dot(address_domain_of(e->f->rcpt));
	const struct access_fact *f;
	enum status ours;

	if (!e->f->has_rcpt || domain.n == 0 || access_is_literal(domain))
		return DUNNO;
	ours = access_is_destination(e, e->f->rcpt);
	if (ours != DUNNO)
		return ours;
	if (access_is_source_routed(e->f->rcpt) ||
	    access_is_known_name(e, domain))
		return DUNNO;
	f = access_need(e, FACT_EXCHANGES, domain);
	if (f == NULL)
		return STOPPED;
	if (f->status == FACT_TEMPORARY) {
		struct scope s = access_scope(e, SUBJECT_RECIPIENT);

		return access_defer_if(e, &s, &e->if_reject, 450, "4.4.4",
				       S("Unable to look up MX host"));
	}
	return f->status == FACT_FOUND &&
			       has_line(f->value, settings_text(&e->c->settings,
								"myhostname"))
		       ? PERMIT
		       : DUNNO;
}

enum status
access_check_unlisted(struct eval *e)
{
	struct scope s = access_scope(e, e->rule->subject);
	struct str address = s.name;
	struct route_verdict v;
	enum status ours =
		address.n > 0 ? access_is_destination(e, address) : DUNNO;

	if (ours != PERMIT)
		return ours;
	if (route_check_rcpt(e->c, S(""), address, true, e->remote, &v) != OK) {
		e->is_asking = true;
		return STOPPED;
	}
	if (v.reply == 250)
		return DUNNO;
	if (v.reply < 500)
		return access_defer_if(e, &s, &e->if_permit, v.reply, "4.3.0",
				       v.text);
	return access_reject(e, &s, 550, "5.1.1", "User unknown");
}
