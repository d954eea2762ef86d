/* SPDX-License-Identifier: MIT
 * lib/mail/imap_reader.h - reads the arguments of an IMAP command token by
 * token (RFC 3501 and RFC 9051, section 9).
 *
 * The input is one whole command, its literals inline as "{n}" CRLF n bytes.
 * The first fault sticks: from then on each function returns false and gives
 * the empty value, so a parser may read on and look at the fault once, at the
 * end. Tokens borrow from the input, or from the arena where a quoted string
 * had to be unescaped; both must outlive what was read. */
#pragma once

#include "lib/base/arena.h"

enum {
	IMAP_DEPTH_MAX = 50, // parentheses, NOT, OR, part numbers
};

enum imap_fault {
	IMAP_FINE,
	IMAP_FAULT_SYNTAX,  // answer BAD
	IMAP_FAULT_LIMIT,   // answer NO [LIMIT]
	IMAP_FAULT_CHARSET, // answer NO [BADCHARSET (US-ASCII UTF-8)]
};

struct imap_reader {
	struct str in;
	size_t at;
	struct arena *arena;
	enum imap_fault fault;
	const char *fault_text; // for the tagged answer; NULL while fine
	unsigned depth;
};

void
imap_reader_init(struct imap_reader *r, struct str args, struct arena *arena);
/* Records the fault unless there is one already; returns false. The text is
 * static and holds no foreign bytes. */
bool imap_reader_fail(struct imap_reader *r, enum imap_fault fault,
		      const char *text);

/* The next byte as 0..255, or -1 at the end and after a fault. */
int imap_reader_peek(const struct imap_reader *r);
/* Is all read, without a fault? Records nothing. */
bool imap_reader_is_done(const struct imap_reader *r);
/* Demands the end of the arguments. */
bool imap_reader_end(struct imap_reader *r);
/* Demands one SP. */
bool imap_reader_space(struct imap_reader *r);
/* Demands the byte c. */
bool imap_reader_byte(struct imap_reader *r, char c);
/* Takes the byte c if it comes next; false is no fault. */
bool imap_reader_try(struct imap_reader *r, char c);
/* Takes the word if the next atom equals it, whatever the case; else takes
 * nothing, and false is no fault. */
bool imap_reader_try_word(struct imap_reader *r, struct str word);

bool imap_reader_atom(struct imap_reader *r, struct str *out);
/* Quoted or literal. Quoted strings are valid UTF-8 without NUL, CR and LF;
 * only a literal8 ("~{n}") may hold NUL. */
bool imap_reader_string(struct imap_reader *r, struct str *out);
bool imap_reader_astring(struct imap_reader *r, struct str *out);
/* NIL gives STR_NONE. */
bool imap_reader_nstring(struct imap_reader *r, struct str *out);
/* list-mailbox: an atom that may hold "%", "*" and "]", or a string. */
bool imap_reader_list_mailbox(struct imap_reader *r, struct str *out);
/* A flag with its backslash, or a keyword; also "\*". Only the form is
 * checked. */
bool imap_reader_flag(struct imap_reader *r, struct str *out);
/* Digits, at most UINT32_MAX; nz refuses 0. */
bool imap_reader_number(struct imap_reader *r, uint32_t *out);
bool imap_reader_nz_number(struct imap_reader *r, uint32_t *out);
/* Digits, at most 2^63-1 (RFC 9051 number64). */
bool imap_reader_number64(struct imap_reader *r, uint64_t *out);

/* Lists: open, then next() before each element. next() takes the SP between
 * elements, or the ")" and returns false:
 *	imap_reader_open(r);
 *	for (size_t n = 0; imap_reader_next(r, n); n++)
 *		imap_reader_atom(r, &atom);
 * A list ends at a fault too. Opening more than IMAP_DEPTH_MAX is a fault. */
bool imap_reader_open(struct imap_reader *r);
bool imap_reader_next(struct imap_reader *r, size_t n_before);

/* Classes of bytes (RFC 3501 section 9). */
bool imap_is_atom_char(char c);
bool imap_is_astring_char(char c);
/* Is it an atom as a whole: at least one byte, all of them atom chars? */
bool imap_is_atom(struct str s);
