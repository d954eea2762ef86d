/* SPDX-License-Identifier: MIT
 * mda/store/quota.h - how much a user has, and may have.
 *
 * The limits come from the router and are kept until its settings change. The
 * usage is that of maildirsize plus what is reserved for messages under way,
 * so that many at once cannot pass together. Without a limit nothing is
 * counted. Somebody who takes maildirsize away asks for a count (Maildir++).
 *
 * A count needs directories that stand still: whoever adds, moves or removes
 * files stands between quota_enter() and quota_leave(), and tells the amount
 * before it leaves. So each change is in the count or comes after it. */
#pragma once

#include "mda/store/tree.h"

enum quota_kind {
	QUOTA_IMAP,
	QUOTA_DELIVERY, // the last message may pass by the grace
};

/* Is the user this copy's? Other copies only read the file. */
bool quota_is_ours(const struct user *u);
/* Learns the limits. ERR_NOT_FOUND: there is no such user. ERR_UNAVAILABLE:
 * nobody can tell, and nobody did before. */
enum err quota_prepare(struct co *co, struct user *u) MUST_USE;
/* Reserves room in a folder, which may have limits of its own, or not count:
 * dir is its directory, "" for INBOX. Count once: quota_commit() or
 * quota_cancel() ends it. ERR_FULL: it does not fit. ERR_REFUSED: it may fit
 * later, others are under way. ERR_UNAVAILABLE, ERR_IO: it cannot be counted
 * now. */
enum err
quota_reserve(struct co *co, struct user *u, enum quota_kind kind,
	      struct str dir, uint64_t octets, uint64_t messages) MUST_USE;
/* Before and after the change of the directories and the next three calls. May
 * wait for a count; may be nested. */
void quota_enter(struct co *co, struct user *u);
void quota_leave(struct user *u);
void quota_commit(struct user *u, struct str dir, uint64_t octets,
		  uint64_t messages);
void quota_cancel(struct user *u, uint64_t octets, uint64_t messages);
/* Messages came that nobody reserved room for, or went. */
void
quota_add(struct user *u, struct str dir, uint64_t octets, uint64_t messages);
void quota_remove(struct user *u, struct str dir, uint64_t octets,
		  uint64_t messages);
/* Does what lies in that folder not count? */
bool quota_ignores(const struct user *u, struct str dir);
/* Folders have other names: what counted may not, now. */
void quota_renamed(struct user *u);
/* The usage is unknown: counted again when it is needed. */
void quota_forget(struct user *u);
/* The usage, counted if need be; only when there is a limit. */
enum err quota_usage(struct co *co, struct user *u) MUST_USE;
