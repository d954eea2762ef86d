/* SPDX-License-Identifier: MIT
 * router/route/access_owner.c - who may send as whom. */
#include "router/route/access_private.h"

#include "lib/mail/address.h"
#include "router/route/resolve.h"

/* Is the login among the owners that one list of tables names? ERR_NOT_FOUND:
 * it names none. */
static enum err
find_owners(struct eval *e, const struct table_list *tables, bool *is_owner)
{
	struct str owners = S(""), owner;
	enum err r = route_find_address(e->c, tables, e->f->sender, e->arena,
					e->remote, &owners);

	while (r == OK && settings_item(&owners, &owner))
		if (e->f->login.n > 0 && str_ieq(owner, e->f->login))
			*is_owner = true;
	return r;
}

/* Without smtpd_sender_login_maps everybody owns his own address, and the
 * aliases that lead to it: those of each table, because an address that is in
 * virtual.cf and fits a pattern of regexp.cf belongs to both. */
static enum err
find_owners_by_alias(struct eval *e, bool *is_known_out, bool *is_owner)
{
	const struct table_list *aliases = &e->c->virtual_alias;
	struct str sender = e->f->sender, local = address_local_of(sender),
		   bare;
	enum err r = OK;

	bare = access_text(
		e, "%.*s@%.*s",
		STR(str_first(local, local.n - route_extension(e->c, local).n)),
		STR(address_domain_of(sender)));
	if (config_account(e->c, bare) != NULL) {
		*is_known_out = true;
		*is_owner = str_ieq(bare, e->f->login);
	}
	for (size_t i = 0; i < aliases->n && r == OK; i++) {
		struct table_list one = { aliases->what, &aliases->list[i], 1 };

		r = find_owners(e, &one, is_owner);
		*is_known_out |= r == OK;
		if (r == ERR_NOT_FOUND)
			r = OK;
	}
	return r;
}

/* Do the owners of this sender include the login? *is_known_out: has the
 * sender an owner at all. */
static enum err
find_owner(struct eval *e, bool *is_known_out, bool *is_owner_out)
{
	enum err r;

	*is_known_out = *is_owner_out = false;
	if (e->c->sender_login.n == 0)
		return find_owners_by_alias(e, is_known_out, is_owner_out);
	r = find_owners(e, &e->c->sender_login, is_owner_out);
	*is_known_out = r == OK;
	return r == ERR_NOT_FOUND ? OK : r;
}

enum status
access_check_owner(struct eval *e)
{
	struct scope s = access_scope(e, SUBJECT_SENDER);
	enum policy_op op = e->rule->op;
	bool is_known, is_owner, has_login = e->f->login.n > 0;
	enum err r;

	if (e->f->sender.n == 0)
		return DUNNO; // bounces belong to nobody
	r = find_owner(e, &is_known, &is_owner);
	if (r == ERR_MORE) {
		e->is_asking = true;
		return STOPPED;
	}
	if (r != OK)
		return access_broken(
			e, &s, S("smtpd_sender_login_maps cannot be read"));
	if (is_owner || (!is_known && (op == POLICY_OWNER_KNOWN || !has_login)))
		return DUNNO;
	if (!has_login)
		return op == POLICY_OWNER_OF_LOGIN
			       ? DUNNO
			       : access_reject(
					 e, &s, 553, "5.7.1",
					 "not logged in; log in as its owner");
	if (op == POLICY_OWNER_NO_LOGIN)
		return DUNNO;
	return access_refuse(
		e, &s, 553, "5.7.1",
		access_text(e,
			    "<%.*s>: Sender address rejected: not owned by "
			    "user %.*s; send as an address of your own, or "
			    "ask for an alias",
			    STR(str_first(s.name, 256)),
			    STR(str_first(e->f->login, 256))));
}
