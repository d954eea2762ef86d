/* SPDX-License-Identifier: MIT
 * lib/base/forest.c - link-cut trees without change of root. */
#include "lib/base/forest.h"

#include "lib/base/check.h"

#include <stdlib.h>

void
forest_init(struct forest *f, size_t n)
{
	f->n = n;
	f->nodes = must_alloc((n + 1) * sizeof(*f->nodes));
	for (size_t i = 0; i < n; i++)
		f->nodes[i] = (struct forest_node) { FOREST_NONE, FOREST_NONE,
						     FOREST_NONE, FOREST_NONE };
}

void
forest_release(struct forest *f)
{
	free(f->nodes);
	*f = (struct forest) { NULL, 0 };
}

/* The root of a splay tree points to where its path goes on, and is no child
 * there. */
static bool
is_top(const struct forest_node *t, uint32_t x)
{
	uint32_t up = t[x].up;

	return up == FOREST_NONE || (t[up].left != x && t[up].right != x);
}

static void
rotate(struct forest_node *t, uint32_t x)
{
	uint32_t p = t[x].up, g = t[p].up, moved;

	if (!is_top(t, p)) {
		if (t[g].left == p)
			t[g].left = x;
		else
			t[g].right = x;
	}
	if (t[p].left == x) {
		moved = t[p].left = t[x].right;
		t[x].right = p;
	} else {
		moved = t[p].right = t[x].left;
		t[x].left = p;
	}
	if (moved != FOREST_NONE)
		t[moved].up = p;
	t[p].up = x;
	t[x].up = g;
}

static void
splay(struct forest_node *t, uint32_t x)
{
	while (!is_top(t, x)) {
		uint32_t p = t[x].up, g = t[p].up;

		if (!is_top(t, p))
			rotate(t, (t[p].left == x) == (t[g].left == p) ? p : x);
		rotate(t, x);
	}
}

/* Afterwards the path from the root to x is one splay tree, and x its top. */
static void
expose(struct forest_node *t, uint32_t x)
{
	splay(t, x);
	t[x].right = FOREST_NONE;
	while (t[x].up != FOREST_NONE) {
		uint32_t above = t[x].up;

		splay(t, above);
		t[above].right = x;
		splay(t, x);
	}
}

static uint32_t
forest_root(struct forest *f, uint32_t node)
{
	struct forest_node *t = f->nodes;

	expose(t, node);
	while (t[node].left != FOREST_NONE)
		node = t[node].left;
	splay(t, node);
	return node;
}

bool
forest_link(struct forest *f, uint32_t root, uint32_t parent)
{
	check(f->nodes[root].parent == FOREST_NONE);
	if (forest_root(f, parent) == root)
		return false;
	expose(f->nodes, root);
	f->nodes[root].up = f->nodes[root].parent = parent;
	return true;
}

void
forest_cut(struct forest *f, uint32_t node)
{
	struct forest_node *t = f->nodes;

	if (t[node].parent == FOREST_NONE)
		return;
	expose(t, node);
	t[t[node].left].up = FOREST_NONE;
	t[node].left = t[node].parent = FOREST_NONE;
}
