/* SPDX-License-Identifier: MIT
 * mda/store/resting.h - mailboxes that sessions have selected and that nothing
 * happens to: their models may be forgotten.
 *
 * All of a model is in files, but for what is \Recent to whom; a view says
 * what its session was told. So the model of a mailbox whose sessions all wait,
 * and know all of it, is made again when something happens. That is not done
 * as long as the models of such mailboxes have RESTING_MESSAGES_MAX messages
 * together; beyond it, those that rest for longest are forgotten. A large one
 * costs more to make again, and is kept the longer: a millisecond for each
 * message, so that one that gets mail each minute is not made each minute. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mailbox;
struct seat;
struct tree;

/* Part of the mailbox. */
struct resting {
	bool is_listed;	      // it may be forgotten
	int64_t since_us;     // it is listed
	size_t n_counted;     // its messages in the tree's count
	uint64_t change;      // of the model then, or that is away
	bool is_away;	      // the model was forgotten
	uint32_t uidvalidity; // what holds while it is away
	struct recent {
		uint32_t uid;
		unsigned session;
	} * recents;
	size_t n_recents;
};

void resting_init(struct tree *t);
void resting_release(struct resting *r);

/* The session of this seat begins to wait; is_even: it knows all of the model.
 * Models, perhaps this one, are forgotten here and nowhere else. Returns when
 * it shall end and begin again, for then this one may be; or NEVER_US. */
int64_t resting_begin(struct mailbox *m, struct seat *seat, bool is_even);
/* It goes on; the model may be away. */
void resting_end(struct seat *seat);
/* The mailbox is in use. */
void resting_leave(struct mailbox *m);
/* The model was just made; nobody has waited since. Where it is not the one
 * that was forgotten, the mailbox is killed. */
void resting_loaded(struct mailbox *m);
