/* SPDX-License-Identifier: MIT
 * lib/base/arena.c - block allocator behind arena.h. */
#include "lib/base/arena.h"

#include "lib/base/check.h"

#include <stdalign.h>

enum {
	FIRST_BLOCK_OCTETS = 1024 - 32, // most have no other
	BLOCK_SIZE_OCTETS = 4096 - 32,
};

struct arena_block {
	struct arena_block *next;
	size_t size;
	alignas(max_align_t) char bytes[];
};

void
arena_init(struct arena *a, size_t max_octets)
{
	*a = (struct arena)ARENA_INIT(max_octets);
}

static void
free_blocks(struct arena_block *b)
{
	while (b != NULL) {
		struct arena_block *next = b->next;

		free(b);
		b = next;
	}
}

void
arena_release(struct arena *a)
{
	free_blocks(a->blocks);
	arena_init(a, a->max);
}

void
arena_clear(struct arena *a)
{
	struct arena_block *b = a->blocks;

	if (b == NULL)
		return;
	free_blocks(b->next);
	b->next = NULL;
	memset(b->bytes, 0, b->size);
	a->at = b->bytes;
	a->end = b->bytes + b->size;
	a->used = b->size;
}

static bool
add_block(struct arena *a, size_t size)
{
	size_t usual = a->blocks ? BLOCK_SIZE_OCTETS : FIRST_BLOCK_OCTETS;
	struct arena_block *b;

	if (size < usual)
		size = usual;
	if (size > a->max - a->used)
		size = a->max - a->used;
	b = must_alloc(sizeof(*b) + size);
	b->size = size;
	b->next = a->blocks;
	a->blocks = b;
	a->at = b->bytes;
	a->end = b->bytes + size;
	a->used += size;
	return true;
}

void *
arena_alloc(struct arena *a, size_t size_octets)
{
	size_t align = alignof(max_align_t);
	size_t size;
	void *p;

	if (__builtin_add_overflow(size_octets, align - 1, &size))
		return NULL;
	size &= ~(align - 1);
	if (size == 0)
		size = align;
	if ((size_t)(a->end - a->at) < size) {
		if (size > a->max - a->used)
			return NULL;
		add_block(a, size);
	}
	p = a->at;
	a->at += size;
	return p;
}

void *
arena_array(struct arena *a, size_t n, size_t size_octets)
{
	size_t total;

	if (__builtin_mul_overflow(n, size_octets, &total))
		return NULL;
	return arena_alloc(a, total);
}

enum err
arena_str(struct arena *a, struct str s, struct str *out)
{
	char *p;

	if (s.n == SIZE_MAX)
		return ERR_LIMIT;
	p = arena_alloc(a, s.n + 1);
	if (p == NULL)
		return ERR_LIMIT;
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	*out = (struct str) { p, s.n };
	return OK;
}

enum err
arena_lower(struct arena *a, struct str s, struct str *out)
{
	char *p = arena_alloc(a, s.n + 1);

	if (p == NULL)
		return ERR_LIMIT;
	for (size_t i = 0; i < s.n; i++)
		p[i] = ascii_lower(s.p[i]);
	*out = (struct str) { p, s.n };
	return OK;
}

enum err
arena_join(struct arena *arena, struct str a, struct str b, struct str c,
	   struct str *out)
{
	char *p = arena_alloc(arena, a.n + b.n + c.n + 1);

	if (p == NULL)
		return ERR_LIMIT;
	if (a.n > 0)
		memcpy(p, a.p, a.n);
	if (b.n > 0)
		memcpy(p + a.n, b.p, b.n);
	if (c.n > 0)
		memcpy(p + a.n + b.n, c.p, c.n);
	*out = (struct str) { p, a.n + b.n + c.n };
	return OK;
}
