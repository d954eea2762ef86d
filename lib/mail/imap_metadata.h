/* SPDX-License-Identifier: MIT
 * lib/mail/imap_metadata.h - arguments of GETMETADATA and SETMETADATA (RFC
 * 5464), of LIST's METADATA (RFC 9590), and names of entries. */
#pragma once

#include "lib/mail/imap_reader.h"

enum {
	IMAP_METADATA_ENTRIES_MAX = 100, // of one command
	IMAP_METADATA_NAME_MAX = 250,
};

struct imap_entries {
	const struct str *names; // as written
	size_t n;
};

enum imap_metadata_depth { DEPTH_0, DEPTH_1, DEPTH_INFINITY };

struct imap_getmetadata {
	struct str mailbox; // empty: the server
	enum imap_metadata_depth depth;
	bool has_max;
	uint32_t max_octets; // of a value
	struct imap_entries entries;
};

struct imap_setmetadata {
	struct str mailbox;
	struct imap_entries entries;
	const struct str *values; // STR_NONE: remove
};

/* All arguments, up to the end. The options stand before the mailbox (5464 5)
 * or behind it, as in the RFC's own examples. */
bool imap_getmetadata_read(struct imap_reader *r, struct imap_getmetadata *out);
bool imap_setmetadata_read(struct imap_reader *r, struct imap_setmetadata *out);
/* "(/shared/comment ...)" or one entry. */
bool imap_entries_read(struct imap_reader *r, struct imap_entries *out);

/* Is it the name of an entry, below /private or /shared (5464 3.2)? is_top:
 * these two themselves are fine, too. */
bool imap_entry_is_name(struct str name, bool is_top);
/* Is the name, which is in lower case, what the asked one means with that
 * depth? Names of entries are compared without regard to case. */
bool imap_entry_fits(struct str name, struct str asked,
		     enum imap_metadata_depth depth);
