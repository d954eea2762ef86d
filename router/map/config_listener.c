/* SPDX-License-Identifier: MIT
 * router/map/config_listener.c - master.cf, and the settings of each listener:
 * main.cf's, with what master.cf says for that one.
 *
 * Process: router (and lint).
 * Invariant: what is wrong in main.cf is told once, for the first listener.
 */
#include "router/map/config_private.h"

#include "lib/ipc/router.h"
#include "lib/mail/dnsbl.h"
#include "lib/mail/smtp_reply.h"
#include "lib/mail/tls_policy.h"

/* Some twenty texts of three services, in two moods: three quarters of a frame.
 */
enum { SMTPD_VALUE_MAX_OCTETS = 6144 };

/* A value of main.cf is told for the first service, not for all. */
static bool
is_told_elsewhere(const struct loading *l, const struct settings *s,
		  const struct setting *v)
{
	const struct settings *first = &l->c->smtpd[0][0];
	const struct setting *same = map_get(&first->by_name, v->name);

	return s != first && v->line == same->line &&
	       str_eq(v->file, same->file);
}

/* All that mta/in is told must fit into one message. */
static void
check_lengths(struct loading *l, const struct settings *s)
{
	const struct router_field *f = router_smtpd_fields;

	for (; f->setting != NULL; f++) {
		const struct setting *v =
			map_get(&s->by_name, str_c(f->setting));

		if (v->value.n > SMTPD_VALUE_MAX_OCTETS &&
		    !is_told_elsewhere(l, s, v))
			diag_error(l->d, v->file, v->line,
				   "%s is longer than %d octets", f->setting,
				   SMTPD_VALUE_MAX_OCTETS);
	}
}

/* Lists of networks that mta/in reads. */
static enum err
check_smtpd_networks(struct loading *l, const struct settings *s)
{
	static const char *const names[] = {
		"smtpd_authorized_xclient_hosts",
		"smtpd_upstream_proxy_networks",
		"smtpd_client_event_limit_exceptions",
	};
	enum err e = OK;

	for (size_t i = 0; e != ERR_LIMIT && i < sizeof(names) / sizeof(*names);
	     i++) {
		const struct setting *v = map_get(&s->by_name, str_c(names[i]));
		struct cidr_list list;
		struct str bad = S("");
		const char *why = "";

		e = cidr_list_parse(&l->c->arena, v->value, &list, &bad, &why);
		/* A default is mynetworks, which is told where it stands. */
		if (e == ERR_FORMAT && v->file.n > 0 &&
		    !is_told_elsewhere(l, s, v))
			diag_error(l->d, v->file, v->line, "%s: %.*s: %s",
				   names[i], STR(str_first(bad, 100)), why);
	}
	return e == ERR_LIMIT ? e : OK;
}

struct choice {
	const char *setting;
	const char *words; // what it may be
};

static void
check_choices(struct loading *l, const struct settings *s)
{
	static const struct choice choices[] = {
		{ "smtpd_upstream_proxy_protocol", "haproxy" },
		{ "smtpd_forbid_bare_newline", "yes no note normalize reject" },
		{ "postscreen_greet_action", "ignore enforce drop" },
		{ "postscreen_dnsbl_action", "ignore enforce drop" },
		{ "postscreen_denylist_action", "ignore enforce drop" },
		{ "smtpd_tls_security_level", "none may encrypt" },
	};

	for (size_t i = 0; i < sizeof(choices) / sizeof(*choices); i++) {
		const struct setting *v =
			map_get(&s->by_name, str_c(choices[i].setting));
		struct str words = str_c(choices[i].words), word;
		bool is_one = v->value.n == 0 || is_told_elsewhere(l, s, v);

		while (str_word(&words, &word))
			is_one = is_one || str_ieq(word, v->value);
		if (!is_one)
			diag_error(l->d, v->file, v->line,
				   "%s = %.*s is none of: %s",
				   choices[i].setting,
				   STR(str_first(v->value, 100)),
				   choices[i].words);
	}
}

static void
check_overrides(struct loading *l, const struct settings *s)
{
	static const struct str known[] = {
		STR_INIT("no_unknown_recipient_checks"),
		STR_INIT("no_address_mappings"),
		STR_INIT("no_header_body_checks"),
		STR_INIT("no_milters"), // there are none
	};
	const struct setting *v =
		map_get(&s->by_name, S("receive_override_options"));
	struct str list = v->value, word;

	while (!is_told_elsewhere(l, s, v) && settings_item(&list, &word)) {
		bool is_one = false;

		for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
			is_one = is_one || str_ieq(word, known[i]);
		if (!is_one)
			diag_error(l->d, v->file, v->line,
				   "receive_override_options: %.*s is none of "
				   "no_unknown_recipient_checks, "
				   "no_address_mappings, "
				   "no_header_body_checks and no_milters",
				   STR(str_first(word, 100)));
	}
}

static void
check_footer(struct loading *l, const struct settings *s)
{
	static const struct str known[] = {
		STR_INIT("client_address"),
		STR_INIT("localtime"),
		STR_INIT("server_name"),
	};
	const struct setting *v =
		map_get(&s->by_name, S("smtpd_reject_footer"));
	struct str rest = v->value, name;

	while (!is_told_elsewhere(l, s, v) && smtp_footer_name(&rest, &name)) {
		bool is_one = false;

		for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
			is_one = is_one || str_eq(name, known[i]);
		if (!is_one)
			diag_warn(
				l->d, v->file, v->line,
				"smtpd_reject_footer: $%.*s is nothing; there "
				"are client_address, localtime and "
				"server_name",
				STR(str_first(name, 100)));
	}
}

