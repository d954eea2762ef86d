/* SPDX-License-Identifier: MIT
 * mda/store/words.h - folded text cut into words, for the search index
 * (doc/design/search.md). Pure.
 *
 * A word is a run of ASCII letters, digits and characters from U+00C0 to
 * U+1FFF; or one character of the others that are not ASCII (punctuation,
 * symbols, scripts without blanks). So a needle without other characters is in
 * a text if and only if it is in one of its words. */
#pragma once

#include "lib/base/str.h"

enum {
	/* A longer run is cut into words of this size, each beginning a stride
	 * behind the one before, so that whatever is not longer than a stride
	 * is whole in one of them. */
	WORD_MAX_OCTETS = 64,
	WORD_STRIDE_OCTETS = 32,
	PIECES_MAX = 16, // of a needle; what is behind them is not looked at
};

struct words {
	struct str rest;
	struct str run; // what is left of a long one
};

void words_init(struct words *w, struct str text);
bool words_next(struct words *w, struct str *word_out);

/* Which words a text must have, if it has the needle. */
struct piece {
	struct str text; // at most WORD_MAX_OCTETS, of the needle
	bool has_start;	 // the word begins with it, or
	bool has_end;	 // ends with it; or contains it
};

struct pieces {
	struct piece list[PIECES_MAX];
	size_t n; // 0: any text may have it
	/* A text has the needle if one of its words has the only piece. */
	bool is_exact;
};

void pieces_of(struct str needle, struct pieces *out);
