/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_posix_pattern.c - patterns of regexp: tables.
 *
 * Input: e or b (extended, basic), then the pattern. Oracle: what is translated
 * PCRE2 compiles (but for its own limits, and references to groups that are not
 * there); it stays within a bound of its length; a pattern without special
 * characters matches itself, and nothing shorter. */
#include "lib/base/check.h"
#include "router/map/posix_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PER_OCTET = 32, MORE = 64, MAX_PATTERN = 2000 };

static bool
is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_alpha(s.p[i]) && !ascii_is_digit(s.p[i]))
			return false;
	return s.n > 0;
}

static bool
is_limit(int error)
{
	/* What a bracket holds is PCRE2's to judge, and that an anchor is not
	 * repeated (glibc refuses it, too); the rule's line is told. */
	return error == PCRE2_ERROR_CLASS_RANGE_ORDER ||
	       error == PCRE2_ERROR_QUANTIFIER_INVALID ||
	       error == PCRE2_ERROR_CLASS_INVALID_RANGE ||
	       error == PCRE2_ERROR_UNKNOWN_POSIX_CLASS ||
	       error == PCRE2_ERROR_PARENTHESES_NEST_TOO_DEEP ||
	       error == PCRE2_ERROR_PATTERN_TOO_LARGE ||
	       error == PCRE2_ERROR_PATTERN_TOO_COMPLICATED ||
	       error == PCRE2_ERROR_BAD_SUBPATTERN_REFERENCE;
}

static bool
has_match(pcre2_code *code, struct str s)
{
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	int r = pcre2_match(code, (PCRE2_SPTR)s.p, s.n, 0, 0, data, NULL);

	pcre2_match_data_free(data);
	return r >= 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf out = BUF_INIT(MAX_PATTERN * PER_OCTET + MORE);
	const char *why = NULL;
	struct str pattern;
	pcre2_code *code;
	PCRE2_SIZE at;
	int error = 0;
	enum err e;

	if (size < 1 || size > MAX_PATTERN)
		return 0;
	pattern = str_of(data + 1, size - 1);
	e = posix_translate(pattern, data[0] == 'e', &out, &why);
	check(e == OK || why != NULL || e == ERR_LIMIT);
	check(out.n <= size * PER_OCTET + MORE);
	if (e == OK) {
		code = pcre2_compile((PCRE2_SPTR)(out.n ? out.p : ""), out.n, 0,
				     &error, &at, NULL);
		check(code != NULL || is_limit(error));
		if (code != NULL && is_plain(pattern)) {
			check(has_match(code, pattern));
			check(!has_match(code, str_from(pattern, 1)) ||
			      str_find(str_from(pattern, 1), pattern) >= 0);
		}
		pcre2_code_free(code);
	}
	buf_release(&out);
	return 0;
}
