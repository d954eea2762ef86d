/* SPDX-License-Identifier: MIT
 * mta/out/route.c - next hops, then hosts, then addresses, each only when the
 * one before it has failed. */
#include "mta/out/route.h"

#include "lib/rt/net.h"
#include "mta/out/connect_map.h"

#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>

enum {
	SMTP_PORT = 25,
	LMTP_PORT = 24,
	DNS_TIMEOUT_S = 30,
	MAX_OWN_ADDRESSES = 64,
	ADDRESS_OCTETS = 64,
};

static struct {
	char addresses[MAX_OWN_ADDRESSES][ADDRESS_OCTETS];
	size_t n;
} own;

void
route_setup(void)
{
	struct ifaddrs *list = NULL;

	if (getifaddrs(&list) != 0)
		return;
	for (struct ifaddrs *i = list; i && own.n < MAX_OWN_ADDRESSES;
	     i = i->ifa_next) {
		const struct sockaddr *a = i->ifa_addr;
		socklen_t n = a && a->sa_family == AF_INET6
				      ? sizeof(struct sockaddr_in6)
				      : sizeof(struct sockaddr_in);

		if (a == NULL ||
		    (a->sa_family != AF_INET && a->sa_family != AF_INET6))
			continue;
		if (getnameinfo(a, n, own.addresses[own.n], ADDRESS_OCTETS,
				NULL, 0, NI_NUMERICHOST) == 0)
			own.n++;
	}
	freeifaddrs(list);
}

static bool
has_item(struct str list, struct str wanted)
{
	struct str item, word;

	while (str_split(&list, ',', &item))
		while (str_word(&item, &word))
			if (str_ieq(word, wanted))
				return true;
	return false;
}

static bool
is_own_address(const struct route *r, struct str address)
{
	for (size_t i = 0; i < own.n; i++)
		if (str_eq(str_c(own.addresses[i]), address))
			return true;
	return str_starts(address, S("127.")) ||
	       str_eq(address, S("0.0.0.0")) || str_eq(address, S("::1")) ||
	       str_eq(address, S("::")) ||
	       has_item(r->smtp->proxy_interfaces, address);
}

void
route_init(struct route *r, const struct out_job *job,
	   const struct router_smtp *smtp, struct peer *dns,
	   struct str connect_map)
{
	*r = (struct route) {
		.arena = ARENA_INIT(ROUTE_ARENA_MAX_OCTETS),
		.dns = dns,
		.connect_map = connect_map,
		.hostname = job->hostname,
		.smtp = smtp,
		.list = job->next_hop,
		.fallbacks = job->protocol == OUT_SMTP ? smtp->fallback_relay
						       : STR_NONE,
		.default_port =
			job->protocol == OUT_LMTP ? LMTP_PORT : SMTP_PORT,
	};
}

void
route_release(struct route *r)
{
	arena_release(&r->arena);
}

/* A reason to try again wins over one to give up. */
static void
note(struct route *r, uint16_t code, const char *enhanced, struct str name,
     const char *what)
{
	struct outcome why;

	outcome_of_us(&why, code, enhanced, "", "%.*s %s", STR(name), what);
	if (!r->why.is_set || code == 0)
		r->why = why;
}

/* Answers live in the arena: the frame does not. DNS_TEMPORARY also when the
 * role does not answer. */
static enum dns_result
ask(struct co *co, struct route *r, uint16_t type, struct str name,
    struct dns_host *hosts, size_t *n_out)
{
	struct dns_answer answer = { .result = DNS_TEMPORARY };
	struct frame f;

	*n_out = 0;
	if (peer_ask(co, r->dns, type, name, in_s(DNS_TIMEOUT_S), &f) != OK)
		return DNS_TEMPORARY;
	if (f.type != DNS_ANSWER ||
	    dns_read_answer(f.body, &r->arena, &answer) != OK)
		answer = (struct dns_answer) { .result = DNS_TEMPORARY };
	for (size_t i = 0; i < answer.n_hosts; i++) {
		hosts[i] = answer.hosts[i];
		if (arena_str(&r->arena, hosts[i].name, &hosts[i].name) != OK ||
		    arena_str(&r->arena, hosts[i].address, &hosts[i].address) !=
			    OK)
			break;
		(*n_out)++;
	}
	frame_release(&f);
	return answer.result;
}

