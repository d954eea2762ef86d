/* SPDX-License-Identifier: MIT
 * mda/store/lanes.c - see lanes.h. */
#include "mda/store/lanes.h"

static void
lane_main(struct co *co, void *arg)
{
	struct lanes *lanes = arg;

	lanes->work(co, lanes->arg);
	lanes->n_running--;
	co_wake(lanes->owner);
}

void
lanes_begin(struct lanes *lanes, struct co *owner, unsigned n, lane_fn *work,
	    void *arg, const char *name)
{
	*lanes = (struct lanes) { .owner = owner, .work = work, .arg = arg };
	while (lanes->n_running < n && co_spawn(lane_main, lanes, name) != NULL)
		lanes->n_running++;
}

void
lanes_wait(struct co *co, struct lanes *lanes)
{
	while (lanes->n_running > 0)
		co_park(co);
}
