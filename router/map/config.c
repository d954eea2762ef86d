/* SPDX-License-Identifier: MIT
 * router/map/config.c - see config.h.
 *
 * Process: router (and lint).
 * Owns: the arena that everything in a snapshot lives in, and its maps.
 * Invariants:
 *  (1) A struct config that config_load() gave never changes.
 *  (2) config_load() succeeds only if no error was told, but for tables of a
 *      type that is not supported; those are present and not available.
 */
#include "router/map/config.h"

#include "lib/base/check.h"
#include "router/map/config_private.h"
#include "router/map/docker.h"

#define CONFIG_MAX_OCTETS ((size_t)2 << 30)

/* docker-mailserver reads these too; here they have no effect. */
static const struct {
	struct str name;
	const char *instead;
} not_read[] = {
	{ STR_INIT("dovecot.cf"), "mailctl lint tells what of it matters" },
	{ STR_INIT("user-patches.sh"), "no script of yours is run at start" },
	{ STR_INIT("before.dovecot.sieve"), "no Sieve script is run" },
	{ STR_INIT("after.dovecot.sieve"), "no Sieve script is run" },
	{ STR_INIT("fetchmail.cf"), "no mail is fetched elsewhere" },
	{ STR_INIT("getmailrc_general.cf"), "no mail is fetched elsewhere" },
	{ STR_INIT("opendkim"), "nothing is signed (DKIM)" },
	{ STR_INIT("rspamd"),
	  "there are no filters: put one before this host" },
	{ STR_INIT("amavis.cf"),
	  "there are no filters: put one before this host" },
	{ STR_INIT("spamassassin-rules.cf"),
	  "there are no filters: put one before this host" },
	{ STR_INIT("whitelist_clients.local"), "nobody is greylisted" },
	{ STR_INIT("fail2ban-jail.cf"),
	  "who guesses passwords is slowed and blocked without it" },
	{ STR_INIT("fail2ban-fail2ban.cf"),
	  "who guesses passwords is slowed and blocked without it" },
	{ STR_INIT("ldap-users.cf"), "accounts are those of accounts.cf" },
};

/* ---- loading ---- */

/* Whatever is wrong with it, mail goes on, and reports are in our words. */
static enum err
load_reports(struct loading *l)
{
	const struct setting *v =
		settings_find(&l->c->settings, "bounce_template_file");
	size_t n_before = l->d->n_errors;
	struct str path, bytes;
	enum err e;

	if (v == NULL || v->value.n == 0)
		return OK;
	e = arena_str(&l->c->arena, v->value, &path);
	if (e == OK)
		e = config_read_file(l, path, &bytes);
	if (e == OK && bytes.n > BOUNCE_FILE_MAX_OCTETS)
		diag_error(l->d, v->file, v->line,
			   "%.*s has more than %d octets", STR(path),
			   BOUNCE_FILE_MAX_OCTETS);
	else if (e == OK)
		e = bounce_words_make(&l->c->arena, &l->c->settings, path,
				      bytes, l->d, l->c->reports);
	l->n_tolerated += l->d->n_errors - n_before;
	return e == ERR_IO ? OK : e;
}

static enum err
load_networks(struct loading *l)
{
	const struct setting *where =
		settings_find(&l->c->settings, "mynetworks");
	struct str bad = S("");
	const char *why = NULL;
	enum err e = cidr_list_parse(
		&l->c->arena, settings_text(&l->c->settings, "mynetworks"),
		&l->c->mynetworks, &bad, &why);

	if (e == ERR_FORMAT)
		diag_error(l->d, where ? where->file : S(""),
			   where ? where->line : 0, "mynetworks: %.*s: %s",
			   STR(bad), why);
	return e == ERR_FORMAT ? OK : e;
}

/* For lint: behind a gateway may be anybody. */
static enum err
load_gateways(struct loading *l)
{
	struct buf list = BUF_INIT(SETTING_MAX_OCTETS);
	struct str route = l->in->proc_route, text, bad;
	const char *why;
	enum err e = OK;

	if (l->in->files == NULL)
		e = config_read_proc(l, "/proc/net/route", route, &route);
	if (e == OK)
		e = docker_gateways(route, &list);
	if (e == OK)
		e = arena_str(&l->c->arena, buf_str(&list), &text);
	buf_release(&list);
	if (e == OK)
		e = cidr_list_parse(&l->c->arena, text, &l->c->gateways, &bad,
				    &why);
	return e == ERR_FORMAT ? OK : e;
}

static enum err
tell_not_read(struct loading *l)
{
	struct str path;

	for (size_t i = 0; i < sizeof(not_read) / sizeof(*not_read); i++) {
		enum err e = config_in_dir(l, not_read[i].name, &path);

		if (e != OK)
			return e;
		if (config_is_there(l, path))
			diag_warn(l->d, path, 0,
				  "this is not read yet and has no effect; %s",
				  not_read[i].instead);
	}
	return OK;
}

