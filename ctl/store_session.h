/* SPDX-License-Identifier: MIT
 * ctl/store_session.h - commands of IMAP in a user's mailboxes, by asking the
 * store (lib/ipc/store.h) without a front. */
#pragma once

#include "ctl/client.h"
#include "lib/ipc/store.h"

struct store_session {
	struct chan *chan;
	struct call *call;
	struct buf text;      // untagged lines of the last command, bodies in
	struct buf done_text; // its last words
	enum store_status status;
};

/* Runs inside a coroutine; its result is that of store_session_with(). */
typedef int store_session_fn(struct co *co, struct store_session *s, void *arg);

/* Opens the session, runs fn in it, and closes it. A number of sysexits.h: what
 * fn returned, or EX_TEMPFAIL, EX_NOPERM when there is no session (said). */
int store_session_with(const struct options *o, struct str user,
		       store_session_fn *fn, void *arg);
/* One command: args are what stands behind the verb. The answer is in s. */
enum err
store_session_run(struct co *co, struct store_session *s, enum store_verb verb,
		  bool is_uid, struct str args) MUST_USE;
/* APPEND of one message; args: the mailbox, flags and date, and a blank. */
enum err store_session_append(struct co *co, struct store_session *s,
			      struct str args, struct str content) MUST_USE;
