/* SPDX-License-Identifier: MIT
 * ctl/listing.h - the queue as postqueue -p and -j print it. Pure, but for the
 * local time zone.
 *
 * The classic form: a header, then each message followed by an empty line, then
 * the total; the programs that people feed it to know its columns by heart.
 * Control bytes and what is not UTF-8 are shown as '?'. */
#pragma once

#include "lib/ipc/queue.h"

struct listing {
	uint64_t n_messages, n_octets;
};

/* One message, and the header before the first. ERR_LIMIT: out is full, and
 * holds a part. */
enum err listing_add(struct listing *l, struct buf *out,
		     const struct queue_entry *entry) MUST_USE;
/* The last line. */
void listing_put_total(const struct listing *l, struct buf *out);
/* One message as one line of JSON. */
enum err
listing_add_json(struct buf *out, const struct queue_entry *entry) MUST_USE;
