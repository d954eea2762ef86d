/* SPDX-License-Identifier: MIT
 * mda/store/lanes.h - coroutines that work at one thing, so that as many
 * threads of the pool are busy with it as there are processors. */
#pragma once

#include "lib/rt/co.h"

/* Takes the next piece until there is none. What it works at must be shared
 * with care: it changes at each wait. */
typedef void lane_fn(struct co *co, void *arg);

struct lanes {
	struct co *owner; // woken at the end of each
	lane_fn *work;
	void *arg;
	unsigned n_running;
};

/* Begins n lanes, or as many as can be, which may be none; the caller may work
 * beside them, and must wait for them: they use lanes, work's arg and what
 * belongs to the owner. */
void lanes_begin(struct lanes *lanes, struct co *owner, unsigned n,
		 lane_fn *work, void *arg, const char *name);
/* Until all have ended, even if the owner is canceled. */
void lanes_wait(struct co *co, struct lanes *lanes);
