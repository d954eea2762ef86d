/* SPDX-License-Identifier: MIT
 * mda/store/ring_index.h - in which parts of a file of the ring a record may
 * be: a Bloom filter for each MiB. Pure, in memory alone, 32 KiB a MiB.
 *
 * What was added is always found. Of what was not, a part with the usual 12,000
 * records says "perhaps" once in 10,000 times; with the most that fit, once in
 * 100. The hash is keyed (map.h), so nobody can choose names that collide. */
#pragma once

#include "lib/base/str.h"

enum {
	RING_PART_OCTETS = 1 << 20,
	RING_PARTS_MAX = 256, // what lies behind them is in no index
};

/* {0} is an empty one. */
struct ring_index {
	uint64_t octets; // of the file that are in it; the caller's
	uint8_t *filters[RING_PARTS_MAX]; // NULL: nothing was added
};

void ring_index_clear(struct ring_index *x);
/* A record that begins at that offset. */
void ring_index_add(struct ring_index *x, uint64_t at, struct str key);
/* May the part have it? */
bool
ring_index_may_have(const struct ring_index *x, size_t part, struct str key);
