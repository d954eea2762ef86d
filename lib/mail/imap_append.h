/* SPDX-License-Identifier: MIT
 * lib/mail/imap_append.h - what APPEND says before each message (RFC 9051
 * 6.3.12, RFC 3502). */
#pragma once

#include "lib/mail/imap_date.h"
#include "lib/mail/imap_flags.h"

struct imap_append {
	struct str mailbox; // of the wire; the same for all messages
	struct imap_flags flags;
	bool has_date;
	struct date date;
};

/* The arguments up to the first message's literal, without it: 'INBOX (\Seen)
 * "date" '. */
bool imap_append_read_first(struct imap_reader *r, struct imap_append *out);
/* What stands between two messages, from the SP on; out->mailbox stays. */
bool imap_append_read_next(struct imap_reader *r, struct imap_append *out);
