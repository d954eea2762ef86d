/* SPDX-License-Identifier: MIT
 * lib/mail/listfile.h - changes in a file of "key, separator, value" lines that
 * keep everything else in it: comments, blank lines, order, line ends.
 *
 * An entry is a line, with the lines that continue it where the kind has
 * continuations. Keys are compared without regard to case. Pure. */
#pragma once

#include "lib/base/buf.h"

enum listfile_kind {
	LISTFILE_PIPE,	 // accounts.cf: key|value
	LISTFILE_COLON,	 // quotas.cf: key:value
	LISTFILE_BLANK,	 // tables: key, white space, value; continued lines
	LISTFILE_EQUALS, // main.cf: key = value; continued lines
};

struct listfile_entry {
	struct str key,
		value;	   // value: trimmed, with continued lines as they are
	size_t begin, end; // its octets in the file, line end included
};

/* The next entry at or behind *at, which becomes its end. False after the last.
 * A line without a separator is an entry with an empty value. */
bool listfile_next(struct str file, enum listfile_kind kind, size_t *at,
		   struct listfile_entry *out);
/* The first entry with that key. */
bool listfile_find(struct str file, enum listfile_kind kind, struct str key,
		   struct listfile_entry *out);

/* Appends the file to out with line (without its end) instead of the first
 * entry with that key, or behind the last line when there is none; further
 * entries with that key go. ERR_LIMIT. */
enum err listfile_set(struct str file, enum listfile_kind kind, struct str key,
		      struct str line, struct buf *out) MUST_USE;
/* Appends the file without the entries with that key. ERR_LIMIT. */
enum err listfile_remove(struct str file, enum listfile_kind kind,
			 struct str key, struct buf *out) MUST_USE;
