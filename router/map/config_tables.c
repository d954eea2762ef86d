/* SPDX-License-Identifier: MIT
 * router/map/config_tables.c - the tables that settings name, and the files of
 * the set that serve where no setting names them.
 *
 * Process: router (and lint).
 * Owns: the tables, until config_release_tables().
 * Invariant: one that is wrong does not keep the others from being read, so
 * that all is told at once.
 */
#include "router/map/config_private.h"

#include <stddef.h>
#include <sys/stat.h>

enum { TABLE_HOSTS_MAX_OCTETS = 16 * 1024 };

/* ---- one table ---- */

/* Tables of a type that is not here put mail off; the set is good without. */
static size_t
count_unsupported(const struct table *t)
{
	size_t n = t->kind == TABLE_UNSUPPORTED;

	for (size_t i = 0; i < t->n_parts; i++)
		n += count_unsupported(&t->parts[i]);
	return n;
}

/* Who must be connected to for this table, or for its parts. */
static enum err
keep_hosts(struct loading *l, const struct table *t)
{
	struct str list = l->c->table_hosts, one;
	struct buf text = BUF_INIT(TABLE_HOSTS_MAX_OCTETS);
	struct buf host = BUF_INIT(TABLE_HOSTS_MAX_OCTETS);
	bool is_known = t->kind != TABLE_REMOTE || !t->is_available;
	enum err e = is_known ? OK : remote_put_host(&t->place, &host);

	while (e == OK && !is_known && str_split(&list, '\n', &one))
		is_known = str_eq(one, buf_str(&host));
	list = l->c->table_hosts;
	if (e == OK && !is_known)
		e = buf_addf(&text, "%.*s%s%.*s", STR(list),
			     list.n > 0 ? "\n" : "", STR(buf_str(&host)));
	if (e == OK && !is_known)
		e = arena_str(&l->c->arena, buf_str(&text), &l->c->table_hosts);
	buf_release(&host);
	buf_release(&text);
	for (size_t i = 0; e == OK && i < t->n_parts; i++)
		e = keep_hosts(l, &t->parts[i]);
	return e;
}

enum err
config_load_table(struct loading *l, const struct setting *where,
		  struct str text, struct table_options options,
		  struct table *t)
{
	struct str file = where ? where->file : S("");
	uint32_t line = where ? where->line : 0;
	enum err e;

	options.is_strict = settings_is_on(&l->c->settings, "strict_tables");
	e = table_open(t, &l->source, text, file, line, &options);
	l->n_tolerated += count_unsupported(t);
	if (e == OK)
		e = keep_hosts(l, t);
	if (e == ERR_IO && where != NULL)
		diag_note(l->d, file, line, "it is named here");
	return e;
}

static bool
names_path(const struct table_list *t, struct str path)
{
	for (size_t i = 0; i < t->n; i++)
		if (str_eq(t->list[i].file, path))
			return true;
	return false;
}

enum { DEFAULTS_MAX = 2 };

/* A file of the set that serves a setting which main.cf does not set. */
struct default_file {
	const char *type; // with its colon; NULL: none
	enum config_file id;
};

/* Opens those that are there. */
static enum err
load_defaults(struct loading *l, const struct default_file *files,
	      struct table_options options, struct table_list *out)
{
	out->list = arena_array(&l->c->arena, DEFAULTS_MAX, sizeof(*out->list));
	if (out->list == NULL)
		return ERR_LIMIT;
	for (size_t i = 0; i < DEFAULTS_MAX && files[i].type != NULL; i++) {
		struct str path;
		enum err e = config_find_file(l, files[i].id, &path);

		if (e == ERR_NOT_FOUND)
			continue;
		if (e == OK)
			e = config_join(l, str_c(files[i].type), path, &path);
		if (e == OK)
			e = config_load_table(l, NULL, path, options,
					      &out->list[out->n++]);
		if (e != OK)
			return e;
	}
	return OK;
}

/* A file of the set that main.cf passes over. */
static enum err
tell_passed_over(struct loading *l, const struct default_file *files,
		 const struct setting *where, const struct table_list *out)
{
	for (size_t i = 0; i < DEFAULTS_MAX && files[i].type != NULL; i++) {
		struct str path;
		enum err e = config_find_file(l, files[i].id, &path);

		if (e != OK && e != ERR_NOT_FOUND)
			return e;
		if (e == OK && !names_path(out, path))
			diag_warn(l->d, path, 0,
				  "this file has no effect, because %.*s in "
				  "%.*s:%u does not name it",
				  STR(where->name), STR(where->file),
				  where->line);
	}
	return OK;
}

/* Debian's main.cf names /etc/aliases, which a container has not; nobody wrote
 * that file, so it is not missed. */
static bool
is_absent_aliases(struct loading *l, struct str reference)
{
	struct str path;

	return str_ends(reference, S(":/etc/aliases")) &&
	       config_map_path(l, S("/etc/aliases"), &path) == OK &&
	       !config_is_there(l, path);
}

