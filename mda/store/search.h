/* SPDX-License-Identifier: MIT
 * mda/store/search.h - the search index of a mailbox: which messages may have a
 * text, and which have it (doc/design/search.md).
 *
 * A cache, and switchable: what it does not say is read from the messages. It
 * is made in the background after a SEARCH that had to read many. */
#pragma once

#include "lib/base/str.h"

struct co;
struct mailbox;
struct session;

/* Part of the mailbox. */
struct search_state {
	bool is_building;
	int64_t retry_us; // not before; 0: at any time
};

enum search_where { SEARCH_IN_HEADER, SEARCH_IN_BODY, SEARCH_IN_BOTH };

struct search_question {
	struct str needle; // folded, not empty
	enum search_where where;
	bool is_field; // of one header field: all of the header says too much
};

enum {
	SEARCH_QUESTIONS_MAX = 16,
	SEARCH_KEEP_FEW = 64, // so many may be read by each search
};

/* Fills known[place * n + question] with enum match for each of these UIDs
 * (rising), MATCH_UNKNOWN where the message must be read. *n_missing_out: of
 * how many the index knows nothing. Waits; ends early when the session is given
 * up. Whatever fails: nothing is known. */
void search_ask(struct co *co, struct session *s,
		const struct search_question *questions, size_t n,
		const uint32_t *uids, size_t n_uids, uint8_t *known,
		size_t *n_missing_out);

/* Brings the index up to date in the background. */
void search_keep(struct mailbox *m);
