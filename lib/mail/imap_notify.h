/* SPDX-License-Identifier: MIT
 * lib/mail/imap_notify.h - arguments of NOTIFY (RFC 5465). */
#pragma once

#include "lib/mail/imap_fetch.h"

enum {
	IMAP_NOTIFY_GROUPS_MAX = 50,
	IMAP_NOTIFY_MAILBOXES_MAX = 500, // of all groups
};

/* Bits. */
enum imap_notify_event {
	NOTIFY_MESSAGE_NEW = 1,
	NOTIFY_MESSAGE_EXPUNGE = 2,
	NOTIFY_FLAG_CHANGE = 4,
	NOTIFY_MAILBOX_NAME = 8,
	NOTIFY_SUBSCRIPTION_CHANGE = 16,
	NOTIFY_MAILBOX_METADATA = 32,
	NOTIFY_SERVER_METADATA = 64,
	NOTIFY_ANNOTATION_CHANGE = 128,
	NOTIFY_OTHER = 256, // one that nobody here knows
	NOTIFY_OF_MESSAGES = NOTIFY_MESSAGE_NEW | NOTIFY_MESSAGE_EXPUNGE |
			     NOTIFY_FLAG_CHANGE,
	NOTIFY_SUPPORTED = 127,
};

enum imap_notify_filter {
	NOTIFY_SELECTED,
	NOTIFY_SELECTED_DELAYED,
	NOTIFY_INBOXES,
	NOTIFY_PERSONAL,
	NOTIFY_SUBSCRIBED,
	NOTIFY_SUBTREE,
	NOTIFY_MAILBOXES,
};

struct imap_notify_group {
	enum imap_notify_filter filter;
	struct str *mailboxes; // of SUBTREE, MAILBOXES; as on the wire
	size_t n_mailboxes;
	unsigned events;
	bool has_fetch; // of a selected mailbox's new messages
	struct imap_fetch fetch;
};

struct imap_notify {
	bool is_none, has_status;
	struct imap_notify_group *groups; // of SET, in their order
	size_t n;
	unsigned events; // of all groups
};

/* Up to the end; fetch_features as for imap_fetch_read(). Events that are not
 * among NOTIFY_SUPPORTED are in out->events for the caller to refuse. */
bool imap_notify_read(struct imap_reader *r, unsigned fetch_features,
		      struct imap_notify *out);
