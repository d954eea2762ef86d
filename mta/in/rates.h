/* SPDX-License-Identifier: MIT
 * mta/in/rates.h - how often one client, or one user, did what, as Postfix's
 * anvil(8) counts: in windows of a unit of time that begin with the first
 * event.
 *
 * Bounded: at most RATES_MAX keys, of which those that were silent longest and
 * have no open connection are forgotten. A key is at most RATES_KEY_OCTETS;
 * what is longer is cut. Each copy of the process counts for itself. */
#pragma once

#include "lib/base/map.h"

#include <sys/queue.h>

enum { RATES_MAX = 50000, RATES_KEY_OCTETS = 72 };

enum rate {
	RATE_CONNECTIONS,
	RATE_MESSAGES,
	RATE_RECIPIENTS,
	RATE_AUTHS,
	RATE_KINDS,
};

struct rate_entry {
	TAILQ_ENTRY(rate_entry) link;
	char key[RATES_KEY_OCTETS];
	size_t n_key;
	unsigned n_open; // connections
	uint32_t counts[RATE_KINDS];
	int64_t since_us;
	/* It waited for the greeting, and was on no list: until when that is
	 * believed (screen.c). */
	int64_t quiet_until_us, unlisted_until_us;
};

struct rates {
	struct map by_key;
	TAILQ_HEAD(, rate_entry) silent_first;
};

void rates_init(struct rates *r);
void rates_release(struct rates *r);
/* Counts one event; the result is how many there are in this window, this one
 * included. */
uint32_t rates_count(struct rates *r, struct str key, enum rate rate,
		     int64_t now_us, int64_t unit_us);
/* A connection opens; the entry stays until rates_leave(). */
struct rate_entry *rates_enter(struct rates *r, struct str key, int64_t now_us);
void rates_leave(struct rate_entry *entry);

/* The key of a client: an IPv4 address, or the /64 of an IPv6 address, which is
 * what one customer has. Anything else is its own key. */
struct str rates_client_key(struct str address, char to[RATES_KEY_OCTETS]);
