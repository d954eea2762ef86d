/* SPDX-License-Identifier: MIT
 * mta/out/dead.h - servers that could not be connected to a moment ago: others
 * of the same next hop are tried first. Pure. */
#pragma once

#include "lib/base/str.h"

enum {
	DEAD_SERVERS = 256, // the oldest is forgotten
	DEAD_S = 60,
};

void dead_add(struct str address, uint16_t port, int64_t now_us);
void dead_remove(struct str address, uint16_t port);
bool dead_has(struct str address, uint16_t port, int64_t now_us);
