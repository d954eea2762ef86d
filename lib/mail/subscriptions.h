/* SPDX-License-Identifier: MIT
 * lib/mail/subscriptions.h - the file that LSUB and LIST (SUBSCRIBED) read.
 *
 *   version 2: "V<TAB>2", an empty line, then one name a line, TAB between the
 *   components. Version 1: one name a line, "." between them, no header.
 *
 * Here a name has the components in modified UTF-7 (or UTF-8, where the folders
 * of a tree have it) with "." between them, as the folder on disk without its
 * first dot; INBOX is "INBOX". A subscription
 * outlives its mailbox (RFC 9051 6.3.8). Lines that are no such name stay in
 * the file and are not given to anybody (but for one that, at the top, would be
 * taken for a header). */
#pragma once

#include "lib/base/buf.h"

enum { SUBSCRIPTIONS_NAME_OCTETS_MAX = 255 };

struct subscriptions_reader {
	struct str rest;
	bool is_v2;
};

/* An empty file is one without names. ERR_FORMAT: a version that we do not
 * know, which must not be changed. */
enum err
subscriptions_begin(struct subscriptions_reader *r, struct str file) MUST_USE;
/* Puts the next name into name_out (cleared first; maximum 255 or more); false
 * at the end. A name may come twice. */
bool subscriptions_next(struct subscriptions_reader *r, struct buf *name_out);

/* Appends the file with the name in it once, or without it, to file_out; a new
 * file gets version 2, an old one keeps its own. *is_changed_out is false when
 * the file was so already. ERR_FORMAT: the version, or no such name can be.
 * ERR_LIMIT: the buf is full. */
enum err
subscriptions_change(struct str file, struct str name, bool is_wanted,
		     struct buf *file_out, bool *is_changed_out) MUST_USE;
