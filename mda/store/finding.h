/* SPDX-License-Identifier: MIT
 * mda/store/finding.h - the messages of the selected mailbox that fit a SEARCH
 * program, for SEARCH, SORT and THREAD. */
#pragma once

#include "mda/store/match.h"
#include "mda/store/session.h"

struct finding {
	struct session *s;
	struct matcher matcher;
	uint8_t *results; // enum match, by place in the view
	uint32_t *uids;	  // of the view, when the command began
	size_t n;
	/* Others are not found, whatever they are: [first, end). */
	size_t first, end;
	/* Those that must be read. */
	uint32_t *open_uids;
	struct facts *open_facts;
	size_t *open_places;
	size_t n_open, open_cap;
	size_t *found;	  // places, by finding_collect()
	uint8_t *known;	  // by the search index, of the open ones
	bool wants_index; // it had to be read for too many
};

/* What the arguments of the three commands may say, and mean here. */
struct imap_search_scope finding_scope(const struct session *s);

void finding_init(struct finding *f, struct session *s);
void finding_release(struct finding *f);
enum err finding_run(struct co *co, struct finding *f,
		     const struct imap_search *program) MUST_USE;
/* The places of the found ones, rising, as f->found; returns how many. */
size_t finding_collect(struct finding *f);

/* ---- results (cmd_search.c) ---- */

/* Tells, or saves, what was found, as the program wants it: "* SEARCH 1 2", or
 * ESEARCH. The places stand in the order of the result. */
void
finding_tell(struct co *co, struct finding *f, const char *word,
	     const struct imap_search *program, const size_t *places, size_t n);
/* False: the arguments are wrong, and answered. */
bool finding_args_ok(struct session *s, const struct imap_search *program);
/* The answer when the command failed. */
void
finding_fail(struct finding *f, const struct imap_search *program, enum err e);
