/* SPDX-License-Identifier: MIT
 * mta/in/rates.c - a bounded table of counters. */
#include "mta/in/rates.h"

#include "lib/base/check.h"
#include "lib/mail/cidr.h"

#include <stdio.h>

enum { V6_NETWORK_OCTETS = 8 };

void
rates_init(struct rates *r)
{
	r->by_key = (struct map)MAP_INIT;
	TAILQ_INIT(&r->silent_first);
}

static void
drop(struct rates *r, struct rate_entry *entry)
{
	map_remove(&r->by_key, str_of(entry->key, entry->n_key));
	TAILQ_REMOVE(&r->silent_first, entry, link);
	free(entry);
}

void
rates_release(struct rates *r)
{
	while (!TAILQ_EMPTY(&r->silent_first))
		drop(r, TAILQ_FIRST(&r->silent_first));
	map_release(&r->by_key);
}

/* Connections are fewer than RATES_MAX, so some entry has none. */
static void
drop_one(struct rates *r)
{
	struct rate_entry *entry;

	TAILQ_FOREACH (entry, &r->silent_first, link)
		if (entry->n_open == 0) {
			drop(r, entry);
			return;
		}
}

static struct rate_entry *
find(struct rates *r, struct str key, int64_t now_us)
{
	struct rate_entry *entry;

	key = str_first(key, RATES_KEY_OCTETS);
	entry = map_get(&r->by_key, key);
	if (entry != NULL) {
		TAILQ_REMOVE(&r->silent_first, entry, link);
	} else {
		if (r->by_key.n >= RATES_MAX)
			drop_one(r);
		entry = must_alloc(sizeof(*entry));
		entry->n_key = key.n;
		if (key.n > 0)
			memcpy(entry->key, key.p, key.n);
		entry->since_us = now_us;
		map_set(&r->by_key, str_of(entry->key, key.n), entry);
	}
	TAILQ_INSERT_TAIL(&r->silent_first, entry, link);
	return entry;
}

uint32_t
rates_count(struct rates *r, struct str key, enum rate rate, int64_t now_us,
	    int64_t unit_us)
{
	struct rate_entry *entry = find(r, key, now_us);

	if (now_us - entry->since_us >= unit_us) {
		memset(entry->counts, 0, sizeof(entry->counts));
		entry->since_us = now_us;
	}
	if (entry->counts[rate] < UINT32_MAX)
		entry->counts[rate]++;
	return entry->counts[rate];
}

struct rate_entry *
rates_enter(struct rates *r, struct str key, int64_t now_us)
{
	struct rate_entry *entry = find(r, key, now_us);

	entry->n_open++;
	return entry;
}

void
rates_leave(struct rate_entry *entry)
{
	check(entry->n_open > 0);
	entry->n_open--;
}

struct str
rates_client_key(struct str address, char to[RATES_KEY_OCTETS])
{
	uint8_t octets[16];
	size_t n = 0;

	if (str_chr(address, ':') < 0 || !cidr_address(address, octets))
		return address;
	for (size_t i = 0; i < V6_NETWORK_OCTETS; i += 2)
		n += (size_t)snprintf(to + n, RATES_KEY_OCTETS - n,
				      "%x:", octets[i] << 8 | octets[i + 1]);
	n += (size_t)snprintf(to + n, RATES_KEY_OCTETS - n, ":/64");
	return str_of(to, n);
}
