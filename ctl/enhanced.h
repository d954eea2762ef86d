/* SPDX-License-Identifier: MIT
 * ctl/enhanced.h - what an enhanced status code (RFC 3463) means here, and what
 * to change. Pure. */
#pragma once

#include "lib/base/str.h"

enum explain_language { EXPLAIN_ENGLISH, EXPLAIN_SPANISH, EXPLAIN_LANGUAGES };

struct explanation {
	const char *code; // "5.7.1", or the end of one: "x.1.1"
	struct {
		const char *meaning, *remedy;
	} in[EXPLAIN_LANGUAGES];
};

/* Cuts the first enhanced status code out of a text, such as a reply, a line of
 * the log, or the code alone; false when there is none. */
bool enhanced_find(struct str text, struct str *code_out);
/* Never NULL: a code that nothing is known of has the explanation of its class
 * and subject. */
const struct explanation *enhanced_explain(struct str code);
/* "550": the enhanced code that most often goes with it; false when none does.
 */
bool enhanced_of_basic(struct str basic, struct str *code_out);
