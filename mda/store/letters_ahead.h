/* SPDX-License-Identifier: MIT
 * mda/store/letters_ahead.h - for whoever reads many messages, one after the
 * other: those that come next are read meanwhile, in threads.
 *
 *   while there is room: letters_ahead_begin() with those that come next;
 *   letters_ahead_take() the one at hand, or letter_read() it.
 *
 * Three jobs of LETTERS_AHEAD messages at the most, and a megabyte of memory
 * but for one message. */
#pragma once

#include "mda/store/letter.h"

enum { LETTERS_AHEAD = 16 }; // in one job

struct letters_ahead;
/* Holds the mailbox until it is freed. */
struct letters_ahead *letters_ahead_new(struct mailbox *m);
/* Waits for the threads. NULL is fine. */
void letters_ahead_free(struct co *co, struct letters_ahead **ahead);
struct letter_wish {
	uint32_t uid;
	enum letter_depth depth;
	bool makes_blob; // for the index, too
	size_t place;	 // in the list of whoever reads; they rise
};
/* Can more be begun, when that place is about to be read? */
bool letters_ahead_has_room(const struct letters_ahead *a, size_t place);
/* Begins to read, after letters_ahead_has_room(); returns how many of them it
 * took, one at least. */
size_t letters_ahead_begin(struct letters_ahead *a, size_t place,
			   const struct letter_wish *wishes, size_t n);
/* The message, if it is being read ahead; false: it is not, or cannot be read
 * so. */
bool
letters_ahead_take(struct co *co, struct letters_ahead *a,
		   const struct letter_wish *wish, struct letter *out) MUST_USE;
