/* SPDX-License-Identifier: MIT
 * mda/store/changes.h - whose flags changed lately, so that telling of one
 * change does not take a look at each message of the mailbox. Pure.
 *
 * The last CHANGES_KEPT are kept, with their modification sequences (RFC 7162);
 * the memory comes with the first. Zeroed is a good start: it knows nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHANGES_KEPT = 128 };

struct changes {
	struct change *kept; // a ring, or NULL
	size_t n_noted;	     // ever; the first of the ring is overwritten
	uint64_t floor; // none above it is missing; 0: all up to now may be
};

void changes_release(struct changes *c);
/* All there is was told by other means: it has sequences up to this one. */
void changes_begin(struct changes *c, uint64_t modseq);
/* This message changed, and has this sequence now, above the floor. */
void changes_note(struct changes *c, uint32_t uid, uint64_t modseq);
/* The UIDs, rising, of those that changed above that sequence; they may have
 * gone since. False: not all of them are known. */
bool changes_since(const struct changes *c, uint64_t since,
		   uint32_t uids_out[CHANGES_KEPT], size_t *n_out);
