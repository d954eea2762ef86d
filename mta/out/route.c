/* SPDX-License-Identifier: MIT
 * mta/out/route.c - next hops, then hosts, then addresses, each only when the
 * one before it has failed. */
#include "mta/out/route.h"

#include "lib/rt/stream.h"
#include "mta/out/connect_map.h"

enum {
	SMTP_PORT = 25,
	LMTP_PORT = 24,
	DNS_TIMEOUT_S = 30,
};

void
route_init(struct route *r, const struct out_job *job, struct peer *dns,
	   struct str connect_map)
{
	*r = (struct route) {
		.arena = ARENA_INIT(ROUTE_ARENA_MAX_OCTETS),
		.dns = dns,
		.connect_map = connect_map,
		.hostname = job->hostname,
		.list = job->next_hop,
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

/* RFC 5321 5.1: never to ourselves, nor to what is less preferred than we. */
static void
cut_at_ourselves(struct route *r)
{
	for (size_t i = 0; i < r->n_hosts; i++) {
		uint16_t ours = r->hosts[i].preference;

		if (!str_ieq(r->hosts[i].name, r->hostname))
			continue;
		while (i > 0 && r->hosts[i - 1].preference == ours)
			i--;
		r->n_hosts = i;
	}
	if (r->n_hosts == 0)
		note(r, 554, "5.4.6", r->hop.host,
		     "would loop back to this host");
}

static void
find_exchanges(struct co *co, struct route *r)
{
	switch (ask(co, r, DNS_EXCHANGES, r->via.host, r->hosts, &r->n_hosts)) {
	case DNS_OK:
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

	r->n_hosts = r->at_host = 0;
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

bool
route_next(struct co *co, struct route *r, struct target *out)
{
	struct str element;

	for (;;) {
		if (r->at_address < r->n_addresses) {
			const struct dns_host *a =
				&r->addresses[r->at_address++];

			*out = (struct target) {
				.name = name_of_host(r),
				.address = a->address,
				.port = r->via.port ? r->via.port
						    : r->default_port,
				.hop = r->hop,
				.n_hop = r->n_hops - 1,
			};
			return true;
		}
		if (r->at_host < r->n_hosts) {
			take_host(co, r, &r->hosts[r->at_host++]);
			continue;
		}
		if (!nexthop_next(&r->list, &element)) {
			if (!r->why.is_set)
				note(r, 0, "4.3.5", S("the message"),
				     "has no next hop");
			return false;
		}
		take_hop(co, r, element);
		if (r->via.unix_path.n > 0) {
			*out = (struct target) {
				.name = r->via.unix_path,
				.unix_path = r->via.unix_path,
				.hop = r->hop,
				.n_hop = r->n_hops - 1,
			};
			return true;
		}
	}
}
