/* SPDX-License-Identifier: MIT
 * router/map/config_main.c - main.cf, and what variables and other files of the
 * set add to it.
 *
 * Process: router (and lint).
 * Invariant: what main.cf sets counts; a variable fills what it leaves open,
 * but for lists of restrictions, which some of them prolong.
 */
#include "router/map/config_private.h"

#include "router/map/docker.h"

static enum err
preset(struct loading *l, const char *variable_name, const char *setting)
{
	struct str value = S("");
	enum err e = config_variable(l, str_c(variable_name), &value);

	if (e != OK || value.n == 0)
		return e;
	return settings_preset(&l->c->settings, str_c(setting), value,
			       str_c(variable_name), l->d);
}

/* Puts "restriction file, " before a list. A list that nobody wrote then holds
 * only that. */
static enum err
prepend_access(struct loading *l, enum config_file id, const char *restriction,
	       const char *setting)
{
	struct settings *s = &l->c->settings;
	struct setting *v = map_get(&s->by_name, str_c(setting));
	struct buf text = BUF_INIT(SETTING_MAX_OCTETS);
	struct str path, whole = S("");
	enum err e = config_find_file(l, id, &path);

	if (e == OK)
		e = buf_addf(&text, "%s texthash:%.*s%s%.*s", restriction,
			     STR(path), v != NULL ? ", " : "",
			     STR(v != NULL ? v->raw : S("")));
	if (e == OK)
		e = arena_str(&l->c->arena, buf_str(&text), &whole);
	buf_release(&text);
	if (e != OK)
		return e == ERR_NOT_FOUND ? OK : e;
	if (v != NULL) {
		v->raw = whole;
		return OK;
	}
	return settings_preset(s, str_c(setting), whole, path, l->d);
}

/* docker-mailserver's own lists, where its names of files are in use and
 * main.cf says nothing else. */
static enum err
preset_dms_lists(struct loading *l)
{
	static const struct {
		const char *setting, *value;
	} lists[] = {
		{ "smtpd_helo_restrictions",
		  "permit_mynetworks, reject_invalid_helo_hostname, permit" },
		{ "smtpd_client_restrictions",
		  "permit_mynetworks, permit_sasl_authenticated, "
		  "reject_unauth_destination, reject_unauth_pipelining" },
		{ "smtpd_sender_restrictions",
		  "permit_sasl_authenticated, permit_mynetworks, "
		  "reject_unknown_sender_domain" },
		{ "smtpd_recipient_restrictions",
		  "permit_sasl_authenticated, permit_mynetworks, "
		  "reject_unauth_destination, reject_unauth_pipelining, "
		  "reject_invalid_helo_hostname, "
		  "reject_non_fqdn_helo_hostname, "
		  "reject_unknown_recipient_domain" },
	};
	struct settings *s = &l->c->settings;
	enum err e = OK;

	for (size_t i = 0; e == OK && i < sizeof(lists) / sizeof(*lists); i++)
		if (map_get(&s->by_name, str_c(lists[i].setting)) == NULL)
			e = settings_preset(s, str_c(lists[i].setting),
					    str_c(lists[i].value),
					    S("docker-mailserver"), l->d);
	return e;
}

/* POSTFIX_REJECT_UNKNOWN_CLIENT_HOSTNAME=1. */
static enum err
preset_unknown_client(struct loading *l)
{
	struct settings *s = &l->c->settings;
	struct setting *v =
		map_get(&s->by_name, S("smtpd_client_restrictions"));
	struct str value = S("");
	enum err e = config_variable(
		l, S("POSTFIX_REJECT_UNKNOWN_CLIENT_HOSTNAME"), &value);

	if (e != OK || !str_eq(value, S("1")))
		return e;
	if (v == NULL)
		return settings_preset(
			s, S("smtpd_client_restrictions"),
			S("permit_mynetworks, permit_sasl_authenticated, "
			  "reject_unknown_client_hostname"),
			S("POSTFIX_REJECT_UNKNOWN_CLIENT_HOSTNAME"), l->d);
	return config_join(l, v->raw, S(", reject_unknown_client_hostname"),
			   &v->raw);
}

