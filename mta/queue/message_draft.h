/* SPDX-License-Identifier: MIT
 * mta/queue/message_draft.h - a message on its way into the queue: content that
 * `in` is handing over, or that is copied, then the record that makes it one.
 */
#pragma once

#include "mta/queue/message.h"

struct message_draft {
	struct buf content;	// until it is larger than MESSAGE_INLINE_OCTETS
	struct extent *extents; // of what is larger
	size_t n_extents, n_extents_cap;
	uint64_t size_octets;
};

struct message_draft *message_draft_new(void);
/* Releases what was not committed. NULL is fine. */
void message_draft_free(struct message_table *t, struct message_draft **d);
enum err message_draft_add(struct co *co, struct message_table *t,
			   struct message_draft *d, struct str chunk) MUST_USE;
/* Makes it durable and gives it an id; the draft is used up on success. The
 * message is awake and belongs to the table. */
enum err
message_commit(struct co *co, struct message_table *t, struct message_draft **d,
	       struct str envelope, struct message **out) MUST_USE;

/* For a copy of a message: a piece as it is. */
enum err
message_draft_add_piece(struct co *co, struct message_table *t,
			struct message_draft *d, struct str piece) MUST_USE;
/* After the record that names the pieces was written: ERR_IO when one of them
 * lies where nobody will find it. */
enum err message_draft_check(const struct message_table *t,
			     const struct message_draft *d) MUST_USE;
