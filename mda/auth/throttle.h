/* SPDX-License-Identifier: MIT
 * mda/auth/throttle.h - who may still try a password, over all protocols.
 *
 * Counted are distinct wrong passwords (a program that repeats an old one is
 * not a guesser): per source and per login. A source is an IPv4 address or an
 * IPv6 /64. Each failure makes the next answers slower; too many of one source
 * or for one login block it for a while. Never blocked are:
 *  - a login from a source from which it succeeded before;
 *  - a source that is trusted (mynetworks), or from which several accounts log
 *    in: a webmail, an office. There only the login is counted.
 * Doc: doc/design/logins.md. Bounded in memory; lives with the process. */
#pragma once

#include "lib/base/map.h"

#include <sys/queue.h>

enum {
	THROTTLE_WINDOW_S = 900,
	THROTTLE_SOURCE_MAX = 20, // distinct wrong ones in a window
	THROTTLE_LOGIN_MAX = 20,  // so at most 80 guesses in an hour
	THROTTLE_BLOCK_S = 900,
	THROTTLE_MISTYPED = 3,	  // so many wait as the first does
	THROTTLE_DELAY_MS = 1000, // of the first failure; doubles up to
	THROTTLE_DELAY_MAX_MS = 4000,
	THROTTLE_RUNNING_MAX = 64, // of one source, those that wait as well
	THROTTLE_SHARED_LOGINS = 3,
	THROTTLE_MAX_TALLIES = 20000, // of sources, and of logins
	THROTTLE_MAX_KNOWN = 50000,
};

struct tally;
struct known_pair;

struct tallies {
	struct map by_key;
	TAILQ_HEAD(tally_list, tally) silent_first;
};

struct throttle {
	struct tallies sources, logins;
	struct map known; // "login NUL source"
	TAILQ_HEAD(known_list, known_pair) oldest_first;
};

struct throttle_try {
	struct str login;  // folded
	struct str source; // numeric address
	bool is_trusted;
};

void throttle_init(struct throttle *t);
void throttle_release(struct throttle *t);

/* Has this login succeeded from this source before? */
bool
throttle_is_known(const struct throttle *t, const struct throttle_try *try);
/* May a password be tried now? */
bool throttle_is_open(struct throttle *t, const struct throttle_try *try,
		      int64_t now_us);
/* A hash begins for this source; false: it has its share already. Each true one
 * is followed by one throttle_end(). */
bool throttle_begin(struct throttle *t, const struct throttle_try *try,
		    int64_t now_us);
void throttle_end(struct throttle *t, const struct throttle_try *try,
		  int64_t now_us);
/* Notes the outcome. tag stands for the wrong password (a keyed digest); the
 * result is how long to wait with the answer. */
int64_t throttle_wrong_ms(struct throttle *t, const struct throttle_try *try,
			  uint64_t tag, int64_t now_us);
void throttle_right(struct throttle *t, const struct throttle_try *try,
		    int64_t now_us);
