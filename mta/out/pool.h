/* SPDX-License-Identifier: MIT
 * mta/out/pool.h - sessions that wait a few seconds for the next message to
 * the same place. */
#pragma once

#include "mta/out/session.h"

enum {
	POOL_MAX_SESSIONS = 256, // the one idle longest is closed
};

void pool_init(void);
/* A session that was kept under this key, or NULL. The caller's again. */
struct session *pool_take(struct co *co, struct str key);
/* Takes over the session: keeps it if it can be used again, else closes it. */
void pool_give(struct co *co, struct str key, struct session **session);
