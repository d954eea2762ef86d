/* SPDX-License-Identifier: MIT
 * mta/queue/repeat.h - which recipients other hosts of ours gave us lately, so
 * that what comes again is not delivered again (doc/design/xid.md).
 *
 * Remembered are the last REPEAT_FILE_RECORDS recipients at least, twice as
 * many at most, through kills and power cuts. */
#pragma once

#include "lib/ipc/queue.h"
#include "lib/ipc/envelope.h"
#include "lib/rt/co.h"

enum {
	REPEAT_FILE_RECORDS = 1 << 18,
	REPEAT_DIGEST_OCTETS = 16,
};

/* Who sent which transaction: client address, its name, its XID. */
struct repeat_digest {
	char octets[REPEAT_DIGEST_OCTETS];
};

struct repeat {
	char id[QUEUE_ID_OCTETS + 1]; // what it was queued as
	bool is_marked;		      // it came as a repeat itself
};

struct repeats;

/* Reads what there is in the directory; makes no file before the first add.
 * Blocks: for start only. Without files (logged) nothing is recognised. */
struct repeats *repeats_open(const char *dir);
/* The envelope must have an XID. */
void repeats_digest(const struct envelope *e, struct repeat_digest *out);
bool repeats_find(const struct repeats *r, const struct repeat_digest *digest,
		  uint32_t index, struct repeat *out);
/* Durable after repeats_sync(); until then the spool has the message. */
void repeats_add(struct repeats *r, const struct repeat_digest *digest,
		 uint32_t index, const struct repeat *what);
/* Adds all recipients of a message, so that a later transaction that is this
 * one again finds them. No effect without an XID, or where r is NULL. */
void
repeats_remember(struct repeats *r, const char *id, const struct envelope *e);
/* All that was added before the call is durable, or given up with a log line.
 */
void repeats_sync(struct co *co, struct repeats *r);

/* A transaction that is being committed; one at a time for each digest. */
struct repeat_claim {
	struct repeat_digest digest;
	struct gate over;
	bool is_held;
};
/* Waits for another with the same digest. */
enum err repeats_claim(struct co *co, struct repeats *r, struct repeat_claim *c,
		       int64_t deadline_us) MUST_USE;
/* Fine without a claim. */
void repeats_release(struct repeats *r, struct repeat_claim *c);
