/* SPDX-License-Identifier: MIT
 * mda/store/notify.h - NOTIFY (RFC 5465): what happens in a user's mailboxes,
 * and the sessions that want to hear of it.
 *
 * Whoever made a change durable posts it to the user: mailbox_wake() for
 * messages, notify_post() for the rest. A post never waits: each listening
 * session keeps which directories changed, and how, until it comes to tell. A
 * session that is slow keeps NOTICES_MAX directories at most; then it hears
 * NOTIFICATIONOVERFLOW, and nothing more. */
#pragma once

#include "lib/mail/imap_notify.h"
#include "mda/store/tree.h"

enum { NOTICES_MAX = 1000, NOTICE_ENTRIES_MAX_OCTETS = 8 * 1024 };

struct session;
struct notify;

/* events: enum imap_notify_event; of messages they are what may have
 * happened. origin: the session that did it, which hears nothing (RFC 5465 5);
 * 0: none. */
void
notify_post(struct user *u, struct str dir, unsigned events, unsigned origin);
/* A RENAME: old_dir is dir now, and so are the folders below. */
void notify_post_rename(struct user *u, struct str old_dir, struct str dir,
			unsigned origin);
/* The user is gone: all who listen look up. */
void notify_wake_all(struct user *u);
/* An annotation has changed; dir of the server: S("/"), which is none. */
void notify_post_entry(struct user *u, struct str dir, unsigned event,
		       struct str entry, unsigned origin);

/* ---- for the session itself ---- */

/* NULL is fine. */
void notify_free(struct notify **n);
/* Tells what was posted, into the session's output; waits for the disk. */
void notify_tell(struct co *co, struct session *s);
/* Does it want to hear of anything? */
bool notify_is_on(const struct session *s);
/* May the selected mailbox's EXPUNGE be told between commands? */
bool notify_is_immediate(const struct session *s);
/* Events of the selected mailbox that the session wants; all of messages
 * without NOTIFY. */
unsigned notify_selected(const struct session *s);
/* What is told of its new messages, or NULL. */
const struct imap_fetch *notify_fetch(const struct session *s);
