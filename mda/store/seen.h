/* SPDX-License-Identifier: MIT
 * mda/store/seen.h - which Message-IDs users got lately, where the operator
 * wants each once (duplicate_suppression_time).
 *
 * Two files in the root, .estafeta.seen.<copy> and the same with ".old", of at
 * most SEEN_RECORDS records each:
 *
 *   the first half of SHA-256 over user and Message-ID  16 octets
 *   seconds since 1970 (lib/ipc/wire.h)                  4
 *   CRC-32C of the 20 before                             4
 *
 * A record is appended once the mail is durable, and not flushed: after a crash
 * a duplicate may come, and no mail is lost. In memory it is two tables of
 * 3 MiB, from the first question on. */
#pragma once

#include "lib/base/str.h"

enum { SEEN_RECORDS = 65536, SEEN_KEY_OCTETS = 16 };

struct seen;

struct seen_key {
	uint8_t octets[SEEN_KEY_OCTETS];
};

struct seen_key seen_key_of(struct str user, struct str message_id);
/* Reads the files, which blocks for some milliseconds. Never fails: without
 * files it remembers as long as the process lives (logged). */
struct seen *seen_open(int root_fd, unsigned copy);
/* NULL is fine. */
void seen_close(struct seen **seen);
/* Was it there within so many seconds before now? */
bool seen_has(const struct seen *seen, const struct seen_key *key,
	      int64_t now_s, uint32_t within_s);
void seen_add(struct seen *seen, const struct seen_key *key, int64_t now_s);
