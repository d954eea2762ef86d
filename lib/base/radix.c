/* SPDX-License-Identifier: MIT
 * lib/base/radix.c - radix sort, least octet first. */
#include "lib/base/radix.h"

#include "lib/base/check.h"

#include <stdlib.h>
#include <string.h>

enum {
	OCTETS = sizeof(uint64_t),
	OCTET_BITS = 8,
	OCTET_VALUES = 1 << OCTET_BITS,
};

static size_t
octet_of(uint64_t key, int octet)
{
	return (key >> (octet * OCTET_BITS)) & (OCTET_VALUES - 1);
}

static void
sort_by_octet(const struct radix_item *from, struct radix_item *to, size_t n,
	      int octet)
{
	size_t at[OCTET_VALUES] = { 0 };
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		at[octet_of(from[i].key, octet)]++;
	for (int v = 0; v < OCTET_VALUES; v++) {
		size_t count = at[v];

		at[v] = sum;
		sum += count;
	}
	for (size_t i = 0; i < n; i++)
		to[at[octet_of(from[i].key, octet)]++] = from[i];
}

void
radix_sort(struct radix_item *items, size_t n)
{
	struct radix_item *from = items, *to, *spare;
	uint64_t differs = 0;

	for (size_t i = 1; i < n; i++)
		differs |= items[i].key ^ items[0].key;
	if (differs == 0)
		return;
	to = spare = must_alloc(n * sizeof(*spare));
	for (int octet = 0; octet < OCTETS; octet++) {
		struct radix_item *now = from;

		if (octet_of(differs, octet) == 0)
			continue;
		sort_by_octet(from, to, n, octet);
		from = to;
		to = now;
	}
	if (from != items)
		memcpy(items, from, n * sizeof(*items));
	free(spare);
}

uint64_t
radix_key(int64_t number)
{
	return (uint64_t)number ^ (UINT64_C(1) << 63);
}
