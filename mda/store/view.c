/* SPDX-License-Identifier: MIT
 * mda/store/view.c - which messages a session was told of. */
#include "mda/store/view.h"

#include "lib/base/check.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 64 };

void
view_release(struct view *v)
{
	free(v->uids);
	*v = (struct view)VIEW_INIT;
}

uint32_t
view_last(const struct view *v)
{
	return v->n > 0 ? v->uids[v->n - 1] : 0;
}

bool
view_add(struct view *v, uint32_t uid)
{
	if (uid <= view_last(v))
		return false;
	if (v->n == v->cap) {
		v->cap = v->cap ? v->cap * 2 : FIRST_CAP;
		v->uids = must_realloc(v->uids, v->cap * sizeof(*v->uids));
	}
	v->uids[v->n++] = uid;
	return true;
}

size_t
view_place(const struct view *v, uint32_t uid)
{
	uint32_t first = v->n > 0 ? v->uids[0] : uid;
	size_t low, high;

	if (uid <= first)
		return 1;
	view_bounds(first, view_last(v), v->n, uid, &low, &high);
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (v->uids[middle] < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low + 1;
}

size_t
view_place_behind(const struct view *v, uint32_t uid)
{
	return uid == UINT32_MAX ? v->n + 1 : view_place(v, uid + 1);
}

uint32_t
view_seq(const struct view *v, uint32_t uid)
{
	size_t seq = view_place(v, uid);

	return seq <= v->n && v->uids[seq - 1] == uid ? (uint32_t)seq : 0;
}

uint32_t
view_uid(const struct view *v, uint32_t seq)
{
	return seq >= 1 && seq <= v->n ? v->uids[seq - 1] : 0;
}

void
view_keep(struct view *v, const uint32_t *uids, size_t n,
	  void (*gone)(uint32_t seq, void *arg), void *arg)
{
	size_t kept_at = v->n; // those behind it stay

	for (size_t i = v->n; i > 0; i--) {
		uint32_t uid = v->uids[i - 1];

		while (n > 0 && uids[n - 1] > uid)
			n--;
		if (n > 0 && uids[n - 1] == uid)
			v->uids[--kept_at] = uid;
		else
			gone((uint32_t)i, arg);
	}
	if (v->n > kept_at)
		memmove(v->uids, v->uids + kept_at,
			(v->n - kept_at) * sizeof(*v->uids));
	v->n -= kept_at;
}
