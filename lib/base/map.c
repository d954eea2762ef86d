/* SPDX-License-Identifier: MIT
 * lib/base/map.c - open addressing with linear probing. */
#include "lib/base/map.h"

#include "lib/base/check.h"

enum { EMPTY = 0, REMOVED = 1, FIRST_REAL_HASH = 2, FIRST_CAP = 8 };

static uint64_t secret_k0, secret_k1;

void
hash_seed(const uint8_t secret[16])
{
	memcpy(&secret_k0, secret, 8);
	memcpy(&secret_k1, secret + 8, 8);
}

static uint64_t
rotate(uint64_t x, int by)
{
	return (x << by) | (x >> (64 - by));
}

static void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

uint64_t
hash_bytes(struct str s)
{
	uint64_t v[4] = {
		secret_k0 ^ 0x736f6d6570736575u,
		secret_k1 ^ 0x646f72616e646f6du,
		secret_k0 ^ 0x6c7967656e657261u,
		secret_k1 ^ 0x7465646279746573u,
	};
	uint64_t last = (uint64_t)s.n << 56, word;
	size_t i = 0;

	for (; i + 8 <= s.n; i += 8) {
		memcpy(&word, s.p + i, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	for (int shift = 0; i < s.n; i++, shift += 8)
		last |= (uint64_t)(unsigned char)s.p[i] << shift;
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int i_final = 0; i_final < 3; i_final++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t
slot_hash(struct str key)
{
	uint64_t h = hash_bytes(key);

	return h < FIRST_REAL_HASH ? h + FIRST_REAL_HASH : h;
}

void
map_release(struct map *m)
{
	free(m->slots);
	*m = (struct map)MAP_INIT;
}

static struct map_slot *
find(const struct map *m, struct str key, uint64_t h)
{
	if (m->cap == 0)
		return NULL;
	for (size_t i = h & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
		struct map_slot *slot = &m->slots[i];

		if (slot->hash == EMPTY)
			return NULL;
		if (slot->hash == h && str_eq(slot->key, key))
			return slot;
	}
}

void *
map_get(const struct map *m, struct str key)
{
	struct map_slot *slot = find(m, key, slot_hash(key));

	return slot ? slot->value : NULL;
}

static void
insert_new(struct map *m, struct str key, uint64_t h, void *value)
{
	size_t i = h & (m->cap - 1);

	while (m->slots[i].hash >= FIRST_REAL_HASH)
		i = (i + 1) & (m->cap - 1);
	if (m->slots[i].hash == EMPTY)
		m->n_used++;
	m->slots[i] = (struct map_slot) { h, key, value };
	m->n++;
}

/* At most three quarters used, so that a probe always meets an EMPTY. */
static void
make_room(struct map *m)
{
	struct map old = *m;

	if (m->cap > 0 && (m->n_used + 1) * 4 <= m->cap * 3)
		return;
	m->cap = old.cap == 0		? FIRST_CAP
		 : old.n * 2 >= old.cap ? old.cap * 2
					: old.cap;
	m->slots = must_alloc(m->cap * sizeof(*m->slots));
	m->n = m->n_used = 0;
	for (size_t i = 0; i < old.cap; i++)
		if (old.slots[i].hash >= FIRST_REAL_HASH)
			insert_new(m, old.slots[i].key, old.slots[i].hash,
				   old.slots[i].value);
	free(old.slots);
}

void *
map_set(struct map *m, struct str key, void *value)
{
	uint64_t h = slot_hash(key);
	struct map_slot *slot = find(m, key, h);

	check(value != NULL);
	if (slot != NULL) {
		void *before = slot->value;

		slot->key = key;
		slot->value = value;
		return before;
	}
	make_room(m);
	insert_new(m, key, h, value);
	return NULL;
}

void *
map_remove(struct map *m, struct str key)
{
	struct map_slot *slot = find(m, key, slot_hash(key));
	void *value;

	if (slot == NULL)
		return NULL;
	value = slot->value;
	*slot = (struct map_slot) { REMOVED, STR_NONE, NULL };
	m->n--;
	return value;
}

bool
map_next(const struct map *m, size_t *at, struct str *key_out, void **value_out)
{
	for (; *at < m->cap; (*at)++) {
		struct map_slot *slot = &m->slots[*at];

		if (slot->hash < FIRST_REAL_HASH)
			continue;
		*key_out = slot->key;
		*value_out = slot->value;
		(*at)++;
		return true;
	}
	return false;
}
