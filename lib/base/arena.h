/* SPDX-License-Identifier: MIT
 * lib/base/arena.h - memory for things that die together.
 *
 * One arena per connection, transaction or command. Nothing in it is freed
 * alone. The maximum is the memory budget that hostile input meets. */
#pragma once

#include "lib/base/str.h"

struct arena_block;

struct arena {
	struct arena_block *blocks; // newest first
	char *at, *end;
	size_t used, max; // octets over all blocks
};

#define ARENA_INIT(max_octets)                    \
	{                                         \
		NULL, NULL, NULL, 0, (max_octets) \
	}

void arena_init(struct arena *a, size_t max_octets);
/* Frees all of it; the arena may be used again. */
void arena_release(struct arena *a);
/* Forgets all of it but keeps one block for reuse. */
void arena_clear(struct arena *a);

/* Zeroed memory, aligned for any type; NULL when max would be passed. */
void *arena_alloc(struct arena *a, size_t size_octets) MUST_USE;
/* An array of n elements; NULL on overflow or when max would be passed. */
void *arena_array(struct arena *a, size_t n, size_t size_octets) MUST_USE;
/* A copy of s that lives as long as the arena (with a NUL behind it, for
 * convenience); ERR_LIMIT when max would be passed. */
enum err arena_str(struct arena *a, struct str s, struct str *out) MUST_USE;
/* The same in lower case (A-Z alone). */
enum err arena_lower(struct arena *a, struct str s, struct str *out) MUST_USE;
/* a, b and c in one. */
enum err arena_join(struct arena *arena, struct str a, struct str b,
		    struct str c, struct str *out) MUST_USE;
