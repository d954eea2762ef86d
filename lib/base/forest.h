/* SPDX-License-Identifier: MIT
 * lib/base/forest.h - a forest that changes: who is the root of whom?
 *
 * Nodes are numbers from 0. Each operation is O(log n) on average over many,
 * whatever the shape of the trees (link-cut trees: the paths to the roots are
 * kept in splay trees by depth). Nothing recurses. */
#pragma once

#include "lib/base/str.h"

#define FOREST_NONE UINT32_MAX

struct forest_node {
	uint32_t left, right, up; // of the splay trees
	uint32_t parent;	  // of the forest, or FOREST_NONE
};

struct forest {
	struct forest_node *nodes; // owned
	size_t n;
};

/* n roots. */
void forest_init(struct forest *f, size_t n);
void forest_release(struct forest *f);
/* Hangs a root under a node of another tree; false, and nothing is done, when
 * that node is below it. */
bool forest_link(struct forest *f, uint32_t root, uint32_t parent);
/* Makes the node a root. */
void forest_cut(struct forest *f, uint32_t node);
