/* SPDX-License-Identifier: MIT
 * lib/base/heap.h - the element with the smallest key first; intrusive.
 *
 * The element embeds a struct heap_node; it belongs to the caller and must be
 * removed before it dies. Insert and remove are O(log n). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
	int64_t key;
	size_t at; // position + 1; 0: not in a heap
};

struct heap {
	struct heap_node **nodes;
	size_t n, cap;
};

#define HEAP_INIT          \
	{                  \
		NULL, 0, 0 \
	}

void heap_release(struct heap *h);
void heap_insert(struct heap *h, struct heap_node *node, int64_t key);
/* No effect when it is in no heap. */
void heap_remove(struct heap *h, struct heap_node *node);
/* NULL when empty. */
struct heap_node *heap_first(const struct heap *h);
bool heap_has(const struct heap_node *node);
