/* SPDX-License-Identifier: MIT
 * mda/store/lock.c - one coroutine at a time. */
#include "mda/store/lock.h"

#include "lib/base/check.h"

void
lock_init(struct lock *l)
{
	l->is_held = false;
	gate_init(&l->gate);
}

enum err
lock_take(struct co *co, struct lock *l, int64_t deadline_us)
{
	while (l->is_held) {
		enum err e = gate_wait(co, &l->gate, deadline_us);

		if (e != OK)
			return e;
	}
	l->is_held = true;
	return OK;
}

void
lock_give(struct lock *l)
{
	check(l->is_held);
	l->is_held = false;
	gate_wake_one(&l->gate);
}
