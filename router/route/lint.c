/* SPDX-License-Identifier: MIT
 * router/route/lint.c - see lint.h. */
#include "router/route/lint.h"

#include "lib/mail/address.h"
#include "lib/mail/nexthop.h"
#include "lib/mail/tls_policy.h"
#include "router/route/lint_clients.h"
#include "router/route/lint_rules.h"
#include "router/route/resolve.h"

enum { PAIR_OCTETS = 32 << 20, CATCHALL_STEPS_MAX = 5000000 };

struct lint {
	const struct config *c;
	struct diag *d;
	size_t steps_left;     // of accounts looked at for catch-alls
	const struct table *t; // the one being looked at
};

typedef void (*entry_check)(struct lint *l, const struct table_entry *e);

#define TELL(l, e, ...) diag_warn((l)->d, (l)->t->file, (e)->line, __VA_ARGS__)

/* In the order of lines, so that findings come as the eye reads. */
static int
by_line(const void *a, const void *b)
{
	const struct table_entry *const *x = a, *const *y = b;

	return ((*x)->line > (*y)->line) - ((*x)->line < (*y)->line);
}

static void
each_entry(struct lint *l, const struct table_list *tables,
	   entry_check check_entry)
{
	for (size_t i = 0; i < tables->n; i++) {
		const struct table *t = &tables->list[i];
		struct arena arena = ARENA_INIT((size_t)1 << 30);
		const struct table_entry **list;
		size_t at = 0, n = 0;
		struct str key;
		void *value;

		list = arena_array(&arena, t->entries.n, sizeof(*list));
		while (list != NULL && map_next(&t->entries, &at, &key, &value))
			list[n++] = value;
		if (n > 0)
			qsort(list, n, sizeof(*list), by_line);
		l->t = t;
		for (size_t j = 0; j < n; j++)
			check_entry(l, list[j]);
		arena_release(&arena);
	}
}

static bool
is_word_with_dot(struct str key)
{
	return str_chr(key, '@') < 0 && str_chr(key, '.') > 0;
}

static unsigned
flags_of(const struct config *c, struct str domain)
{
	const struct config_domain *d = config_domain(c, domain);

	return d == NULL ? 0 : d->flags;
}

/* Public DNS knows no .local (RFC 6762 3), so a mail exchanger of such a name
 * is never found; in brackets the name is looked up as a host. */
static bool
is_lost(const struct nexthop *hop)
{
	return !hop->is_exact && hop->unix_path.n == 0 &&
	       str_iends(hop->host, S(".local"));
}

static void
tell_lost(struct diag *d, struct str file, uint32_t line,
	  const struct nexthop *hop)
{
	char port[16] = "";

	if (hop->port > 0)
		snprintf(port, sizeof(port), ":%u", hop->port);
	diag_warn(d, file, line,
		  "the next hop \"%.*s\" is looked up as a mail exchanger in "
		  "DNS, which knows no .local; write [%.*s]%s",
		  STR(hop->text), STR(hop->host), port);
}

/* Each next hop of a list. */
static void
check_nexthops(struct lint *l, const struct table_entry *e, struct str list,
	       bool has_exchangers)
{
	struct nexthop hop;
	struct str element;
	const char *why;

	while (nexthop_next(&list, &element)) {
		if (!nexthop_parse(element, &hop, &why)) {
			TELL(l, e, "the next hop \"%.*s\": %s", STR(element),
			     why);
			return;
		}
		if (has_exchangers && is_lost(&hop))
			tell_lost(l->d, l->t->file, e->line, &hop);
	}
}

/* ---- virtual_alias_maps ---- */

/* Is there an entry that stops a catch-all for this account? */
static bool
has_alias(const struct config *c, struct str address)
{
	for (size_t i = 0; i < c->virtual_alias.n; i++)
		if (table_get(&c->virtual_alias.list[i], address) != NULL)
			return true;
	return false;
}

