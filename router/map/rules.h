/* SPDX-License-Identifier: MIT
 * router/map/rules.h - tables whose lines are rules: regexp, pcre, cidr.
 *
 * A rule is "pattern value"; the first that matches answers. "if pattern" ...
 * "endif" enclose rules that are looked at only when the pattern matches; they
 * nest. '!' in front means the contrary. A rule that cannot be read is left
 * out with a warning, as in Postfix.
 *
 * regexp and pcre: "/pattern/flags"; any delimiter; case does not count unless
 * the flag i says so. In the value $1, ${1} and $(1) stand for what a group
 * matched, $$ for '$'. Both run on PCRE2 (regexp after translation,
 * posix_pattern.h), bounded in steps, memory and depth; a rule that meets its
 * bound makes the lookup fail, so that the answer is "later".
 * cidr: "network/bits", and keys are addresses; other keys match nothing. */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/diag.h"
#include "lib/mail/cidr.h"

enum rules_kind { RULES_REGEXP, RULES_PCRE, RULES_CIDR };

struct rules;

struct rules_options {
	enum rules_kind kind;
	bool is_no_substitution; // rules with $1 are left out
};

/* Reads the rules of a file or, with is_inline, of "{{rule}, {rule} ...}".
 * bytes, file and arena must outlive them. ERR_FORMAT: the braces are not
 * right (told). ERR_LIMIT: the arena is full. *out is NULL then. line is that
 * of an inline table in main.cf. */
enum err rules_load(struct arena *arena, struct str file, uint32_t line,
		    struct str bytes, bool is_inline,
		    const struct rules_options *options, struct diag *d,
		    struct rules **out) MUST_USE;
void rules_free(struct rules **r);

/* OK; ERR_NOT_FOUND; ERR_UNAVAILABLE with the reason in *value_out: a bound was
 * met; ERR_LIMIT: the arena is full. steps_left: a bound over several lookups,
 * counted down; NULL: each has its own alone. */
enum err rules_find(const struct rules *r, struct str key, struct arena *arena,
		    uint64_t *steps_left, struct str *value_out,
		    uint32_t *line_out) MUST_USE;

/* Walks over the rules that have a value, in order: for lint. False at the
 * end. */
struct rule_view {
	uint32_t line;
	struct str pattern; // as written
	struct str value;
	bool is_negated;
	bool is_guarded;	// between if and endif
	const struct cidr *net; // cidr alone; without the '!'
	bool is_v6;		// cidr: IPv4 addresses never match
};
bool rules_next(const struct rules *r, size_t *at, struct rule_view *out);