/* PERMIT_DOCKER. */
static enum err
preset_networks(struct loading *l)
{
	struct buf list = BUF_INIT(SETTING_MAX_OCTETS);
	struct str how = S(""), route = S(""), trie = S(""), whole;
	const char *why = NULL;
	enum err e = config_variable(l, S("PERMIT_DOCKER"), &how);

	if (e != OK || how.n == 0)
		return e;
	e = config_read_proc(l, "/proc/net/route", l->in->proc_route, &route);
	if (e == OK)
		e = config_read_proc(l, "/proc/net/fib_trie", l->in->proc_trie,
				     &trie);
	/* Which address is a gateway's must be known, or nobody is trusted. */
	if (e == OK && route.n == 0) {
		diag_warn(l->d, S(""), 0,
			  "PERMIT_DOCKER has no effect: /proc/net/route cannot "
			  "be read; write mynetworks");
		return OK;
	}
	buf_put(&list, S("127.0.0.0/8 [::1]/128"));
	if (e == OK)
		e = docker_networks(how, route, trie, &list, &why);
	if (e == OK && why != NULL)
		diag_error(l->d, S(""), 0, "PERMIT_DOCKER=%.*s %s", STR(how),
			   why);
	if (e == OK)
		e = arena_str(&l->c->arena, buf_str(&list), &whole);
	buf_release(&list);
	if (e == OK && !str_eq(how, S("none")))
		diag_note(
			l->d, S(""), 0,
			"PERMIT_DOCKER=%.*s: who comes from one of %.*s may "
			"send anywhere; a gateway (!) may not, because behind "
			"it may be anybody",
			STR(how), STR(whole));
	return e != OK ? e
		       : settings_preset(&l->c->settings, S("mynetworks"),
					 whole, S("PERMIT_DOCKER"), l->d);
}

static enum err
preset_restrictions(struct loading *l)
{
	enum err e = preset_networks(l);

	if (e == OK && (config_is_mounted(l, CF_MAIN) ||
			config_is_mounted(l, CF_ACCOUNTS)))
		e = preset_dms_lists(l);
	if (e == OK)
		e = preset_unknown_client(l);
	if (e == OK)
		e = prepend_access(l, CF_SEND_ACCESS, "check_sender_access",
				   "smtpd_sender_restrictions");
	if (e == OK)
		e = prepend_access(l, CF_RECEIVE_ACCESS,
				   "check_recipient_access",
				   "smtpd_recipient_restrictions");
	return e;
}

enum err
config_load_main(struct loading *l)
{
	static const struct {
		const char *variable, *setting;
	} presets[] = {
		{ "OVERRIDE_HOSTNAME", "myhostname" },
		{ "POSTFIX_MESSAGE_SIZE_LIMIT", "message_size_limit" },
		{ "POSTFIX_MAILBOX_SIZE_LIMIT", "mailbox_size_limit" },
		{ "DEFAULT_RELAY_HOST", "relayhost" },
		{ "POSTMASTER_ADDRESS", "postmaster_address" },
		{ "POSTFIX_INET_PROTOCOLS", "inet_protocols" },
	};
	struct settings *s = &l->c->settings;
	struct str path, bytes, hostname;
	enum err e = config_find_file(l, CF_MAIN, &path);

	if (e == OK)
		e = config_read_file(l, path, &bytes);
	if (e == OK)
		e = settings_read(s, path, bytes, l->d);
	if (e == ERR_NOT_FOUND || e == ERR_IO)
		e = OK;
	for (size_t i = 0; e == OK && i < sizeof(presets) / sizeof(*presets);
	     i++)
		e = preset(l, presets[i].variable, presets[i].setting);
	if (e == OK && l->in->hostname.n > 0 &&
	    map_get(&s->by_name, S("myhostname")) == NULL) {
		e = arena_str(&l->c->arena, l->in->hostname, &hostname);
		if (e == OK)
			e = settings_preset(s, S("myhostname"), hostname,
					    S("hostname"), l->d);
	}
	if (e == OK)
		e = preset_restrictions(l);
	if (e == OK && config_find_file(l, CF_MASTER, &path) == OK &&
	    config_is_there(l, path) && config_read_file(l, path, &bytes) == OK)
		s->elsewhere = bytes;
	return e != OK ? e : settings_finish(s, l->d);
}

enum err
config_load_relay_variables(struct loading *l)
{
	struct config *c = l->c;
	struct str host = S(""), port = S(""), bare = S("");
	enum err e = config_variable(l, S("RELAY_HOST"), &host);
	struct buf text = BUF_INIT(NAME_MAX_OCTETS);

	if (e == OK)
		e = config_variable(l, S("RELAY_PORT"), &port);
	if (e == OK)
		e = config_variable(l, S("DEFAULT_RELAY_HOST"), &bare);
	if (e == OK)
		e = config_variable(l, S("RELAY_USER"), &c->relay_user);
	if (e == OK)
		e = config_variable(l, S("RELAY_PASSWORD"), &c->relay_password);
	if (e == OK && host.n > 0) {
		if (str_starts(host, S("[")) && str_ends(host, S("]")))
			host = str_sub(host, 1, host.n - 2);
		e = buf_addf(&text, "[%.*s]:%.*s", STR(host),
			     STR(port.n > 0 ? port : S("25")));
	}
	if (e == OK)
		e = arena_str(&l->c->arena, buf_str(&text), &c->relay_nexthop);
	buf_release(&text);
	c->relay_auth_nexthop = bare.n > 0 ? bare : c->relay_nexthop;
	if (e == OK && c->relay_user.n > 0 && c->relay_auth_nexthop.n == 0)
		diag_warn(l->d, S(""), 0,
			  "RELAY_USER has no effect without RELAY_HOST or "
			  "DEFAULT_RELAY_HOST");
	return e;
}
