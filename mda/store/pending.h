/* SPDX-License-Identifier: MIT
 * mda/store/pending.h - what a scan found that the model does not have yet:
 * messages that came, have another name, or went.
 *
 * pending_meet() finds them, uids.h gives those that came their UIDs, and
 * pending_apply(), pending_join() and pending_make_model() bring all into the
 * log and then into the model. What is left over pending_release() forgets. The
 * lock of the mailbox is held all the time. */
#pragma once

#include "lib/mail/maildir_name.h"
#include "lib/rt/co.h"
#include "mda/store/mailbox.h"

struct scan;

struct pending {
	struct message **messages; // not in the model yet
	size_t n, cap;
	/* All of the mailbox, by arrival, and in no map. */
	bool is_census;
	bool is_small; // as long as there is no model
	struct renaming *renamings;
	size_t n_renamings, renamings_cap;
	uint32_t *gone; // UIDs
	size_t n_gone;
	bool has_flags; // some message has other flags
};

#define PENDING_NONE ((struct pending) { .n = 0 })

/* A message of this name, of which nothing else is known: nobody's. */
struct message *pending_message(struct mailbox *m, struct str name,
				const struct maildir_name *parsed) MUST_USE;
/* Takes it over. No other message has its base. */
void pending_add(struct mailbox *m, struct pending *p, struct message *msg);

/* Compares the names with the model. *p is PENDING_NONE before. */
void pending_meet(struct co *co, struct mailbox *m, const struct scan *s,
		  struct pending *p);

/* Other names, other flags and what is gone: first in the log, then in the
 * model. */
enum err
pending_apply(struct co *co, struct mailbox *m, struct pending *p) MUST_USE;
/* What came, all with UIDs, in rising order: into the log and the model. */
enum err
pending_join(struct co *co, struct mailbox *m, struct pending *p) MUST_USE;
/* The same the first time, when the log has something to say of them. */
enum err pending_make_model(struct co *co, struct mailbox *m,
			    const struct scan *s, struct pending *p) MUST_USE;

/* By UID. */
void pending_sort(struct message **messages, size_t n);
/* Forgets those whose UID is at least that one: a later scan meets them. */
void
pending_leave_out(struct mailbox *m, struct pending *p, uint32_t first_uid);
void pending_release(struct mailbox *m, struct pending *p);

/* Runs fn(arg), which makes a part of the first model, in the pool: nobody else
 * looks at it yet. If it is small the way there and back takes longer, and
 * later changes are made where the readers are: then in the loop. */
void pending_run(struct co *co, const struct mailbox *m,
		 const struct pending *p, offload_fn *fn, void *arg);
