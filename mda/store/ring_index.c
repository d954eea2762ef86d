/* SPDX-License-Identifier: MIT
 * mda/store/ring_index.c - see ring_index.h. */
#include "mda/store/ring_index.h"

#include "lib/base/check.h"
#include "lib/base/map.h"

#include <stdlib.h>

enum {
	FILTER_OCTETS = 32 * 1024,
	FILTER_BITS = FILTER_OCTETS * 8,
	PROBES = 8,
	HALF_BITS = 32, // of a hash: two make all probes (Kirsch, Mitzenmacher)
};

void
ring_index_clear(struct ring_index *x)
{
	for (size_t i = 0; i < RING_PARTS_MAX; i++)
		free(x->filters[i]);
	*x = (struct ring_index) { .octets = 0 };
}

static uint32_t
probe(uint64_t hash, uint32_t i)
{
	uint32_t step = (uint32_t)(hash >> HALF_BITS) | 1;

	return ((uint32_t)hash + i * step) % FILTER_BITS;
}

void
ring_index_add(struct ring_index *x, uint64_t at, struct str key)
{
	uint64_t part = at / RING_PART_OCTETS, hash = hash_bytes(key);

	if (part >= RING_PARTS_MAX)
		return;
	if (x->filters[part] == NULL)
		x->filters[part] = must_alloc(FILTER_OCTETS);
	for (uint32_t i = 0; i < PROBES; i++) {
		uint32_t bit = probe(hash, i);

		x->filters[part][bit / 8] |= (uint8_t)(1 << bit % 8);
	}
}

bool
ring_index_may_have(const struct ring_index *x, size_t part, struct str key)
{
	uint64_t hash = hash_bytes(key);

	if (part >= RING_PARTS_MAX || x->filters[part] == NULL)
		return false;
	for (uint32_t i = 0; i < PROBES; i++) {
		uint32_t bit = probe(hash, i);

		if (!(x->filters[part][bit / 8] & 1 << bit % 8))
			return false;
	}
	return true;
}
