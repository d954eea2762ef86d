/* SPDX-License-Identifier: MIT
 * router/route/lint_clients.c - see lint_clients.h. */
#include "router/route/lint_clients.h"

#include "router/route/lint_rules.h"

enum {
	V4_BITS = 96,
	/* Shorter prefixes of public addresses are no single site's. */
	V4_SITE_BITS = V4_BITS + 16,
	V6_SITE_BITS = 32,
	/* Docker makes networks from 172.17.0.0/16 to 172.31.0.0/16 first; the
	 * gateway is the first address of each. */
	DOCKER_FIRST = 17,
	DOCKER_LAST = 31,
	TEXT_OCTETS = 64,
};

/* ---- mynetworks ---- */

static bool
is_in(const char *network, const struct cidr *net)
{
	struct cidr outer;
	const char *why;
	struct cidr_list one = { &outer, 1 };

	return cidr_parse(str_c(network), &outer, &why) &&
	       net->bits >= outer.bits && cidr_list_has(&one, net->address);
}

/* Addresses that no stranger on the Internet has. */
static bool
is_private(const struct cidr *net)
{
	static const char *const networks[] = {
		"127.0.0.0/8",	  "10.0.0.0/8",	    "172.16.0.0/12",
		"192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10",
		"[::1]/128",	  "[fc00::]/7",	    "[fe80::]/10",
	};

	for (size_t i = 0; i < sizeof(networks) / sizeof(*networks); i++)
		if (is_in(networks[i], net))
			return true;
	return false;
}

/* True: told. */
static bool
check_world(const struct setting *where, struct diag *d)
{
	struct str list = where->value, item;
	bool is_told = false;
	struct cidr net;
	const char *why;

	while (settings_item(&list, &item)) {
		if (!cidr_parse(item, &net, &why) || net.is_negated ||
		    is_private(&net))
			continue;
		if (net.bits >=
		    (str_chr(item, '.') > 0 ? V4_SITE_BITS : V6_SITE_BITS))
			continue;
		is_told = true;
		diag_warn(d, where->file, where->line,
			  "mynetworks: who comes from %.*s may send "
			  "anywhere without a password, and that is a "
			  "large part of the Internet: an open relay; "
			  "write your own networks alone",
			  STR(item));
	}
	return is_told;
}

static bool
is_trusted(const struct config *c, const char *address)
{
	uint8_t octets[16];

	return cidr_address(str_c(address), octets) &&
	       config_is_my_network(c, octets);
}

/* Behind a gateway of Docker may be anybody: its proxy hands on connections
 * from everywhere, and they all come from there. */
static void
tell_gateway(const struct setting *where, const char *gateway, bool is_own,
	     struct diag *d)
{
	diag_warn(d, where->file, where->line,
		  "mynetworks trusts %s, %s: all strangers may come from "
		  "there, and each could send anywhere; write !%s before the "
		  "network, or name the trusted containers alone",
		  gateway,
		  is_own ? "a gateway of this machine"
			 : "the usual gateway of a Docker network",
		  gateway);
}

static void
check_gateways(const struct config *c, const struct setting *where,
	       struct diag *d)
{
	char text[TEXT_OCTETS];

	for (size_t i = 0; i < c->gateways.n; i++) {
		const uint8_t *a = c->gateways.nets[i].address;

		snprintf(text, sizeof(text), "%u.%u.%u.%u", a[12], a[13], a[14],
			 a[15]);
		if (!config_is_my_network(c, a))
			continue;
		tell_gateway(where, text, true, d);
		return;
	}
	/* PERMIT_DOCKER leaves out the gateways that it found. */
	for (unsigned i = DOCKER_FIRST; i <= DOCKER_LAST; i++) {
		snprintf(text, sizeof(text), "172.%u.0.1", i);
		if (where->file.n == 0 || !is_trusted(c, text))
			continue;
		tell_gateway(where, text, false, d);
		return;
	}
}

/* ---- limits ---- */

static bool
is_local_alone(struct str list)
{
	struct str item;
	struct cidr net;
	const char *why;

	while (settings_item(&list, &item))
		if (!cidr_parse(item, &net, &why) ||
		    (!is_in("127.0.0.0/8", &net) && !is_in("[::1]/128", &net)))
			return false;
	return true;
}

/* A webmail is one client for all who use it. */
static void
check_limits(const struct config *c, struct diag *d)
{
	static const char *const names[] = {
		"smtpd_client_message_rate_limit",
		"smtpd_client_recipient_rate_limit",
		"smtpd_client_connection_rate_limit",
		"smtpd_client_auth_rate_limit",
	};
	const struct settings *s = &c->smtpd[POLICY_SUBMISSION][0];
	struct str excepted = map_get(&s->by_name, S("smtpd_client_event_limit_"
						     "exceptions")) == NULL
				      ? S("")
				      : settings_text(s, "smtpd_client_event_"
							 "limit_exceptions");

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const struct setting *v = settings_find(s, names[i]);

		if (v == NULL || settings_number(s, names[i]) == 0 ||
		    !is_local_alone(excepted))
			continue;
		diag_warn(d, v->file, v->line,
			  "%s counts a webmail as one client, with all its "
			  "users; name its address in "
			  "smtpd_client_event_limit_exceptions, or limit "
			  "users: smtpd_user_message_rate_limit",
			  names[i]);
		return;
	}
}

void
lint_clients(const struct config *c, struct diag *d)
{
	const struct setting *where = settings_find(&c->settings, "mynetworks");

	if (where != NULL && !check_world(where, d))
		check_gateways(c, where, d);
	lint_mynetworks_order(c, d);
	check_limits(c, d);
}
