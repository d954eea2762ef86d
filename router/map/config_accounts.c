/* SPDX-License-Identifier: MIT
 * router/map/config_accounts.c - accounts, the domains that are ours, quotas.
 *
 * Process: router (and lint).
 * Invariant: a domain has a flag (DOMAIN_*) of each list and each key that
 * names it, but for those that "!name" took away before.
 */
#include "router/map/config_private.h"

#include "lib/mail/accounts.h"

enum {
	/* docker-mailserver reads limits as if these many octets were a MiB. */
	OCTETS_TAKEN_AS_MIB = 1000000,
	MIB = 1 << 20,
};

static enum err
add_domain(struct loading *l, struct str name, unsigned flags,
	   struct config_domain **out)
{
	struct config_domain *d;
	enum err e = arena_lower(&l->c->arena, name, &name);

	if (e != OK)
		return e;
	d = map_get(&l->c->domains, name);
	if (d == NULL) {
		d = arena_alloc(&l->c->arena, sizeof(*d));
		if (d == NULL)
			return ERR_LIMIT;
		d->name = name;
		map_set(&l->c->domains, name, d);
	}
	d->flags |= flags & ~d->excluded;
	if (out != NULL)
		*out = d;
	return OK;
}

static enum err
add_account(struct loading *l, struct str name, uint32_t line)
{
	struct config_account *a = &l->c->accounts[l->c->n_accounts];
	ptrdiff_t at = str_chr(name, '@');
	struct config_domain *domain;
	enum err e;

	if (at < 0) {
		diag_error(l->d, S(""), 0, "the account %.*s has no domain",
			   STR(name));
		return OK;
	}
	e = arena_lower(&l->c->arena, name, &a->name);
	if (e == OK)
		e = add_domain(l, str_from(name, (size_t)at + 1),
			       DOMAIN_MAILBOX, &domain);
	if (e != OK || map_get(&l->c->account_by_name, a->name) != NULL)
		return e;
	a->line = line;
	l->c->n_accounts++;
	map_set(&l->c->account_by_name, a->name, a);
	if (domain->first_account == NULL)
		domain->first_account = a;
	return OK;
}

/* mda/auth reads them; what is wrong with them lint tells. */
static enum err
check_masters(struct loading *l)
{
	struct accounts masters;
	struct str path, bytes;
	enum err e = config_find_file(l, CF_MASTERS, &path);

	if (e == OK)
		e = config_read_file(l, path, &bytes);
	if (e == OK)
		e = masters_parse(&l->c->arena, path, bytes, l->d, &masters);
	return e == ERR_NOT_FOUND ? OK : e;
}

static enum err
read_accounts(struct loading *l, struct accounts *out)
{
	struct str path, bytes;
	enum err e = config_find_file(l, CF_ACCOUNTS, &path);

	*out = (struct accounts) { NULL, 0 };
	if (e == ERR_NOT_FOUND) {
		diag_warn(l->d, l->c->dir, 0,
			  "no file accounts.cf: local mail is put off until "
			  "there is an account");
		return OK;
	}
	if (e == OK)
		e = config_read_file(l, path, &bytes);
	if (e == OK)
		e = accounts_parse(&l->c->arena, path, bytes, l->d, out);
	return e == OK ? check_masters(l) : e;
}

enum err
config_load_accounts(struct loading *l)
{
	const struct config_input *in = l->in;
	struct accounts file = { NULL, 0 };
	bool is_given = in->accounts == CONFIG_ACCOUNTS_GIVEN;
	enum err e = OK;
	size_t n;

	if (in->accounts == CONFIG_ACCOUNTS_UNKNOWN)
		return OK;
	if (in->accounts == CONFIG_ACCOUNTS_FILE)
		e = read_accounts(l, &file);
	if (e != OK)
		return e;
	n = is_given ? in->n_account_names : file.n;
	l->c->is_accounts_known = true;
	l->c->accounts =
		arena_array(&l->c->arena, n + 1, sizeof(*l->c->accounts));
	if (l->c->accounts == NULL)
		return ERR_LIMIT;
	for (size_t i = 0; e == OK && i < n; i++)
		e = is_given ? add_account(l, in->account_names[i], 0)
			     : add_account(l, file.list[i].login,
					   file.list[i].line);
	return e;
}

/* Is it in virtual_alias_domains, by name or by a table? */
static bool
is_alias_domain(struct loading *l, struct str name)
{
	const struct config_domain *domain = map_get(&l->c->domains, name);
	struct table_ask ask = { &l->c->arena, NULL, NULL };
	struct table_answer ignored;

	if (domain != NULL &&
	    ((domain->flags | domain->excluded) & DOMAIN_ALIAS) != 0)
		return (domain->flags & DOMAIN_ALIAS) != 0;
	return table_list_find(&l->c->domain_tables[DOMAINS_OF_ALIASES], name,
			       TABLE_WHOLE, &ask, &ignored, NULL) == OK;
}

/* The domain of each key: "user@dom" and "@dom" are mailbox domains, as in
 * docker-mailserver, unless virtual_alias_domains says otherwise; "dom.ain"
 * alone declares an alias domain, as in Postfix.
 * A word without a dot is a local user. */