/* RFC 5321 5.1: never to ourselves, nor to what is less preferred than we. We
 * are the one before at_host. */
static void
cut_at_host(struct route *r, size_t i)
{
	uint16_t ours = r->hosts[i].preference;

	while (i > 0 && r->hosts[i - 1].preference == ours)
		i--;
	r->n_hosts = i;
	if (i == 0)
		note(r, 554, "5.4.6", r->hop.host,
		     "would loop back to this host");
}

static void
cut_at_ourselves(struct route *r)
{
	for (size_t i = 0; i < r->n_hosts; i++)
		if (str_ieq(r->hosts[i].name, r->hostname))
			cut_at_host(r, i);
}

/* An exchange is a name (RFC 5321 5.1); an address in its place is a mistake of
 * somebody, or a way to send us anywhere. */
static void
drop_addresses(struct route *r)
{
	union address_any any;
	socklen_t length;
	size_t n = 0;

	for (size_t i = 0; i < r->n_hosts; i++)
		if (address_from_host(r->hosts[i].name, 0, &any, &length) != OK)
			r->hosts[n++] = r->hosts[i];
	if (n == 0)
		note(r, 550, "5.4.4", r->hop.host,
		     "has MX records without a host name");
	r->n_hosts = n;
}

static void
find_exchanges(struct co *co, struct route *r)
{
	switch (ask(co, r, DNS_EXCHANGES, r->via.host, r->hosts, &r->n_hosts)) {
	case DNS_OK:
		r->is_mx = true;
		drop_addresses(r);
		cut_at_ourselves(r);
		return;
	case DNS_NONE: // RFC 5321 5.1: the host itself is its exchange
		r->hosts[0] = (struct dns_host) { .name = r->via.host };
		r->n_hosts = 1;
		return;
	case DNS_NULL_MX:
		note(r, 556, "5.1.10", r->hop.host,
		     "accepts no mail (null MX)");
		return;
	case DNS_TEMPORARY:
	case DNS_RESULTS:
		note(r, 0, "4.4.3", r->hop.host,
		     "is a name that no name server answers for now");
	}
}

/* A list that does not parse would bounce for ever, and an operator's typing
 * mistake must not cost mail: it is tried again. */
static void
take_hop(struct co *co, struct route *r, struct str element)
{
	struct str text = connect_map_find(r->connect_map, element);
	const char *why;

	r->n_hosts = r->at_host = r->n_tried = 0;
	r->is_mx = false;
	r->n_hops++;
	if (!nexthop_parse(element, &r->hop, &why) ||
	    !nexthop_parse(text, &r->via, &why)) {
		note(r, 0, "4.3.5", text,
		     "is no next hop: write host or [host]:port");
		return;
	}
	if (r->via.is_exact || r->via.is_address) {
		r->hosts[0] = (struct dns_host) { .name = r->via.host };
		r->n_hosts = 1;
		return;
	}
	if (r->via.unix_path.n == 0)
		find_exchanges(co, r);
}

/* The server that another one stands for in a lab has that one's name. */
static struct str
name_of_host(const struct route *r)
{
	return str_eq(r->via.text, r->hop.text) ? r->hosts[r->at_host - 1].name
						: r->hop.host;
}

/* Whether a name that does not exist will exist soon: one that an operator
 * wrote, or of a container that is being made. */
static bool
may_come_back(const struct route *r)
{
	return r->via.is_exact || str_chr(r->via.host, '.') < 0 ||
	       str_iends(r->via.host, S(".local"));
}

static bool
is_ipv6(const struct dns_host *address)
{
	return str_chr(address->address, ':') >= 0;
}

static bool
has_protocol(const struct route *r, bool wants_ipv6)
{
	struct str list = r->smtp->inet_protocols;

	return list.n == 0 || has_item(list, S("all")) ||
	       has_item(list, wants_ipv6 ? S("ipv6") : S("ipv4"));
}

/* Those of inet_protocols, the preferred family first; with no preference they
 * take turns, so that a family that leads nowhere costs one try. */
