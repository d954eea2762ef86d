/* SPDX-License-Identifier: MIT
 * mta/queue/age.h - how old a message is, whatever the wall clock did. Pure.
 *
 * A clock that jumps ahead (a virtual machine that was restored, a wrong NTP
 * server) must not make the whole queue expire at once. What a jump adds is
 * taken off the age of messages that came before it, for the life of the
 * process. Times in microseconds. */
#pragma once

#include <stdint.h>

struct age {
	int64_t base_us;      // wall clock minus monotonic clock
	int64_t jump_us;      // how far it is ahead of that
	int64_t jumped_at_us; // wall clock after the jump
};

void age_init(struct age *a, int64_t wall_us, int64_t monotonic_us);
/* Call every AGE_LOOK_US or so. Returns how far the clock has jumped since the
 * last look, ahead or back, or 0. */
int64_t age_look(struct age *a, int64_t wall_us, int64_t monotonic_us);
/* Never negative. */
int64_t age_of(const struct age *a, int64_t wall_us, int64_t arrived_us);

enum {
	AGE_LOOK_US = 1000000,
	AGE_JUMP_US = 300 * 1000000, // less is what clocks do
};