static enum err
load_all(struct loading *l)
{
	static enum err (*const steps[])(struct loading *) = {
		config_load_main,
		config_load_master,
		config_load_relay_variables,
		config_load_tables,
		config_load_policies,
		config_load_accounts,
		config_load_domains,
		config_load_quotas,
		load_networks,
		config_load_client,
		load_reports,
		load_gateways,
		tell_not_read,
	};
	struct config *c = l->c;
	enum err e = OK;

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		enum err r = steps[i](l);

		if (r != OK && r != ERR_IO)
			return r;
		if (r == ERR_IO)
			e = r;
	}
	c->is_sasl_by_sender =
		settings_is_on(&c->settings,
			       "smtp_sender_dependent_authentication") ||
		(c->sasl.n > 0 &&
		 settings_find(&c->settings, "smtp_sasl_password_maps") ==
			 NULL);
	c->is_sasl_on = settings_is_on(&c->settings, "smtp_sasl_auth_enable") ||
			c->is_sasl_by_sender || c->relay_user.n > 0;
	return e == ERR_IO ? ERR_FORMAT : e;
}

enum err
config_load(const struct config_input *in, struct diag *d, struct config **out)
{
	struct config *c = must_alloc(sizeof(*c));
	struct loading l = { .in = in,
			     .c = c,
			     .d = d,
			     .source = { .arena = &c->arena,
					 .read = config_read_for_table,
					 .arg = &l,
					 .variables = in->variables,
					 .n_variables = in->n_variables,
					 .d = d } };
	size_t n_before = d->n_errors;
	enum err e;

	*out = NULL;
	arena_init(&c->arena, CONFIG_MAX_OCTETS);
	settings_init(&c->settings, &c->arena);
	for (size_t i = 0; i < 2 * MASTER_SERVICES; i++)
		settings_init(&c->smtpd[i / 2][i % 2], &c->arena);
	e = arena_str(&c->arena, in->dir, &c->dir);
	if (e == OK)
		e = load_all(&l);
	if (e == OK && d->n_errors > n_before + l.n_tolerated)
		e = ERR_FORMAT;
	if (e == ERR_LIMIT)
		diag_error(d, in->dir, 0, "the files together are too large");
	if (e != OK)
		config_free(&c);
	*out = c;
	return e;
}

void
config_free(struct config **config)
{
	struct config *c = *config;

	if (c == NULL)
		return;
	config_release_tables(c);
	for (size_t i = 0; i < DOMAIN_LISTS; i++)
		table_list_release(&c->domain_tables[i]);
	policy_release(&c->policies);
	map_release(&c->account_by_name);
	map_release(&c->quota_by_address);
	map_release(&c->domains);
	for (size_t i = 0; i < 2 * MASTER_SERVICES; i++)
		settings_release(&c->smtpd[i / 2][i % 2]);
	settings_release(&c->settings);
	arena_release(&c->arena);
	free(c);
	*config = NULL;
}

struct config *
config_hold(struct config *c)
{
	c->n_holds++;
	return c;
}

void
config_drop(struct config **config)
{
	struct config *c = *config;

	if (c == NULL || c->n_holds == 0) {
		config_free(config);
		return;
	}
	c->n_holds--;
	*config = NULL;
}

/* ---- questions ---- */

static void *
get_folded(const struct map *m, struct str name)
{
	char folded[NAME_MAX_OCTETS];

	if (name.n > sizeof(folded))
		return NULL;
	for (size_t i = 0; i < name.n; i++)
		folded[i] = ascii_lower(name.p[i]);
	return map_get(m, str_of(folded, name.n));
}

const struct config_domain *
config_domain(const struct config *c, struct str name)
{
	return get_folded(&c->domains, name);
}

const struct config_account *
config_account(const struct config *c, struct str name)
{
	return get_folded(&c->account_by_name, name);
}

bool
config_is_relay_domain(const struct config *c, struct str name)
{
	bool is_deep =
		settings_lists(&c->settings, "parent_domain_matches_subdomains",
			       S("relay_domains"));
	const struct config_domain *d;
	ptrdiff_t dot;

	for (;;) {
		d = config_domain(c, name);
		if (d != NULL && (d->excluded & DOMAIN_RELAY) != 0)
			return false;
		if (d != NULL && (d->flags & DOMAIN_RELAY) != 0)
			return true;
		dot = str_chr(name, '.');
		if (!is_deep || dot < 0)
			return false;
		name = str_from(name, (size_t)dot + 1);
	}
}

bool
config_is_my_network(const struct config *c, const uint8_t address[16])
{
	return cidr_list_has(&c->mynetworks, address);
}
