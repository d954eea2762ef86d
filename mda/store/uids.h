/* SPDX-License-Identifier: MIT
 * mda/store/uids.h - UIDs (RFC 9051 2.3.1.1): taken from dovecot-uidlist, given
 * to messages that came, and written there before anybody is told.
 *
 * The lock of the mailbox is held all the time. What is told of a mailbox whose
 * list cannot be written: doc/design/store.md, 20. */
#pragma once

#include "mda/store/pending.h"

struct scan;

/* Takes over what the scan read of the list, or found it to be absent.
 * ERR_REFUSED: it contradicts what was told. ERR_FORMAT: it is not to be
 * trusted, and nobody was told anything: uids_renumber() next. */
enum err uids_take(struct co *co, struct mailbox *m, const struct scan *s,
		   const struct pending *p) MUST_USE;
/* A new UIDVALIDITY, and no message has a UID. */
void uids_renumber(struct mailbox *m, struct pending *p);
/* Writes down the largest UIDVALIDITY of the user if it is ahead of the clock,
 * or waits until it is not: it could come again after a restart. */
enum err uids_keep_validity(struct co *co, const struct mailbox *m) MUST_USE;

/* Gives UIDs by arrival to those that have none, and writes their lines, or all
 * of the list where that must be (must_rewrite_list). On an error nobody has a
 * new UID. ERR_MORE: another program changed the list; read it again first.
 * What cannot be written is no error the first time: then only those are left
 * that may be told, and m->list_trouble says why. */
enum err
uids_number(struct co *co, struct mailbox *m, struct pending *p) MUST_USE;
/* The same for messages of our own, in the order in which they stand here; no
 * less will do. */
enum err uids_add(struct co *co, struct mailbox *m, struct pending *p) MUST_USE;