/* A table that alias_maps names, for local_recipient_maps names it again. */
static bool
is_in_alias_maps(struct loading *l, struct str reference)
{
	struct str list = settings_text(&l->c->settings, "alias_maps"), item;

	while (settings_item(&list, &item))
		if (str_eq(item, reference))
			return true;
	return false;
}

bool
config_is_made_of_accounts(struct str reference)
{
	return str_ends(reference, S(":/etc/postfix/vmailbox")) ||
	       str_ends(reference, S("/etc/postfix/vhost"));
}

/* ---- all ---- */

/* A word of postscreen_access_list that is no table. */
static bool
is_screen_word(struct loading *l, struct str item,
	       const struct table_list *before)
{
	if (before != &l->c->screen || !str_ieq(item, S("permit_mynetworks")))
		return false;
	if (l->c->screen_networks_at == SIZE_MAX)
		l->c->screen_networks_at = before->n;
	return true;
}

/* The tables of one setting, or the files of the set that serve without. */
static enum err
load_tables(struct loading *l, const char *setting,
	    const struct default_file *files, struct table_options options,
	    struct table_list *out)
{
	const struct setting *where = settings_find(&l->c->settings, setting);
	struct str list = settings_text(&l->c->settings, setting), rest = list;
	struct str item;
	enum err e = OK;

	out->what = str_c(setting);
	if (where == NULL)
		return load_defaults(l, files, options, out);
	while (settings_item(&rest, &item))
		out->n++;
	out->list = arena_array(&l->c->arena, out->n, sizeof(*out->list));
	if (out->list == NULL)
		return ERR_LIMIT;
	out->n = 0;
	while (e == OK && settings_item(&list, &item)) {
		bool is_alias_file = is_in_alias_maps(l, item);

		if ((is_alias_file && is_absent_aliases(l, item)) ||
		    config_is_made_of_accounts(item) ||
		    is_screen_word(l, item, out))
			continue;
		options.is_alias_file = is_alias_file;
		e = config_load_table(l, where, item, options,
				      &out->list[out->n++]);
	}
	return e != OK ? e : tell_passed_over(l, files, where, out);
}

/* Lists of plain names. */
static void
check_masquerade(struct loading *l)
{
	static const char *const names[] = { "masquerade_domains",
					     "masquerade_exceptions" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const struct setting *where =
			settings_find(&l->c->settings, names[i]);
		struct str list = where ? where->value : S(""), item;

		while (settings_item(&list, &item))
			if (str_chr(item, ':') >= 0 || str_chr(item, '/') >= 0)
				diag_error(l->d, where->file, where->line,
					   "%s: only names stand here, not "
					   "%.*s",
					   names[i], STR(str_first(item, 200)));
	}
}

/* local_header_rewrite_clients has words that never match here. */
static void
tell_clients(struct loading *l)
{
	static const struct str known[] = {
		STR_INIT("permit_inet_interfaces"),
		STR_INIT("permit_mynetworks"),
		STR_INIT("permit_sasl_authenticated"),
	};
	const struct setting *where =
		settings_find(&l->c->settings, "local_header_rewrite_clients");
	struct str list = where ? where->value : S(""), item;

	while (settings_item(&list, &item)) {
		bool is_known = false;

		for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
			is_known = is_known || str_eq(item, known[i]);
		if (!is_known)
			diag_warn(l->d, where->file, where->line,
				  "%.*s never matches here; write "
				  "permit_inet_interfaces, permit_mynetworks "
				  "or permit_sasl_authenticated",
				  STR(str_first(item, 200)));
	}
}

/* Does main.cf say who is known, other than by the accounts? */
static bool
is_listing(struct loading *l, const char *setting)
{
	struct str list = settings_text(&l->c->settings, setting), item;

	if (settings_find(&l->c->settings, setting) == NULL)
		return false;
	while (settings_item(&list, &item))
		if (config_is_made_of_accounts(item))
			return false;
	return true;
}

/* Passwords in a file that others may read. */
static void
check_sasl_mode(struct loading *l)
{
	struct stat st;

	for (size_t i = 0; i < l->c->sasl.n; i++) {
		const struct table *t = &l->c->sasl.list[i];

		if (t->entries.n > 0 && l->in->files == NULL &&
		    stat(t->file.p, &st) == 0 && (st.st_mode & 077) != 0)
			diag_warn(l->d, t->file, 0,
				  "others may read these passwords; write "
				  "chmod 600 %.*s",
				  STR(t->file));
	}
}

#define LIST(member) offsetof(struct config, member)

