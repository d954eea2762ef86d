/* SPDX-License-Identifier: MIT
 * mda/auth/delay.c - a bounded table of sources, least recent first. */
#include "mda/auth/delay.h"

#include "lib/base/check.h"

enum { CLIENT_MAX_OCTETS = 64 };

struct delay_source {
	TAILQ_ENTRY(delay_source) link;
	char client[CLIENT_MAX_OCTETS];
	size_t n_client;
	int64_t failed_us;
};

static void
drop(struct delays *d, struct delay_source *source)
{
	map_remove(&d->by_client, str_of(source->client, source->n_client));
	TAILQ_REMOVE(&d->longest_silent_first, source, link);
	free(source);
}

void
delays_init(struct delays *d)
{
	d->by_client = (struct map)MAP_INIT;
	TAILQ_INIT(&d->longest_silent_first);
}

void
delays_release(struct delays *d)
{
	while (!TAILQ_EMPTY(&d->longest_silent_first))
		drop(d, TAILQ_FIRST(&d->longest_silent_first));
	map_release(&d->by_client);
}

int64_t
delays_after_failure_ms(struct delays *d, struct str client, int64_t at_us)
{
	struct str key = str_first(client, CLIENT_MAX_OCTETS);
	struct delay_source *source = map_get(&d->by_client, key);
	bool is_repeated = source != NULL && at_us - source->failed_us <
						     DELAY_FORGET_S * 1000000ll;

	if (source == NULL) {
		if (d->by_client.n >= DELAY_MAX_SOURCES)
			drop(d, TAILQ_FIRST(&d->longest_silent_first));
		source = must_alloc(sizeof(*source));
		source->n_client = key.n;
		if (key.n > 0)
			memcpy(source->client, key.p, key.n);
		map_set(&d->by_client, str_of(source->client, key.n), source);
	} else {
		TAILQ_REMOVE(&d->longest_silent_first, source, link);
	}
	source->failed_us = at_us;
	TAILQ_INSERT_TAIL(&d->longest_silent_first, source, link);
	return is_repeated ? DELAY_REPEATED_MS : DELAY_FIRST_MS;
}
