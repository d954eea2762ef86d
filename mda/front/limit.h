/* SPDX-License-Identifier: MIT
 * mda/front/limit.h - how many connections, in all and from one place.
 *
 * A place is an IPv4 address or an IPv6 /64, so that nobody has 2^64 of them.
 * Strangers (not logged in) are counted apart: they cost the same memory and
 * have shown nothing for it. */
#pragma once

#include "lib/base/map.h"

#include <sys/socket.h>

enum { LIMIT_KEY_OCTETS = 9 };

struct limit_place {
	char key[LIMIT_KEY_OCTETS];
	unsigned n, n_strangers;
};

struct limits {
	unsigned n, max, place_max, strangers_max;
	struct map places;
};

/* A place may have half of all, and strangers_max not logged in. */
void limits_init(struct limits *l, unsigned max, unsigned strangers_max);
/* Counts a stranger in; NULL when there are too many. The place lives until
 * the last of its connections left. */
struct limit_place *limits_enter(struct limits *l, const struct sockaddr *from);
/* One of the place's strangers has logged in. */
void limits_log_in(struct limit_place *place);
/* Counts out and leaves NULL; NULL is fine. */
void
limits_leave(struct limits *l, struct limit_place **place, bool is_stranger);
