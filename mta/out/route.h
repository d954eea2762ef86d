/* SPDX-License-Identifier: MIT
 * mta/out/route.h - the addresses that a next hop stands for, in the order to
 * try them (RFC 5321 5.1, RFC 7505). */
#pragma once

#include "lib/base/arena.h"
#include "lib/ipc/out.h"
#include "lib/ipc/router.h"
#include "lib/mail/nexthop.h"
#include "lib/rt/role.h"
#include "mta/out/outcome.h"

enum { ROUTE_ARENA_MAX_OCTETS = 64 * 1024 };

struct target {
	struct str name;    // of the host, as asked for
	struct str address; // numeric; empty: unix_path
	struct str unix_path;
	uint16_t port;
	struct nexthop hop; // the element that it comes from
	size_t n_hop;	    // its place in the list
	bool is_fallback;   // of smtp_fallback_relay
};

struct route {
	/* Why there is no target, when route_next() gave none at all. */
	struct outcome why;

	/* Private. */
	struct arena arena;
	struct peer *dns;
	const struct router_smtp *smtp;
	struct str connect_map, hostname;
	struct str list;      // next hops not yet looked at
	struct str fallbacks; // and those for when all of them fail
	bool is_fallback, is_mx;
	uint16_t default_port;
	struct nexthop hop, via; // as written; by the connect map
	size_t n_hops;
	struct dns_host hosts[DNS_MAX_ADDRESSES];
	size_t n_hosts, at_host;
	struct dns_host addresses[DNS_MAX_ADDRESSES];
	size_t n_addresses, at_address;
	uint64_t n_tried; // addresses of this next hop
};

/* Notes this host's addresses, which no exchange may have: before the role is
 * confined. */
void route_setup(void);
/* Strings of job and smtp are borrowed until route_release(). */
void route_init(struct route *r, const struct out_job *job,
		const struct router_smtp *smtp, struct peer *dns,
		struct str connect_map);
/* What is left is not tried, but the fallback relays are. */
void route_fall_back(struct route *r);
void route_release(struct route *r);
/* Asks the dns role where needed; false when there is no further target. */
bool route_next(struct co *co, struct route *r, struct target *out);