static void
order_addresses(struct route *r)
{
	struct dns_host sorted[2][DNS_MAX_ADDRESSES];
	size_t n[2] = { 0, 0 }, at[2] = { 0, 0 }, n_all = 0;
	bool wants_turns = true, is_6;

	for (size_t i = 0; i < r->n_addresses; i++) {
		is_6 = is_ipv6(&r->addresses[i]);
		if (has_protocol(r, is_6))
			sorted[is_6][n[is_6]++] = r->addresses[i];
	}
	is_6 = n[0] == 0 || str_ieq(r->smtp->address_preference, S("ipv6"));
	if (is_6 || str_ieq(r->smtp->address_preference, S("ipv4")))
		wants_turns = false;
	while (at[0] < n[0] || at[1] < n[1]) {
		if (at[is_6] == n[is_6])
			is_6 = !is_6;
		r->addresses[n_all++] = sorted[is_6][at[is_6]++];
		if (wants_turns)
			is_6 = !is_6;
	}
	if (n_all == 0 && r->n_addresses > 0)
		note(r, 0, "4.4.4", r->hop.host,
		     "has no address that inet_protocols allows");
	r->n_addresses = n_all;
}

/* An exchange with an address of ours is us under another name. */
static void
check_addresses(struct route *r)
{
	order_addresses(r);
	if (!r->is_mx || (r->via.port != 0 && r->via.port != SMTP_PORT))
		return; // another port is another server
	for (size_t i = 0; i < r->n_addresses; i++) {
		if (!is_own_address(r, r->addresses[i].address))
			continue;
		cut_at_host(r, r->at_host - 1);
		r->n_addresses = 0;
	}
}

static void
take_host(struct co *co, struct route *r, const struct dns_host *host)
{
	union address_any any;
	socklen_t n;

	r->n_addresses = r->at_address = 0;
	if (address_from_host(host->name, 0, &any, &n) == OK) {
		r->addresses[0] =
			(struct dns_host) { host->name, host->name, 0 };
		r->n_addresses = 1;
		return;
	}
	switch (ask(co, r, DNS_ADDRESSES, host->name, r->addresses,
		    &r->n_addresses)) {
	case DNS_OK:
		check_addresses(r);
		return;
	case DNS_NONE:
	case DNS_NULL_MX:
		if (may_come_back(r) || !str_eq(host->name, r->via.host))
			note(r, 0, "4.4.4", host->name, "has no address");
		else
			note(r, 550, "5.4.4", host->name, "does not exist");
		return;
	case DNS_TEMPORARY:
	case DNS_RESULTS:
		note(r, 0, "4.4.3", host->name,
		     "is a name that no name server answers for now");
	}
}

static struct target
target_of(const struct route *r)
{
	return (struct target) {
		.name = r->via.unix_path,
		.unix_path = r->via.unix_path,
		.port = r->via.port ? r->via.port : r->default_port,
		.hop = r->hop,
		.n_hop = r->n_hops - 1,
		.is_fallback = r->is_fallback,
	};
}

/* False when the next hop has no further address, or has had enough tries. */
static bool
next_address(struct route *r, struct target *out)
{
	uint64_t limit = r->smtp->mx_address_limit;

	if (r->at_address == r->n_addresses)
		return false;
	if (limit > 0 && r->n_tried == limit) {
		r->at_address = r->n_addresses;
		r->at_host = r->n_hosts;
		return false;
	}
	*out = target_of(r);
	out->name = name_of_host(r);
	out->address = r->addresses[r->at_address++].address;
	r->n_tried++;
	return true;
}

void
route_fall_back(struct route *r)
{
	if (r->is_fallback)
		return;
	r->at_address = r->n_addresses;
	r->at_host = r->n_hosts;
	r->list = STR_NONE;
}

/* Who cannot be reached for good is tried at the fallback relays, too. */
static bool
next_element(struct route *r, struct str *out)
{
	if (nexthop_next(&r->list, out))
		return true;
	if (r->is_fallback || r->fallbacks.n == 0)
		return false;
	r->is_fallback = true;
	r->list = r->fallbacks;
	r->default_port = SMTP_PORT;
	return nexthop_next(&r->list, out);
}

bool
route_next(struct co *co, struct route *r, struct target *out)
{
	struct str element;

	for (;;) {
		if (next_address(r, out))
			return true;
		if (r->at_host < r->n_hosts) {
			take_host(co, r, &r->hosts[r->at_host++]);
			continue;
		}
		if (!next_element(r, &element)) {
			if (!r->why.is_set)
				note(r, 0, "4.3.5", S("the message"),
				     "has no next hop");
			return false;
		}
		take_hop(co, r, element);
		if (r->via.unix_path.n > 0) {
			*out = target_of(r);
			return true;
		}
	}
}
