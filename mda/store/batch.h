/* SPDX-License-Identifier: MIT
 * mda/store/batch.h - many renames, links or removals as one job of the pool.
 */
#pragma once

#include "lib/rt/fs.h"

enum step_kind { STEP_RENAME, STEP_LINK, STEP_UNLINK };

struct step {
	enum step_kind kind;
	int from_dir, to_dir;
	char *from, *to; // own memory; to is NULL for UNLINK
	enum err e;	 // after batch_run()
};

struct batch {
	struct step *steps;
	size_t n, cap;
};

#define BATCH_INIT         \
	{                  \
		NULL, 0, 0 \
	}

void batch_add(struct batch *b, enum step_kind kind, int from_dir,
	       const char *from, int to_dir, const char *to);
/* Runs all steps, whatever becomes of each. */
void batch_run(struct co *co, struct batch *b);
void batch_release(struct batch *b);
