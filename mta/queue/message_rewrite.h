/* SPDX-License-Identifier: MIT
 * mta/queue/message_rewrite.h - compaction of the spool, message by message. */
#pragma once

#include "mta/queue/message_table.h"

/* Copies a message to the end of the spool, durably. The caller has set
 * is_active. On an error it stays where it is. */
enum err message_rewrite(struct co *co, struct message_table *t,
			 struct queued *q) MUST_USE;