/* So that nobody takes them for a way to accept mail for anybody. */
static void
tell_unlisted(struct loading *l, const struct settings *s)
{
	static const char *const names[] = { "smtpd_reject_unlisted_recipient",
					     "receive_override_options" };
	const bool is_taken[] = {
		!settings_is_on(s, names[0]),
		settings_lists(s, names[1], S("no_unknown_recipient_checks")),
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const struct setting *v = map_get(&s->by_name, str_c(names[i]));

		if (is_taken[i] && !is_told_elsewhere(l, s, v))
			diag_note(l->d, v->file, v->line,
				  "%s: who is unknown in a domain of ours is "
				  "taken from users that have logged in and "
				  "from mynetworks; strangers hear 550 all the "
				  "same, so that nobody gets a bounce that he "
				  "has no part in",
				  names[i]);
	}
}

static void
check_protocols(struct loading *l, const struct settings *s)
{
	static const char *const names[] = { "smtpd_tls_protocols",
					     "smtpd_tls_mandatory_protocols" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const struct setting *v = map_get(&s->by_name, str_c(names[i]));
		unsigned with;

		if (v->value.n > 0 && !tls_protocols_parse(v->value, &with) &&
		    !is_told_elsewhere(l, s, v))
			diag_error(l->d, v->file, v->line,
				   "%s leaves none of TLS 1.2 and 1.3; write "
				   ">=TLSv1.2 or >=TLSv1.3",
				   names[i]);
	}
}

/* What there is satisfies medium and high. */
static void
check_ciphers(struct loading *l, const struct settings *s)
{
	static const char *const names[] = { "smtpd_tls_ciphers",
					     "smtpd_tls_mandatory_ciphers" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const struct setting *v = map_get(&s->by_name, str_c(names[i]));

		if (!str_ieq(v->value, S("medium")) &&
		    !str_ieq(v->value, S("high")) && v->value.n > 0 &&
		    !is_told_elsewhere(l, s, v))
			diag_warn(l->d, v->file, v->line,
				  "%s = %.*s: ciphers below high are not "
				  "offered here",
				  names[i], STR(str_first(v->value, 100)));
	}
}

static void
check_dnsbl(struct loading *l, const struct settings *s)
{
	const struct setting *v =
		map_get(&s->by_name, S("postscreen_dnsbl_sites"));
	struct str list = v->value, item;
	struct dnsbl_site site;
	size_t n = 0;

	if (list.n == 0 || is_told_elsewhere(l, s, v))
		return;
	while (settings_item(&list, &item)) {
		if (++n > ROUTER_DNSBL_SITES_MAX)
			diag_error(l->d, v->file, v->line,
				   "postscreen_dnsbl_sites: more than %d",
				   ROUTER_DNSBL_SITES_MAX);
		if (n > ROUTER_DNSBL_SITES_MAX)
			return;
		if (!dnsbl_site_parse(item, &site))
			diag_error(l->d, v->file, v->line,
				   "postscreen_dnsbl_sites: %.*s is not "
				   "domain=127.d.d.d*weight",
				   STR(str_first(item, 100)));
	}
	if (str_ieq(settings_text(s, "postscreen_dnsbl_action"), S("ignore")))
		diag_note(l->d, v->file, v->line,
			  "postscreen_dnsbl_action is ignore: what the lists "
			  "say is logged, and nobody is refused");
}

static void
check_proxies(struct loading *l, const struct settings *s)
{
	const struct setting *v =
		map_get(&s->by_name, S("smtpd_upstream_proxy_protocol"));

	if (v->value.n > 0 &&
	    settings_text(s, "smtpd_upstream_proxy_networks").n == 0 &&
	    !is_told_elsewhere(l, s, v))
		diag_error(l->d, v->file, v->line,
			   "smtpd_upstream_proxy_protocol without "
			   "smtpd_upstream_proxy_networks would refuse "
			   "everybody; name the proxies' networks there");
}

enum err
config_load_master(struct loading *l)
{
	struct str path = S(""), bytes;
	struct master *m = &l->c->master;
	enum err e = config_find_file(l, CF_MASTER, &path);

	if (e == OK)
		e = config_read_file(l, path, &bytes);
	if (e == OK)
		e = master_parse(&l->c->arena, path, bytes, l->d, m);
	if (e == ERR_NOT_FOUND || e == ERR_IO)
		e = OK;
	for (unsigned i = 0; e == OK && i < MASTER_SERVICES; i++)
		for (unsigned k = 0; e == OK && k < 2; k++)
			e = master_settings(m, path, (enum master_service)i,
					    k == 1, &l->c->settings,
					    k == 0 ? l->d : NULL,
					    &l->c->smtpd[i][k]);
	for (unsigned i = 0; e == OK && i < MASTER_SERVICES; i++) {
		check_lengths(l, &l->c->smtpd[i][0]);
		check_choices(l, &l->c->smtpd[i][0]);
		check_overrides(l, &l->c->smtpd[i][0]);
		tell_unlisted(l, &l->c->smtpd[i][0]);
		check_footer(l, &l->c->smtpd[i][0]);
		check_proxies(l, &l->c->smtpd[i][0]);
		check_dnsbl(l, &l->c->smtpd[i][0]);
		check_protocols(l, &l->c->smtpd[i][0]);
		check_ciphers(l, &l->c->smtpd[i][0]);
		e = check_smtpd_networks(l, &l->c->smtpd[i][0]);
	}
	return e;
}