static void
check_catchall(struct lint *l, const struct table_entry *e)
{
	const struct config *c = l->c;
	struct str domain = address_domain_of(e->key);
	const struct config_account *first = NULL;
	size_t n = 0;

	if (settings_is_on(&c->settings, "catchall_after_accounts"))
		return;
	if (l->steps_left < c->n_accounts) {
		if (l->steps_left > 0)
			TELL(l, e,
			     "there are too many catch-alls and accounts to "
			     "see what this one and the next ones take");
		l->steps_left = 0;
		return;
	}
	l->steps_left -= c->n_accounts;
	for (size_t i = 0; i < c->n_accounts; i++) {
		struct str name = c->accounts[i].name;

		if (!str_eq(address_domain_of(name), domain) ||
		    has_alias(c, name))
			continue;
		if (n++ == 0)
			first = &c->accounts[i];
	}
	if (n > 0)
		TELL(l, e,
		     "the catch-all takes the mail of %zu account%s, %.*s "
		     "among "
		     "them; write \"%.*s %.*s\" for each, or "
		     "catchall_after_accounts = yes in main.cf",
		     n, n == 1 ? "" : "s", STR(first->name), STR(first->name),
		     STR(first->name));
}

static void
check_virtual(struct lint *l, const struct table_entry *e)
{
	struct str domain = address_domain_of(e->key);

	if (str_starts(e->key, S("@")))
		check_catchall(l, e);
	if (is_word_with_dot(e->key))
		TELL(l, e,
		     "\"%.*s\" alone only declares a domain; for all its "
		     "addresses write @%.*s",
		     STR(e->key), STR(e->key));
	else if (domain.n == 0 && str_chr(e->key, '@') >= 0)
		TELL(l, e, "the key \"%.*s\" has no domain and never matches",
		     STR(e->key));
	if (str_starts(e->value, S("|")) || str_starts(e->value, S("/")) ||
	    str_istarts(e->value, S(":include:")))
		TELL(l, e,
		     "commands, files and :include: are not possible "
		     "here; write addresses");
}

/* ---- transport_maps ---- */

