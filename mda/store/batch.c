/* SPDX-License-Identifier: MIT
 * mda/store/batch.c - many renames, links or removals as one job. */
#include "mda/store/batch.h"

#include "lib/base/check.h"
#include "lib/rt/log.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIRST_CAP = 16 };

void
batch_add(struct batch *b, enum step_kind kind, int from_dir, const char *from,
	  int to_dir, const char *to)
{
	if (b->n == b->cap) {
		b->cap = b->cap ? b->cap * 2 : FIRST_CAP;
		b->steps = must_realloc(b->steps, b->cap * sizeof(*b->steps));
	}
	b->steps[b->n++] = (struct step) {
		.kind = kind,
		.from_dir = from_dir,
		.to_dir = to_dir,
		.from = str_dup_c(str_c(from)),
		.to = to == NULL ? NULL : str_dup_c(str_c(to)),
	};
}

static enum err
remove_name(const struct step *s)
{
	if (unlinkat(s->from_dir, s->from, 0) == 0)
		return OK;
	if (errno == ENOENT)
		return ERR_NOT_FOUND;
	log_error("store.unlink", FC("name", s->from), FERRNO(errno));
	return ERR_IO;
}

static void
run_in_thread(void *arg)
{
	struct batch *b = arg;

	for (size_t i = 0; i < b->n; i++) {
		struct step *s = &b->steps[i];

		if (s->kind == STEP_RENAME)
			s->e = fs_move(s->from_dir, s->from, s->to_dir, s->to);
		else if (s->kind == STEP_LINK)
			s->e = fs_link(s->from_dir, s->from, s->to_dir, s->to);
		else
			s->e = remove_name(s);
	}
}

void
batch_run(struct co *co, struct batch *b)
{
	if (b->n > 0)
		offload(co, run_in_thread, b);
}

void
batch_release(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		free(b->steps[i].from);
		free(b->steps[i].to);
	}
	free(b->steps);
	*b = (struct batch)BATCH_INIT;
}
