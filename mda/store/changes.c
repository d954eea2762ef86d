/* SPDX-License-Identifier: MIT
 * mda/store/changes.c - whose flags changed lately. */
#include "mda/store/changes.h"

#include "lib/base/check.h"
#include "mda/store/uid_set.h"

#include <stdlib.h>

struct change {
	uint64_t modseq;
	uint32_t uid;
};

void
changes_release(struct changes *c)
{
	free(c->kept);
	*c = (struct changes) { .kept = NULL };
}

void
changes_begin(struct changes *c, uint64_t modseq)
{
	c->n_noted = 0;
	c->floor = modseq;
}

void
changes_note(struct changes *c, uint32_t uid, uint64_t modseq)
{
	struct change *slot;

	if (c->kept == NULL)
		c->kept = must_alloc(CHANGES_KEPT * sizeof(*c->kept));
	slot = &c->kept[c->n_noted % CHANGES_KEPT];
	if (c->n_noted >= CHANGES_KEPT && slot->modseq > c->floor)
		c->floor = slot->modseq;
	*slot = (struct change) { modseq, uid };
	c->n_noted++;
}

bool
changes_since(const struct changes *c, uint64_t since,
	      uint32_t uids_out[CHANGES_KEPT], size_t *n_out)
{
	size_t n = c->n_noted < CHANGES_KEPT ? c->n_noted : CHANGES_KEPT;
	size_t n_found = 0;

	if (c->floor == 0 || since < c->floor)
		return false;
	for (size_t i = 0; i < n; i++)
		if (c->kept[i].modseq > since)
			uids_out[n_found++] = c->kept[i].uid;
	*n_out = uid_set_make(uids_out, n_found);
	return true;
}
