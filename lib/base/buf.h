/* SPDX-License-Identifier: MIT
 * lib/base/buf.h - a growing run of bytes that refuses to pass its maximum.
 *
 * Invariants: n <= cap <= max; p is NULL exactly when cap is 0. A failed add
 * changes nothing. A buf of all zeros has max 0 and so refuses everything:
 * always begin with BUF_INIT or buf_init. */
#pragma once

#include "lib/base/str.h"

#include <stdarg.h>

struct buf {
	char *p;
	size_t n, cap, max;
};

#define BUF_INIT(max_octets)             \
	{                                \
		NULL, 0, 0, (max_octets) \
	}

void buf_init(struct buf *b, size_t max_octets);
/* Frees the memory; the buf is empty and may be used again. */
void buf_release(struct buf *b);
/* Forgets the content, keeps the memory. */
void buf_clear(struct buf *b);

struct str buf_str(const struct buf *b);

/* Each returns ERR_LIMIT and changes nothing when max would be passed. */
enum err buf_add(struct buf *b, struct str s) MUST_USE;
enum err buf_addc(struct buf *b, char c) MUST_USE;
/* In decimal digits; for what is put very often: no format is read. */
enum err buf_add_number(struct buf *b, uint64_t number) MUST_USE;
enum err buf_addf(struct buf *b, const char *format, ...) PRINTF(2, 3) MUST_USE;
enum err buf_vaddf(struct buf *b, const char *format, va_list ap) MUST_USE;

/* As much as fits, so that a full buffer holds the beginning; ERR_LIMIT if that
 * is not all. */
enum err buf_fill(struct buf *b, struct str s) MUST_USE;

/* buf_add() and its kin for what cannot reach max by construction: passing it
 * is a bug. */
void buf_put(struct buf *b, struct str s);
void buf_putc(struct buf *b, char c);
void buf_putf(struct buf *b, const char *format, ...) PRINTF(2, 3);

/* Room for n more bytes at p + n (the caller adds to b->n what it wrote). */
enum err buf_reserve(struct buf *b, size_t n) MUST_USE;
/* Removes the first n bytes (n <= b->n). */
void buf_shift(struct buf *b, size_t n);
/* Shortens to n bytes (n <= b->n). */
void buf_truncate(struct buf *b, size_t n);
/* Overwrites the memory with zeros before freeing it. For secrets. */
void buf_wipe(struct buf *b);
/* Adds foreign bytes for a log or a terminal: printable ASCII stays, other
 * bytes, backslash, '"', '<', '>' and blanks become \xNN; at most max bytes of
 * s, then "...". */
void buf_put_escaped(struct buf *b, struct str s, size_t max);
/* The same for people: of what is printable only the backslash is escaped. */
void buf_put_readable(struct buf *b, struct str s, size_t max);
