/* SPDX-License-Identifier: MIT
 * mta/queue/age.c - two clocks compared. */
#include "mta/queue/age.h"

enum { SLACK_US = 3 * AGE_LOOK_US }; // between a jump and the look that sees it

void
age_init(struct age *a, int64_t wall_us, int64_t monotonic_us)
{
	*a = (struct age) { .base_us = wall_us - monotonic_us };
}

int64_t
age_look(struct age *a, int64_t wall_us, int64_t monotonic_us)
{
	int64_t ahead_us = wall_us - monotonic_us - a->base_us;
	int64_t moved_us = ahead_us - a->jump_us;

	if (moved_us < AGE_JUMP_US && moved_us > -AGE_JUMP_US)
		return 0;
	/* Back to where it was: the jump is undone. Further back: messages get
	 * more time, which does no harm. */
	a->jump_us = ahead_us > 0 ? ahead_us : 0;
	a->jumped_at_us = wall_us - SLACK_US;
	if (ahead_us < 0)
		a->base_us += ahead_us;
	return moved_us;
}

int64_t
age_of(const struct age *a, int64_t wall_us, int64_t arrived_us)
{
	int64_t age_us = wall_us - arrived_us;

	if (a->jump_us > 0 && arrived_us < a->jumped_at_us)
		age_us -= a->jump_us;
	return age_us > 0 ? age_us : 0;
}
