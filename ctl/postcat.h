/* SPDX-License-Identifier: MIT
 * ctl/postcat.h - one message of the queue, printed as Postfix's postcat does.
 */
#pragma once

#include "ctl/ask.h"
#include "lib/ipc/envelope.h"

enum postcat_parts {
	POSTCAT_ENVELOPE = 1,
	POSTCAT_HEADER = 2,
	POSTCAT_BODY = 4,
	POSTCAT_ALL = 7,
	POSTCAT_JSON = 8, // instead of the others: the line of a listing
};

/* Prints that one. ERR_NOT_FOUND: there is no such message. */
enum err
postcat_print(const struct options *o, const char *id, int parts) MUST_USE;

/* Content comes in pieces: turns CRLF into LF and tells header from body. */
struct postcat_text {
	int parts;
	bool is_in_body, has_cr;
	unsigned n_line; // octets of this line, as far as it matters
};

void postcat_add_text(struct postcat_text *t, struct buf *out, struct str in);
/* The records before the content. queue: "deferred" ...; ERR_LIMIT. */
enum err postcat_add_envelope(struct buf *out, const struct queue_entry *entry,
			      const struct envelope *envelope) MUST_USE;
