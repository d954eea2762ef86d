/* SPDX-License-Identifier: MIT
 * mda/store/census.h - the messages of a mailbox that is read for the first
 * time, made all at once: in two blocks of memory, in the order of arrival, and
 * without a map. Pure. */
#pragma once

#include "mda/store/mailbox.h"

struct census {
	struct message_block block;
	struct message **order; // by arrival: seconds of the name, then bytes
	size_t n;
	uint32_t keywords; // of any of them
	bool has_new;	   // one is in new/
};

/* names: again and again an inode (ino_t), a file name and a NUL; what is no
 * message's name is passed over. Nothing of them is borrowed. now_s: the
 * SAVEDATE of what has no time. False: two names have one base, and nothing
 * was made. */
bool census_take(struct str new_names, struct str cur_names, uint32_t now_s,
		 struct census *out) MUST_USE;
/* Among messages in that order the one with this base, or NULL. *hint: where to
 * look first; it becomes the place behind the one that was found. */
struct message *census_find(struct message *const *order, size_t n,
			    struct str base, size_t *hint);
