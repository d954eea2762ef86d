/* SPDX-License-Identifier: MIT
 * mta/queue/age.h - how old a message is, whatever the wall clock did. Pure.
 *
 * A clock that jumps ahead (a virtual machine that was restored, a wrong NTP
 * server, a board without a battery) must not make the whole queue expire at
 * once. What a jump adds is taken off the age of messages that came before it.
 * So is a time in which the host was off: it cannot be told from a jump, and
 * mail that nobody tried to deliver has not waited in vain. A note of it all
 * lives through restarts. Times in microseconds. */
#pragma once

#include "lib/base/buf.h"

#include <stdint.h>

enum {
	AGE_LOOK_US = 1000000,
	AGE_JUMP_US = 300 * 1000000, // less is what clocks do
	AGE_MAX_GAPS = 16,	     // more: the oldest become one
	AGE_BOOT_MAX_OCTETS = 40,
	AGE_NOTE_MAX_OCTETS = 512,
};

struct age_gap {
	int64_t at_us; // wall clock after it: who came before is meant
	int64_t us;    // how far it went ahead
};

struct age {
	int64_t base_us; // wall clock minus monotonic clock
	struct age_gap gaps[AGE_MAX_GAPS];
	size_t n_gaps; // in order of time
};

void age_init(struct age *a, int64_t wall_us, int64_t monotonic_us);
/* Goes on from the note of an earlier process; `boot` names this start of the
 * host (empty: unknown). Returns how far the clock has jumped meanwhile, or how
 * long the host was off, or 0. ERR_FORMAT, and `a` as after age_init(): it is
 * no whole note. */
enum err
age_resume(struct age *a, struct str note, struct str boot, int64_t wall_us,
	   int64_t monotonic_us, int64_t *moved_us_out) MUST_USE;
/* At most AGE_NOTE_MAX_OCTETS, always as many. */
void age_put_note(const struct age *a, struct str boot, int64_t wall_us,
		  struct buf *out);
/* Call every AGE_LOOK_US or so. Returns how far the clock has jumped since the
 * last look, ahead or back, or 0. */
int64_t age_look(struct age *a, int64_t wall_us, int64_t monotonic_us);
/* Never negative. */
int64_t age_of(const struct age *a, int64_t wall_us, int64_t arrived_us);
