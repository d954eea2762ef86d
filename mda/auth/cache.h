/* SPDX-License-Identifier: MIT
 * mda/auth/cache.h - passwords that were verified a short time ago.
 *
 * An entry is the HMAC-SHA256 of user, password and the account's hash under a
 * key that lives and dies with the process: nothing in it can be turned back
 * into a password, and a changed line of accounts.cf no longer finds it. It
 * lives CACHE_LIFE_S from the verification, however often it is used. */
#pragma once

#include "lib/base/map.h"

#include <sys/queue.h>

enum {
	CACHE_KEY_OCTETS = 32,
	CACHE_LIFE_S = 300,
	CACHE_MAX_ENTRIES = 20000, // the oldest leaves
};

struct cache_entry;

struct cache {
	uint8_t key[CACHE_KEY_OCTETS];
	struct map by_tag;
	TAILQ_HEAD(, cache_entry) oldest_first;
};

struct cache_tag {
	uint8_t bytes[32];
};

/* key: random bytes. */
void cache_init(struct cache *c, const uint8_t key[CACHE_KEY_OCTETS]);
void cache_release(struct cache *c);

/* user is the folded login, hash the account's as it is now. */
void cache_make_tag(const struct cache *c, struct str user, struct str password,
		    struct str hash, struct cache_tag *out);
bool cache_has(struct cache *c, const struct cache_tag *tag, int64_t at_us);
void cache_add(struct cache *c, const struct cache_tag *tag, int64_t at_us);
