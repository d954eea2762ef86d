/* SPDX-License-Identifier: MIT
 * mda/store/view.h - which messages a session was told of: their UIDs, in the
 * order of their sequence numbers. Pure.
 *
 * Numbers begin at 1. UIDs rise with them, so both ways are a binary search. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where among n UIDs, which rise from first to last, that of the first one not
 * below uid (which is above first) can be, counted from 0: at *low_out to
 * *high_out. One place, where no UID is missing. */
static inline void
view_bounds(uint32_t first, uint32_t last, size_t n, uint32_t uid,
	    size_t *low_out, size_t *high_out)
{
	size_t n_before = uid - first; // at the most
	size_t n_missing = (size_t)last - first + 1 - n;
	size_t high = n_before < n ? n_before : n;
	size_t low = n_before > n_missing ? n_before - n_missing : 0;

	*low_out = low < high ? low : high;
	*high_out = high;
}

struct view {
	uint32_t *uids;
	size_t n, cap;
};

#define VIEW_INIT          \
	{                  \
		NULL, 0, 0 \
	}

void view_release(struct view *v);
/* Appends; false (nothing done) when the UID is not above all others. */
bool view_add(struct view *v, uint32_t uid);
/* 0: no such message. */
uint32_t view_seq(const struct view *v, uint32_t uid);
uint32_t view_uid(const struct view *v, uint32_t seq);
/* The number of the first message whose UID is not below; n + 1 without one. */
size_t view_place(const struct view *v, uint32_t uid);
/* That of the first whose UID is above. */
size_t view_place_behind(const struct view *v, uint32_t uid);
/* The greatest UID, 0 without messages. */
uint32_t view_last(const struct view *v);
/* Takes out those whose UIDs are not in the sorted list; calls gone() with the
 * number of each, as it is at that moment, from the highest to the lowest.
 * Linear. */
void view_keep(struct view *v, const uint32_t *uids, size_t n,
	       void (*gone)(uint32_t seq, void *arg), void *arg);
