/* SPDX-License-Identifier: MIT
 * lib/mail/cflines.h - logical lines of a Postfix-style file.
 *
 * A line that begins with white space continues the one before it. Empty lines
 * and lines whose first non-blank byte is '#' are skipped, within a continued
 * line too. The line end is LF or CRLF; the last may lack it. A UTF-8 byte
 * order mark at the start is skipped. Nothing is copied unless a line has a
 * continuation. Linear in the size of the file. */
#pragma once

#include "lib/base/arena.h"

struct cflines {
	struct str rest;     // not yet read
	uint32_t n_read;     // physical lines taken so far
	struct arena *arena; // joined lines are copied here
};

struct cfline {
	struct str text; // without its line end; lives with file or arena
	uint32_t line;	 // number of its first physical line, from 1
	bool is_orphan;	 // begins with white space: continues nothing
};

/* file must outlive what cflines_next() gives; so must the arena. */
void cflines_init(struct cflines *c, struct str file, struct arena *arena);
/* ERR_EOF after the last line; ERR_LIMIT when the arena is full. */
enum err cflines_next(struct cflines *c, struct cfline *out) MUST_USE;
/* The next physical line that is neither empty nor a comment, as the list
 * files of docker-mailserver have them: no continuation. False at the end. */
bool cflines_next_plain(struct cflines *c, struct cfline *out);

/* White space as isspace() of the C locale has it (VT and FF too). */
bool cflines_is_space(char c);
/* Without such white space at both ends. */
struct str cflines_trim(struct str s);
