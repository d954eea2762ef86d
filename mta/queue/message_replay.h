/* SPDX-License-Identifier: MIT
 * mta/queue/message_replay.h - the table of messages made again at start, from
 * the records of the spool (doc/design/spool.md). Blocks; never waits. */
#pragma once

#include "mta/queue/message_table.h"

/* Replays one record of the scan into the table. is_whole: its checksum was
 * right. */
void
message_replay(struct message_table *t, enum record_type type, struct str body,
	       bool is_whole, uint64_t segment, uint64_t offset);
/* Messages with nothing left to do after the scan. */
void message_replay_end(struct message_table *t);
