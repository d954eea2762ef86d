/* SPDX-License-Identifier: MIT
 * router/map/posix_pattern.h - a POSIX regular expression as one of PCRE2.
 *
 * glibc's regexec() has no bound on its time; PCRE2 has. The translation keeps
 * what decides whether a string matches. Where a string can be matched in
 * several ways POSIX takes the longest and PCRE2 the first alternative, so $0
 * to $9 may differ for patterns such as "(a|ab)(c|bcd)". GNU's \w \W \s \S \b
 * \B \< \> \` \' and back-references are understood. Pure.
 * Standards: POSIX.1-2017, XBD 9.3 (basic), 9.4 (extended). */
#pragma once

#include "lib/base/buf.h"

/* Appends the translation. ERR_FORMAT with *why_out: not a pattern; ERR_LIMIT:
 * out is full, or too many levels of brackets. */
enum err posix_translate(struct str pattern, bool is_extended, struct buf *out,
			 const char **why_out) MUST_USE;
