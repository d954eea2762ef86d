/* SPDX-License-Identifier: MIT
 * mta/queue/message_record.h - between what is known of a message in memory and
 * its records in the spool; for the files that make, read and copy messages. */
#pragma once

#include "mta/queue/message.h"

enum {
	/* The longest envelope, and as many recipients as there may be. */
	MESSAGE_MEMORY_OCTETS = 8 << 20,
	MESSAGE_MAX_RCPTS = ENVELOPE_MAX_RECIPIENTS,
	MESSAGE_STATUS_OCTETS = 32 << 20, // before reasons are left out
};

/* Nothing is known of it; message_free(). */
struct message *message_new(struct queued *q);
/* Reads an envelope (copied): its recipients are the first of the message. */
enum err message_take_envelope(struct message *m, struct str envelope) MUST_USE;
/* What aliases made of them; addresses are copied. ERR_FORMAT, ERR_LIMIT. */
enum err message_take_added(struct message *m, const struct final_rcpt *added,
			    size_t n) MUST_USE;
/* What a MESSAGE, CORRUPT or STATUS record says. NULL: it is damaged. */
struct message *message_of_record(struct message_table *t, struct queued *q,
				  const struct spool_reading *r) MUST_USE;
/* The body of its STATUS record. */
void message_put_status(struct buf *out, const struct message *m);
