/* SPDX-License-Identifier: MIT
 * ctl/outgoing.h - what sendmail(1) makes of the text on its standard input: a
 * message with CRLF, a From field, no Bcc, and its recipients. Pure. */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/buf.h"

enum { OUTGOING_RECIPIENTS_MAX = 10000 };

struct outgoing {
	struct buf content;	 // CRLF; its header ends with an empty line
	const char **recipients; // as the fields name them; in the arena
	size_t n_recipients;
	bool has_from;
	bool is_8bit;
	bool is_utf8; // a header field or a recipient is not ASCII
};

/* input up to its end, or with is_dot_end to a line that is a lone dot. With
 * wants_recipients those of To, Cc and Bcc are listed (of Resent-To, Resent-Cc,
 * Resent-Bcc when there are such fields); Bcc and Resent-Bcc never stay. The
 * content's max must be set. ERR_LIMIT: too large, or too many recipients. */
enum err outgoing_read(struct str input, bool is_dot_end, bool wants_recipients,
		       struct arena *arena, struct outgoing *out) MUST_USE;
