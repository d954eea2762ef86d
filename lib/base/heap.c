/* SPDX-License-Identifier: MIT
 * lib/base/heap.c - binary heap. */
#include "lib/base/heap.h"

#include "lib/base/check.h"

#include <stdlib.h>

enum { FIRST_CAP = 64 };

void
heap_release(struct heap *h)
{
	free(h->nodes);
	*h = (struct heap)HEAP_INIT;
}

static void
place(struct heap *h, size_t i, struct heap_node *node)
{
	h->nodes[i] = node;
	node->at = i + 1;
}

static void
sift_up(struct heap *h, size_t i, struct heap_node *node)
{
	while (i > 0 && h->nodes[(i - 1) / 2]->key > node->key) {
		place(h, i, h->nodes[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(h, i, node);
}

static void
sift_down(struct heap *h, size_t i, struct heap_node *node)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= h->n)
			break;
		if (child + 1 < h->n &&
		    h->nodes[child + 1]->key < h->nodes[child]->key)
			child++;
		if (h->nodes[child]->key >= node->key)
			break;
		place(h, i, h->nodes[child]);
		i = child;
	}
	place(h, i, node);
}

void
heap_insert(struct heap *h, struct heap_node *node, int64_t key)
{
	check(node->at == 0);
	if (h->n == h->cap) {
		h->cap = h->cap ? h->cap * 2 : FIRST_CAP;
		h->nodes = must_realloc(h->nodes, h->cap * sizeof(*h->nodes));
	}
	node->key = key;
	sift_up(h, h->n++, node);
}

void
heap_remove(struct heap *h, struct heap_node *node)
{
	struct heap_node *last;
	size_t i = node->at;

	if (i-- == 0)
		return;
	check(i < h->n && h->nodes[i] == node);
	node->at = 0;
	last = h->nodes[--h->n];
	if (last == node)
		return;
	if (last->key < node->key)
		sift_up(h, i, last);
	else
		sift_down(h, i, last);
}

struct heap_node *
heap_first(const struct heap *h)
{
	return h->n ? h->nodes[0] : NULL;
}

bool
heap_has(const struct heap_node *node)
{
	return node->at != 0;
}
