/* SPDX-License-Identifier: MIT
 * lib/base/map.h - hash table from a run of bytes to a pointer.
 *
 * Keys are borrowed: they must live as long as their entry. The hash is keyed
 * with a random secret of the process, so a stranger cannot choose collisions.
 * Lookup, insert and removal are O(1) on average. */
#pragma once

#include "lib/base/str.h"

struct map_slot {
	uint64_t hash; // 0: never used, 1: removed
	struct str key;
	void *value;
};

struct map {
	struct map_slot *slots;
	size_t cap;    // power of two, or 0
	size_t n;      // entries
	size_t n_used; // entries and removed ones
};

#define MAP_INIT              \
	{                     \
		NULL, 0, 0, 0 \
	}

void map_release(struct map *m);
/* NULL when absent. */
void *map_get(const struct map *m, struct str key);
/* Adds or replaces; returns the value that was there before, or NULL. The new
 * key replaces the old one as well. value must not be NULL (check). */
void *map_set(struct map *m, struct str key, void *value);
/* Removes; returns the value that was there, or NULL. */
void *map_remove(struct map *m, struct str key);
/* Walks: start with *at = 0; false at the end. Removing the entry just given is
 * allowed during the walk, adding is not. */
bool map_next(const struct map *m, size_t *at, struct str *key_out,
	      void **value_out);

/* The secret for all hashes; set once at start, before the first map. A test
 * that never calls it has an all-zero secret. */
void hash_seed(const uint8_t secret[16]);
/* SipHash-1-3 under the secret. */
uint64_t hash_bytes(struct str s);
