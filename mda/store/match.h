/* SPDX-License-Identifier: MIT
 * mda/store/match.h - does a message fit a SEARCH program? Pure but for memory;
 * the same for the loop, which knows the model, and for a thread, which has
 * read the message. */
#pragma once

#include "lib/base/map.h"
#include "lib/mail/imap_search.h"
#include "lib/mail/keywords.h"
#include "mda/store/letter.h"
#include "mda/store/object_id.h"
#include "mda/store/search.h"

enum match { MATCH_NO, MATCH_YES, MATCH_UNKNOWN };

/* A program made ready: its texts folded once. */
struct matcher {
	const struct imap_search_node *root;
	struct map folded; // node -> struct str
	/* What a search index is asked, in the order of facts.known. */
	struct search_question questions[SEARCH_QUESTIONS_MAX];
	const struct imap_search_node *asking[SEARCH_QUESTIONS_MAX];
	size_t n_questions;
	struct arena *arena;
	struct keywords keywords; // names in the arena
	int64_t now_s;
	bool needs_date, needs_size, needs_email_id;
	bool needs_header, needs_parts; // for some messages
	size_t n_texts;			// keys that look at all of a message
	size_t n_headers;		// at the fields of a name
};

/* ERR_LIMIT: the arena is full. The keywords are copied. */
enum err matcher_init(struct matcher *m, const struct imap_search_node *root,
		      const struct keywords *keywords, int64_t now_s,
		      struct arena *arena) MUST_USE;
void matcher_release(struct matcher *m);

/* What the model knows of a message. */
struct facts {
	uint32_t seq, uid;
	unsigned flags; // with IMAP_FLAG_RECENT
	uint32_t keywords;
	uint64_t modseq;
	uint64_t size_octets; // on the wire
	int64_t date_s;
	int date_offset_min;
	int64_t saved_s;
	char email_id[EMAIL_ID_SIZE]; // if it is needed
	const uint8_t *known; // enum match of each question; NULL: nothing
};

/* letter NULL: UNKNOWN where the message must be read. */
enum match matcher_run(const struct matcher *m, const struct facts *facts,
		       const struct letter *letter);
