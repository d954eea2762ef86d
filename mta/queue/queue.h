/* SPDX-License-Identifier: MIT
 * mta/queue/queue.h - the process that keeps accepted mail until it is
 * delivered. Design: doc/design/queue.md, doc/design/spool.md. */
#pragma once

#include "lib/rt/role.h"

/* Opens the spool, replays it, begins to deliver and to serve. */
void queue_start(struct role *role);