static bool
is_transport(struct str name)
{
	static const struct str known[] = {
		STR_INIT("smtp"),  STR_INIT("relay"),	STR_INIT("lmtp"),
		STR_INIT("local"), STR_INIT("virtual"), STR_INIT("error"),
		STR_INIT("retry"), STR_INIT("discard"), STR_INIT("hold"),
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (str_eq(name, known[i]))
			return true;
	return false;
}

static bool
is_sending(struct str transport)
{
	return str_eq(transport, S("smtp")) || str_eq(transport, S("relay")) ||
	       str_eq(transport, S("lmtp"));
}

static void
check_transport_value(struct lint *l, const struct table_entry *e)
{
	struct str transport, nexthop;

	route_split(e->value, &transport, &nexthop);
	if (str_chr(e->value, ':') < 0 && !is_transport(transport)) {
		TELL(l, e,
		     "\"%.*s\" is taken for the name of a transport; write "
		     "smtp:%.*s or smtp:[%.*s]",
		     STR(transport), STR(transport), STR(transport));
		return;
	}
	if (transport.n > 0 && !is_transport(transport)) {
		TELL(l, e,
		     "no transport is called \"%.*s\": this mail is put off; "
		     "write smtp:[host]:port",
		     STR(transport));
		return;
	}
	if (str_eq(transport, S("hold")))
		TELL(l, e, "hold: is understood here alone, not by Postfix");
	if (transport.n == 0 || is_sending(transport))
		check_nexthops(l, e, nexthop, !str_eq(transport, S("lmtp")));
}

static void
check_transport(struct lint *l, const struct table_entry *e)
{
	struct str transport, nexthop;
	bool is_parent_bare =
		str_find(settings_text(&l->c->settings,
				       "parent_domain_matches_subdomains"),
			 S("transport_maps")) >= 0;

	check_transport_value(l, e);
	if (str_starts(e->key, S("@")))
		TELL(l, e,
		     "the key \"%.*s\" never matches; write the domain "
		     "without '@'",
		     STR(e->key));
	if (is_parent_bare && str_starts(e->key, S(".")))
		TELL(l, e,
		     "the key \"%.*s\" never matches, because "
		     "parent_domain_matches_subdomains names transport_maps; "
		     "write it without the dot",
		     STR(e->key));
	route_split(e->value, &transport, &nexthop);
	if (!is_sending(transport) || str_chr(e->key, '@') >= 0)
		return;
	if (str_eq(e->key, S("*")) && l->c->n_accounts > 0)
		TELL(l, e,
		     "\"*\" takes local domains too, as in Postfix; write "
		     "\"domain :\" for each that is not in this table, or "
		     "relayhost in main.cf instead");
	else if ((flags_of(l->c, e->key) & DOMAIN_MAILBOX) != 0)
		TELL(l, e,
		     "%.*s has accounts or aliases here, but its mail is sent "
		     "away",
		     STR(e->key));
}

/* ---- sender_dependent_relayhost_maps ---- */

static void
check_relayhost(struct lint *l, const struct table_entry *e)
{
	struct str value = e->value;

	if (str_chr(e->key, '@') < 0)
		TELL(l, e,
		     "the key \"%.*s\" never matches: this table asks for the "
		     "sender; write @%.*s for all senders of the domain, or, "
		     "for mail to the domain, an entry in transport.cf",
		     STR(e->key), STR(e->key));
	if (value.n == 0 && l->c->relay_nexthop.n == 0) {
		TELL(l, e,
		     "a key without a value has no effect without RELAY_HOST; "
		     "write key, blank, [host]:port");
		return;
	}
	if (value.n == 0 || str_ieq(value, S("DUNNO")))
		return;
	if (str_istarts(value, S("smtp:"))) {
		value = str_from(value, 5);
		TELL(l, e,
		     "the value is a next hop without a transport (Postfix "
		     "would stop all sending); write %.*s",
		     STR(value));
	}
	check_nexthops(l, e, value, true);
}

/* ---- virtual_mailbox_maps ---- */

/* Listed is not enough where the mail stays here. */
static void
check_listed(struct lint *l, const struct table_entry *e)
{
	struct str transport, ignored;

	route_split(settings_text(&l->c->settings, "virtual_transport"),
		    &transport, &ignored);
	if (!str_eq(transport, S("virtual")) || !l->c->is_accounts_known ||
	    str_chr(e->key, '@') <= 0 || has_alias(l->c, e->key) ||
	    config_account(l->c, e->key) != NULL)
		return;
	TELL(l, e,
	     "%.*s is listed, but there is no such account: its mail is "
	     "refused; write it into accounts.cf (setup email add)",
	     STR(e->key));
}

/* ---- smtp_sasl_password_maps ---- */

static void
check_sasl(struct lint *l, const struct table_entry *e)
{
	if (str_chr(e->value, ':') <= 0)
		TELL(l, e, "the value of \"%.*s\" is not user:password",
		     STR(e->key));
	if (str_chr(e->key, '@') >= 0 && !l->c->is_sasl_by_sender)
		TELL(l, e,
		     "the key \"%.*s\" is a sender; it needs "
		     "smtp_sender_dependent_authentication = yes",
		     STR(e->key));
}

/* ---- smtp_tls_policy_maps ---- */

static void
check_policy(struct lint *l, const struct table_entry *e)
{
	struct tls_policy policy;
	const char *why;

	if (!tls_policy_parse(e->value, &policy, &why))
		TELL(l, e, "\"%.*s\": %s; mail for it is put off", STR(e->key),
		     why);
	else if (policy.was_dane)
		TELL(l, e,
		     "\"%.*s\": there is no DANE yet: dane works as may, "
		     "dane-only as encrypt",
		     STR(e->key));
}

/* ---- what no table shows ---- */

static void
check_quotas(struct lint *l)
{
	const struct config *c = l->c;

	for (size_t i = 0; c->is_accounts_known && i < c->quotas.n; i++) {
		const struct quota *q = c->quotas.list[i];

		if (config_account(c, q->address) == NULL)
			diag_warn(l->d, c->quotas_file, q->line,
				  "%.*s is not an account; the quota has no "
				  "effect",
				  STR(q->address));
	}
}

static void
check_postmaster(struct lint *l)
{
	const struct config *c = l->c;
	char key[512];

	if (settings_text(&c->settings, "postmaster_address").n > 0)
		return;
	for (size_t i = 0; i < c->n_accounts; i++) {
		const struct config_account *a = &c->accounts[i];
		const struct config_domain *d =
			config_domain(c, address_domain_of(a->name));
		int n;

		if (d == NULL || d->first_account != a)
			continue;
		n = snprintf(key, sizeof(key), "postmaster@%.*s", STR(d->name));
		if (n < 0 || (size_t)n >= sizeof(key) ||
		    has_alias(c, str_of(key, (size_t)n)) ||
		    config_account(c, str_of(key, (size_t)n)) != NULL)
			continue;
		diag_note(l->d, S(""), 0,
			  "nobody is named %s; %.*s gets that mail; write an "
			  "entry in virtual.cf",
			  key, STR(a->name));
	}
}

static void
check_twice_local(struct lint *l)
{
	const struct setting *where =
		settings_find(&l->c->settings, "virtual_alias_domains");
	struct str list =
		settings_text(&l->c->settings, "virtual_alias_domains");
	struct str item;

	while (where != NULL && settings_item(&list, &item))
		if ((flags_of(l->c, item) & DOMAIN_MAILBOX) != 0 &&
		    config_domain(l->c, item)->first_account != NULL)
			diag_warn(l->d, where->file, where->line,
				  "%.*s has accounts; remove it from "
				  "virtual_alias_domains",
				  STR(item));
}

static void
check_relayhost_setting(struct lint *l)
{
	const struct setting *where =
		settings_find(&l->c->settings, "relayhost");
	struct str list = settings_text(&l->c->settings, "relayhost"), element;
	struct nexthop hop;
	const char *why;

	while (where != NULL && nexthop_next(&list, &element))
		if (!nexthop_parse(element, &hop, &why))
			diag_warn(l->d, where->file, where->line,
				  "relayhost: \"%.*s\": %s", STR(element), why);
		else if (is_lost(&hop))
			tell_lost(l->d, where->file, where->line, &hop);
}

/* A file that nothing but this program looks for by itself. */
static void
check_transport_file(struct lint *l)
{
	for (size_t i = 0; i < l->c->transport.n; i++) {
		struct str file = l->c->transport.list[i].file;

		if (settings_find(&l->c->settings, "transport_maps") == NULL &&
		    str_ends(file, S("/postfix-transport.cf")))
			diag_note(l->d, file, 0,
				  "in use here by its name alone; "
				  "docker-mailserver reads it only with "
				  "transport_maps = texthash:/tmp/docker-"
				  "mailserver/postfix-transport.cf in "
				  "postfix-main.cf");
	}
}

/* ---- two hosts ---- */

static bool
means(const struct config *c, struct str host)
{
	struct str name = settings_text(&c->settings, "myhostname");
	ptrdiff_t dot = str_chr(name, '.');

	return str_ieq(host, name) ||
	       (dot > 0 && str_ieq(host, str_first(name, (size_t)dot)));
}

/* Does c send mail for this address to the host of other? */
static bool
sends_to(const struct config *c, const struct config *other, struct str address)
{
	struct arena arena = ARENA_INIT(PAIR_OCTETS);
	struct route_result result;
	struct str list, element;
	struct nexthop hop;
	const char *why;
	bool is_sent = false;

	if (route_resolve(c, S("postmaster@localhost"), address, &arena, NULL,
			  &result) != OK)
		result.n = 0;
	for (size_t i = 0; i < result.n; i++) {
		list = result.list[i].nexthop;
		while (result.list[i].class == ROUTE_REMOTE && !is_sent &&
		       nexthop_next(&list, &element))
			is_sent = nexthop_parse(element, &hop, &why) &&
				  means(other, hop.host);
	}
	arena_release(&arena);
	return is_sent;
}

struct pair {
	const struct config *a, *b;
	struct diag *d;
	struct map seen; // domains
};

static void
check_pair(struct pair *p, struct str domain, struct str file, uint32_t line)
{
	char address[512];
	int n;

	if (domain.n == 0 || domain.p[0] == '*' ||
	    map_get(&p->seen, domain) != NULL)
		return;
	map_set(&p->seen, domain, p);
	n = snprintf(address, sizeof(address), "nobody.at.all@%s%.*s",
		     domain.p[0] == '.' ? "sub" : "", STR(domain));
	if (n < 0 || (size_t)n >= sizeof(address))
		return;
	if (sends_to(p->a, p->b, str_of(address, (size_t)n)) &&
	    sends_to(p->b, p->a, str_of(address, (size_t)n)))
		diag_warn(p->d, file, line,
			  "%.*s goes from %.*s to %.*s and back again, for "
			  "ever; remove one of the two routes",
			  STR(domain),
			  STR(settings_text(&p->a->settings, "myhostname")),
			  STR(settings_text(&p->b->settings, "myhostname")));
}

static void
check_routes(struct pair *p, const struct config *c)
{
	struct str key;
	void *value;

	for (size_t i = 0; i < c->transport.n; i++) {
		const struct table *t = &c->transport.list[i];

		for (size_t at = 0; map_next(&t->entries, &at, &key, &value);)
			check_pair(p,
				   str_chr(key, '@') < 0
					   ? key
					   : address_domain_of(key),
				   t->file,
				   ((const struct table_entry *)value)->line);
	}
	for (size_t at = 0; map_next(&c->domains, &at, &key, &value);)
		check_pair(p, key, S(""), 0);
}

/* Is mail for this domain looked up in DNS by c? */
static bool
asks_dns(const struct config *c, struct str domain)
{
	struct arena arena = ARENA_INIT(PAIR_OCTETS);
	struct route_result result;
	char address[512];
	bool is_asked = false;
	int n = snprintf(address, sizeof(address), "nobody.at.all@%.*s",
			 STR(domain));

	if (n > 0 && (size_t)n < sizeof(address) &&
	    route_resolve(c, S("postmaster@localhost"),
			  str_of(address, (size_t)n), &arena, NULL,
			  &result) == OK &&
	    result.n > 0)
		is_asked = result.list[0].class == ROUTE_REMOTE &&
			   str_ieq(result.list[0].nexthop, domain);
	arena_release(&arena);
	return is_asked;
}

/* Domains of `to` under .local that `from` has no route for: DNS has none. */
static void
check_ways(const struct config *from, const struct config *to, struct diag *d)
{
	struct str name = settings_text(&to->settings, "myhostname"), key;
	void *value;

	for (size_t at = 0; map_next(&to->domains, &at, &key, &value);) {
		const struct config_domain *domain = value;

		if ((domain->flags & DOMAIN_MAILBOX) != 0 &&
		    str_iends(key, S(".local")) && asks_dns(from, key))
			diag_warn(d, from->dir, 0,
				  "nothing here says where %.*s is, and DNS "
				  "knows no .local; write \"%.*s "
				  "smtp:[%.*s]:25\" in transport.cf",
				  STR(key), STR(key), STR(name));
	}
}

void
route_lint_pair(const struct config *a, const struct config *b, struct diag *d)
{
	struct pair p = { a, b, d, MAP_INIT };

	check_routes(&p, a);
	check_routes(&p, b);
	check_pair(&p, S("somewhere.else.example"), S(""), 0);
	check_ways(a, b, d);
	check_ways(b, a, d);
	map_release(&p.seen);
}

void
route_lint(const struct config *c, struct diag *d)
{
	struct lint l = { .c = c, .d = d, .steps_left = CATCHALL_STEPS_MAX };
	const struct table_list *tables;

	check_relayhost_setting(&l);
	check_twice_local(&l);
	each_entry(&l, &c->virtual_alias, check_virtual);
	each_entry(&l, &c->transport, check_transport);
	each_entry(&l, &c->sender_relayhost, check_relayhost);
	each_entry(&l, &c->sasl, check_sasl);
	each_entry(&l, &c->tls_policy, check_policy);
	each_entry(&l, &c->virtual_mailbox, check_listed);
	for (size_t i = 0; (tables = config_tables(c, i)) != NULL; i++)
		lint_table_list(tables, d);
	for (size_t i = 0; i < c->policies.n_tables; i++)
		lint_rules(c->policies.tables[i], d);
	lint_clients(c, d);
	check_transport_file(&l);
	check_quotas(&l);
	check_postmaster(&l);
}