static const struct table_setting {
	const char *setting;
	size_t list; // where in struct config
	struct default_file files[DEFAULTS_MAX];
	struct table_options options;
} all[] = {
	{ .setting = "virtual_alias_maps",
	  .list = LIST(virtual_alias),
	  .files = { { "texthash:", CF_VIRTUAL }, { "pcre:", CF_REGEXP } } },
	{ .setting = "alias_maps",
	  .list = LIST(aliases),
	  .files = { { "texthash:", CF_ALIASES } },
	  .options = { .is_no_substitution = true, .is_alias_file = true } },
	{ .setting = "canonical_maps", .list = LIST(canonical) },
	{ .setting = "sender_canonical_maps", .list = LIST(sender_canonical) },
	{ .setting = "recipient_canonical_maps",
	  .list = LIST(recipient_canonical) },
	{ .setting = "relay_recipient_maps", .list = LIST(relay_recipient) },
	{ .setting = "recipient_bcc_maps", .list = LIST(recipient_bcc) },
	{ .setting = "sender_bcc_maps", .list = LIST(sender_bcc) },
	{ .setting = "transport_maps",
	  .list = LIST(transport),
	  .files = { { "texthash:", CF_TRANSPORT } },
	  .options = { .is_no_substitution = true } },
	{ .setting = "sender_dependent_relayhost_maps",
	  .list = LIST(sender_relayhost),
	  .files = { { "texthash:", CF_RELAYMAP } },
	  .options = { .is_key_alone_ok = true } },
	{ .setting = "sender_dependent_default_transport_maps",
	  .list = LIST(sender_transport) },
	{ .setting = "smtp_sasl_password_maps",
	  .list = LIST(sasl),
	  .files = { { "texthash:", CF_SASL } } },
	{ .setting = "relocated_maps", .list = LIST(relocated) },
	{ .setting = "smtp_tls_policy_maps", .list = LIST(tls_policy) },
	{ .setting = "smtpd_sender_login_maps", .list = LIST(sender_login) },
	{ .setting = "header_checks", .list = LIST(header_checks) },
	{ .setting = "smtpd_discard_ehlo_keyword_address_maps",
	  .list = LIST(discard_ehlo) },
	{ .setting = "tls_server_sni_maps", .list = LIST(tls_names) },
	{ .setting = "postscreen_access_list", .list = LIST(screen) },
	{ .setting = "mime_header_checks", .list = LIST(mime_header_checks) },
	{ .setting = "nested_header_checks",
	  .list = LIST(nested_header_checks) },
	{ .setting = "body_checks", .list = LIST(body_checks) },
	{ .setting = "smtp_header_checks", .list = LIST(smtp_header_checks) },
	{ .setting = "smtp_mime_header_checks",
	  .list = LIST(smtp_mime_header_checks) },
	{ .setting = "smtp_nested_header_checks",
	  .list = LIST(smtp_nested_header_checks) },
	{ .setting = "smtp_body_checks", .list = LIST(smtp_body_checks) },
	{ .setting = "local_recipient_maps", .list = LIST(local_recipient) },
	{ .setting = "virtual_mailbox_maps", .list = LIST(virtual_mailbox) },
};

static struct table_list *
tables_of(struct config *c, const struct table_setting *s)
{
	return (struct table_list *)((char *)c + s->list);
}

const struct table_list *
config_tables(const struct config *c, size_t i)
{
	if (i >= sizeof(all) / sizeof(*all))
		return NULL;
	return (const struct table_list *)((const char *)c + all[i].list);
}

void
config_release_tables(struct config *c)
{
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		table_list_release(tables_of(c, &all[i]));
}

enum err
config_load_tables(struct loading *l)
{
	struct config *c = l->c;
	enum err e = OK;

	c->screen_networks_at =
		settings_find(&c->settings, "postscreen_access_list") ? SIZE_MAX
								      : 0;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		enum err r = load_tables(l, all[i].setting, all[i].files,
					 all[i].options, tables_of(c, &all[i]));

		if (r != OK && r != ERR_IO)
			return r;
		if (r == ERR_IO)
			e = r; // go on, to tell all that is wrong at once
	}
	c->has_local_recipient = is_listing(l, "local_recipient_maps");
	c->has_virtual_mailbox = is_listing(l, "virtual_mailbox_maps");
	check_masquerade(l);
	tell_clients(l);
	check_sasl_mode(l);
	c->mime_checks = settings_find(&c->settings, "mime_header_checks")
				 ? &c->mime_header_checks
				 : &c->header_checks;
	c->nested_checks = settings_find(&c->settings, "nested_header_checks")
				   ? &c->nested_header_checks
				   : &c->header_checks;
	return e != OK ? e : config_finish_aliases(l);
}

static enum err
load_access_table(void *arg, const struct setting *where, struct str text,
		  struct table *t)
{
	enum err e = config_load_table(arg, where, text,
				       (struct table_options) { 0 }, t);

	/* Told; the set is refused for it. */
	return e == ERR_IO ? OK : e;
}

enum err
config_load_policies(struct loading *l)
{
	struct policy_source source = {
		.arena = &l->c->arena,
		.settings = &l->c->settings,
		.d = l->d,
		.load = load_access_table,
		.load_arg = l,
	};
	struct str spoof = S("");
	enum err e = config_variable(l, S("SPOOF_PROTECTION"), &spoof);

	for (size_t i = 0; i < POLICY_SERVICES; i++)
		source.services[i] = &l->c->smtpd[i][0];
	source.is_spoof_protected = str_eq(spoof, S("1"));
	return e != OK ? e : policy_compile(&l->c->policies, &source);
}
