/* SPDX-License-Identifier: MIT
 * mda/auth/cache.c - a set of tags, in the order in which they expire. */
#include "mda/auth/cache.h"

#include "lib/base/buf.h"
#include "lib/base/check.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

enum { TEXT_MAX_OCTETS = 4096 };

struct cache_entry {
	TAILQ_ENTRY(cache_entry) link;
	struct cache_tag tag;
	int64_t until_us;
};

static struct str
key_of(const struct cache_tag *tag)
{
	return str_of(tag->bytes, sizeof(tag->bytes));
}

static void
drop(struct cache *c, struct cache_entry *entry)
{
	map_remove(&c->by_tag, key_of(&entry->tag));
	TAILQ_REMOVE(&c->oldest_first, entry, link);
	free(entry);
}

static void
drop_expired(struct cache *c, int64_t at_us)
{
	struct cache_entry *first;

	while ((first = TAILQ_FIRST(&c->oldest_first)) != NULL &&
	       first->until_us <= at_us)
		drop(c, first);
}

void
cache_init(struct cache *c, const uint8_t key[CACHE_KEY_OCTETS])
{
	memcpy(c->key, key, CACHE_KEY_OCTETS);
	c->by_tag = (struct map)MAP_INIT;
	TAILQ_INIT(&c->oldest_first);
}

void
cache_release(struct cache *c)
{
	drop_expired(c, INT64_MAX);
	map_release(&c->by_tag);
	explicit_bzero(c->key, sizeof(c->key));
}

void
cache_make_tag(const struct cache *c, struct str user, struct str password,
	       struct str hash, struct cache_tag *out)
{
	struct buf text = BUF_INIT(TEXT_MAX_OCTETS + hash.n);

	/* Lengths in front: no two triples give the same text. */
	buf_putf(&text, "%zu,%zu,", user.n, password.n);
	buf_put(&text, user);
	buf_put(&text, password);
	buf_put(&text, hash);
	check(HMAC(EVP_sha256(), c->key, CACHE_KEY_OCTETS,
		   (const unsigned char *)text.p, text.n, out->bytes,
		   NULL) != NULL);
	buf_wipe(&text);
}

bool
cache_has(struct cache *c, const struct cache_tag *tag, int64_t at_us)
{
	drop_expired(c, at_us);
	return map_get(&c->by_tag, key_of(tag)) != NULL;
}

void
cache_add(struct cache *c, const struct cache_tag *tag, int64_t at_us)
{
	struct cache_entry *entry = map_get(&c->by_tag, key_of(tag));

	if (entry != NULL)
		drop(c, entry);
	if (c->by_tag.n >= CACHE_MAX_ENTRIES)
		drop(c, TAILQ_FIRST(&c->oldest_first));
	entry = must_alloc(sizeof(*entry));
	entry->tag = *tag;
	entry->until_us = at_us + CACHE_LIFE_S * 1000000ll;
	map_set(&c->by_tag, key_of(&entry->tag), entry);
	TAILQ_INSERT_TAIL(&c->oldest_first, entry, link);
}
