/* SPDX-License-Identifier: MIT
 * lib/base/diag.h - what is wrong with the operator's files, collected.
 *
 * A reader of a file never prints: it adds entries here, each with file and
 * line, what is wrong and what to write instead. Who called the reader logs
 * them, or shows them to the operator. Entries live in the collector's own
 * arena; when that is full, further entries are counted but not kept. */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/buf.h"

enum diag_severity {
	DIAG_NOTE,    // works, but the operator may want to know
	DIAG_WARNING, // works in part, or not as it looks
	DIAG_ERROR,   // does not work; the file or the entry is refused
};

struct diag_entry {
	struct diag_entry *next;
	enum diag_severity severity;
	uint32_t line;	 // from 1; 0: the file as a whole
	struct str file; // empty: no file (an environment variable ...)
	struct str text; // printable: control bytes were replaced by '?'
};

struct diag {
	struct arena arena;
	struct diag_entry *first, *last;
	size_t n_errors, n_warnings, n_notes;
	size_t n_dropped; // not kept, though counted above
};

void diag_init(struct diag *d, size_t max_octets);
void diag_release(struct diag *d);

/* Adds one entry; file and text are copied. A text over 1 KiB is cut. d may be
 * NULL: then nobody wants to know. */
void diag_add(struct diag *d, enum diag_severity severity, struct str file,
	      uint32_t line, const char *format, ...) PRINTF(5, 6);

#define diag_error(d, file, line, ...) \
	diag_add(d, DIAG_ERROR, file, line, __VA_ARGS__)
#define diag_warn(d, file, line, ...) \
	diag_add(d, DIAG_WARNING, file, line, __VA_ARGS__)
#define diag_note(d, file, line, ...) \
	diag_add(d, DIAG_NOTE, file, line, __VA_ARGS__)

/* "error", "warning", "note". */
const char *diag_severity_text(enum diag_severity severity);
/* Appends "file:line: warning: text\n" (without line or file where there is
 * none). ERR_LIMIT: out is full and unchanged. */
enum err diag_format(const struct diag_entry *e, struct buf *out) MUST_USE;
/* Appends all entries in the order of their arrival, and a last line with the
 * number of those that were not kept. ERR_LIMIT: only the first ones fit. */
enum err diag_format_all(const struct diag *d, struct buf *out) MUST_USE;