static enum err
domains_of_keys(struct loading *l, const struct table *t)
{
	struct str key;
	void *value;
	enum err e = OK;

	for (size_t at = 0;
	     e == OK && map_next(&t->entries, &at, &key, &value);) {
		ptrdiff_t sign = str_rchr(key, '@');
		bool is_alias;

		if (sign < 0 && str_chr(key, '.') < 0)
			continue;
		is_alias = sign < 0 ||
			   is_alias_domain(l, str_from(key, (size_t)sign + 1));
		e = add_domain(l, str_from(key, (size_t)(sign + 1)),
			       is_alias ? DOMAIN_ALIAS : DOMAIN_MAILBOX, NULL);
	}
	return e;
}

static const char *const domain_settings[DOMAIN_LISTS] = {
	[DOMAINS_OF_MAILBOXES] = "virtual_mailbox_domains",
	[DOMAINS_OF_US] = "mydestination",
	[DOMAINS_OF_ALIASES] = "virtual_alias_domains",
	[DOMAINS_OF_RELAY] = "relay_domains",
};

/* A table in a list of domains: its keys are domains; what is no list of keys
 * is kept, to be asked. */
static enum err
domains_of_table(struct loading *l, const struct setting *where,
		 struct str item, enum config_domain_list list)
{
	struct table_list *tables = &l->c->domain_tables[list];
	struct table *t = &tables->list[tables->n];
	struct str key;
	void *value;
	enum err e;

	if (config_is_made_of_accounts(item))
		return OK;
	e = config_load_table(
		l, where, item,
		(struct table_options) { .is_key_alone_ok = true }, t);
	if (e == OK && t->kind != TABLE_ENTRIES) {
		tables->n++;
		return OK;
	}
	for (size_t at = 0;
	     e == OK && map_next(&t->entries, &at, &key, &value);)
		e = add_domain(l, key, 1u << list, NULL);
	table_release(t);
	return e;
}

/* "!name": the list does not have this domain, whatever stands behind. */
static enum err
exclude_domain(struct loading *l, const struct setting *where, struct str item,
	       unsigned flag)
{
	struct config_domain *domain;
	enum err e;

	if (str_chr(item, ':') >= 0 || str_starts(item, S("/"))) {
		diag_error(l->d, where->file, where->line,
			   "%.*s: only a name can be excluded, not %.*s",
			   STR(where->name), STR(str_first(item, 200)));
		return OK;
	}
	e = add_domain(l, item, 0, &domain);
	if (e == OK && (domain->flags & flag) == 0)
		domain->excluded |= flag;
	return e;
}

static enum err
domains_of_setting(struct loading *l, enum config_domain_list list)
{
	const char *setting = domain_settings[list];
	const struct setting *where = settings_find(&l->c->settings, setting);
	struct str items = settings_text(&l->c->settings, setting), item;
	struct table_list *tables = &l->c->domain_tables[list];
	enum err e = OK;
	size_t n = 0;

	for (struct str rest = items; settings_item(&rest, &item);)
		n++;
	tables->what = str_c(setting);
	tables->list = arena_array(&l->c->arena, n, sizeof(*tables->list));
	if (tables->list == NULL && n > 0)
		return ERR_LIMIT;
	while (e == OK && settings_item(&items, &item))
		if (str_starts(item, S("!")))
			e = exclude_domain(l, where, str_from(item, 1),
					   1u << list);
		else if (str_chr(item, ':') >= 0 || str_starts(item, S("/")))
			e = domains_of_table(l, where, item, list);
		else
			e = add_domain(l, item, 1u << list, NULL);
	return e;
}

_Static_assert(DOMAIN_MAILBOX == 1 << DOMAINS_OF_MAILBOXES &&
		       DOMAIN_MYDESTINATION == 1 << DOMAINS_OF_US &&
		       DOMAIN_ALIAS == 1 << DOMAINS_OF_ALIASES &&
		       DOMAIN_RELAY == 1 << DOMAINS_OF_RELAY,
	       "flags are numbered as the lists");

enum err
config_load_domains(struct loading *l)
{
	enum err e = OK;

	for (unsigned i = 0; e == OK && i < DOMAIN_LISTS; i++)
		e = domains_of_setting(l, (enum config_domain_list)i);
	for (size_t i = 0; e == OK && i < l->c->virtual_alias.n; i++)
		e = domains_of_keys(l, &l->c->virtual_alias.list[i]);
	return e;
}

enum err
config_load_quotas(struct loading *l)
{
	struct config *c = l->c;
	struct str bytes, is_on = S("");
	enum err e = config_variable(l, S("ENABLE_QUOTAS"), &is_on);

	if (e != OK || str_eq(is_on, S("0")))
		return e;
	e = config_find_file(l, CF_QUOTAS, &c->quotas_file);
	/* All mailboxes here are what Postfix calls virtual. */
	c->default_quota_octets =
		settings_number(&c->settings,
				settings_find(&c->settings,
					      "virtual_mailbox_limit") != NULL
					? "virtual_mailbox_limit"
					: "mailbox_size_limit") /
		OCTETS_TAKEN_AS_MIB * MIB;
	if (e == ERR_NOT_FOUND)
		return OK;
	if (e == OK)
		e = config_read_file(l, c->quotas_file, &bytes);
	if (e == OK)
		e = quotas_parse(&c->arena, c->quotas_file, bytes, l->d,
				 &c->quotas);
	for (size_t i = 0; e == OK && i < c->quotas.n; i++)
		map_set(&c->quota_by_address, c->quotas.list[i]->address,
			c->quotas.list[i]);
	return e;
}
