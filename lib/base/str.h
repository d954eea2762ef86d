/* SPDX-License-Identifier: MIT
 * lib/base/str.h - a borrowed run of bytes: pointer and length.
 *
 * A str owns nothing and has no NUL at p[n]. Bytes are bytes: NUL, 8-bit, bare
 * CR and LF are data. Case functions fold A-Z only, whatever the locale.
 * A str into a buf dies at the buf's next change. */
#pragma once

#include "lib/base/ban.h"
#include "lib/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
	const char *p;
	size_t n;
};

#define STR_INIT(lit)                   \
	{                               \
		"" lit, sizeof(lit) - 1 \
	}
#define S(lit) ((struct str)STR_INIT(lit))
#define STR_NONE ((struct str) { NULL, 0 })
/* Prints with "%.*s". */
#define STR(x) (int)(x).n, (x).p

/* From a NUL-terminated string of libc; NULL gives the empty str. */
struct str str_c(const char *c);
struct str str_of(const void *p, size_t n);

bool str_eq(struct str a, struct str b);
bool str_ieq(struct str a, struct str b);
/* Order of the bytes, shorter first: <0, 0, >0. */
int str_cmp(struct str a, struct str b);
int str_icmp(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_istarts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
bool str_iends(struct str s, struct str suffix);

/* Index of the first / last byte c, or -1. */
ptrdiff_t str_chr(struct str s, char c);
ptrdiff_t str_rchr(struct str s, char c);
/* Index of the first occurrence, or -1; the empty needle is found at 0. */
ptrdiff_t str_find(struct str s, struct str needle);
ptrdiff_t str_ifind(struct str s, struct str needle);

/* Parts; an index beyond the end is taken as the end. */
struct str str_from(struct str s, size_t at);	       // s[at..]
struct str str_first(struct str s, size_t n);	       // s[..n)
struct str str_sub(struct str s, size_t at, size_t n); // s[at..at+n)
/* Without leading and trailing SP, HT, CR, LF. */
struct str str_trim(struct str s);
struct str str_ltrim(struct str s);
struct str str_rtrim(struct str s);

/* Cuts at the first byte c: *head_out is before it, *s becomes what follows.
 * Without c the whole is head and *s is empty. False when *s was STR_NONE
 * (p == NULL), which is also what *s becomes after the last piece. */
bool str_split(struct str *s, char c, struct str *head_out);
/* Like str_split at runs of SP, HT, CR, LF; never gives an empty word. */
bool str_word(struct str *s, struct str *word_out);
/* Takes one line, without its LF or CRLF; a last line may lack its end. */
bool str_line(struct str *s, struct str *line_out);

/* Digits only, at least one, no sign, all of s; false on anything else and on
 * overflow past max. *out is untouched on failure. */
bool str_to_u64(struct str s, uint64_t max, uint64_t *out);

/* One byte at a time. */
char ascii_lower(char c);
char ascii_upper(char c);
bool ascii_is_digit(char c);
bool ascii_is_alpha(char c);
bool ascii_is_space(char c); // SP HT CR LF
bool ascii_is_print(char c); // 0x20..0x7e
/* 0..15, or -1. */
int ascii_hex(char c);

/* A NUL-terminated copy in own memory, for libc; caller calls free().
 * The bytes must hold no NUL (check). */
char *str_dup_c(struct str s);
/* Copies into dst and ends it with NUL; ERR_LIMIT when s does not fit with the
 * NUL, ERR_FORMAT when s holds a NUL. For paths. */
enum err str_to_c(struct str s, char *dst, size_t dst_size) MUST_USE;

/* Equal? In time that depends on the lengths alone. */
bool str_eq_secret(struct str a, struct str b);
