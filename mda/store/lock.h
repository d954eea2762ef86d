/* SPDX-License-Identifier: MIT
 * mda/store/lock.h - one coroutine at a time. */
#pragma once

#include "lib/rt/co.h"

struct lock {
	bool is_held;
	struct gate gate;
};

void lock_init(struct lock *l);
/* OK, ERR_TIMEOUT or ERR_CANCELED. */
enum err lock_take(struct co *co, struct lock *l, int64_t deadline_us) MUST_USE;
void lock_give(struct lock *l);
