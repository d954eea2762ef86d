/* SPDX-License-Identifier: MIT
 * mda/auth/delay.h - how long a failed login waits for its answer.
 *
 * Counted per source address, over all protocols. Only failures wait: a user
 * who shares an address with a guesser is served at once. */
#pragma once

#include "lib/base/map.h"

#include <sys/queue.h>

enum {
	DELAY_FIRST_MS = 1000,
	DELAY_REPEATED_MS = 2000,
	DELAY_FORGET_S = 60,	   // without a failure
	DELAY_MAX_SOURCES = 10000, // the one longest silent is forgotten
};

struct delay_source;

struct delays {
	struct map by_client;
	TAILQ_HEAD(, delay_source) longest_silent_first;
};

void delays_init(struct delays *d);
void delays_release(struct delays *d);
/* Notes a failure; the result is how long to wait with the answer. */
int64_t
delays_after_failure_ms(struct delays *d, struct str client, int64_t at_us);
