/* SPDX-License-Identifier: MIT
 * router/map/posix_pattern_test.c - the translation against glibc's regexec().
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "router/map/posix_pattern.c"

#include "tests/unit/unit.h"

#include <pcre2.h>
#include <regex.h>
#include <stdlib.h>

enum { ROUNDS = 20000 };

/* 1: matches, 0: does not, -1: no pattern. */
static int
theirs(const char *pattern, bool is_extended, const char *subject)
{
	regex_t re;
	int result;

	if (regcomp(&re, pattern,
		    REG_ICASE | REG_NOSUB | (is_extended ? REG_EXTENDED : 0)) !=
	    0)
		return -1;
	result = regexec(&re, subject, 0, NULL, 0) == 0;
	regfree(&re);
	return result;
}

static int
ours(const char *pattern, bool is_extended, const char *subject)
{
	struct buf out = BUF_INIT(4096);
	const char *why = NULL;
	pcre2_match_data *data;
	pcre2_code *code = NULL;
	PCRE2_SIZE at;
	int error, result = -1;

	if (posix_translate(str_c(pattern), is_extended, &out, &why) == OK)
		code = pcre2_compile((PCRE2_SPTR)out.p, out.n,
				     PCRE2_CASELESS | PCRE2_DOTALL |
					     PCRE2_DOLLAR_ENDONLY,
				     &error, &at, NULL);
	else
		assert_non_null(why);
	if (code != NULL) {
		data = pcre2_match_data_create(32, NULL);
		result = pcre2_match(code, (PCRE2_SPTR)subject, strlen(subject),
				     0, 0, data, NULL) >= 0;
		pcre2_match_data_free(data);
	}
	pcre2_code_free(code);
	buf_release(&out);
	return result;
}

static void
compare(const char *pattern, bool is_extended, const char *subject)
{
	int want = theirs(pattern, is_extended, subject);
	int got = ours(pattern, is_extended, subject);

	if (want != got)
		fail_msg("%s \"%s\" on \"%s\": got %d, want %d",
			 is_extended ? "extended" : "basic", pattern, subject,
			 got, want);
}

static void
patterns_match_as_in_glibc(void **state UNUSED)
{
	static const char *const extended[] = {
		"a",	    "a+b",     "a*?",	    "a+?b",	"(ab)+?c",
		"a{2}{3}",  "a{2,1}",  "a{,2}b",    "x{3",	"{a",
		"[]a]",	    "[^]a]",   "[a\\]b]",   "[\\d]",	"[[:alpha:]]+@",
		"[[.-.]]",  "[[=a=]]", "[=a=]",	    "[.a.]",	"[:a:]",
		"[a-f0-9]", "a|b|",    "()",	    "(a|b)*c",	"^a$",
		"a^b",	    "a$b",     "(^a)",	    "(a$)",	"\\.",
		"\\(a\\)",  "\\<b",    "a\\>",	    "\\w+@",	"\\W",
		"\\bab\\b", "a\\.b",   "(a)\\1",    "(",	")",
		"a)",	    "[a",      "a**",	    "\\",	"\\\\",
		"(?:a)",    "*a",      "+a",	    "a|*b",	"(*a)",
		"[a-]",	    "[[]",     "a\\{2",	    "\\`a",	"b\\'",
		"a{1}b{0}", "a{256}",  "[[:]a",	    "[[:a1:]]", "[a[:b]",
		"[[.]a",    "[[=]a",   "[[:a b:]]",
	};
	static const char *const basic[] = {
		"a*",	    "*a",     "\\(a\\)*b", "a\\{2\\}", "a\\{2,\\}b",
		"a+",	    "a\\+",   "a\\?b",	   "a\\|b",    "\\(*a\\)",
		"^*a",	    "a^b",    "^a$",	   "a$b",      "\\(^a\\)",
		"\\(a$\\)", "(a)",    "a{2}",	   "[*]",      "\\(a\\)\\1",
		"\\(",	    "\\)",    "a\\{2",	   "\\{a",     "a.b",
		"a|b",	    "a\\|^b",
	};
	static const char *const subjects[] = {
		"",	"a",	  "b",	 "ab",	 "aab",	 "aaaaaa", "a+b",
		"a*b",	"user@x", "a^b", "a$b",	 "(a)",	 "]",	   "\\",
		"-",	"{a",	  "x{3", "abc",	 "ba",	 "aa",	   "*a",
		"d",	"a b",	  "a.b", ")",	 "a{2}", "+a",	   "?",
		"a\nb", "[",	  "a|b", "abab", "axb",	 "a{2",	   "cab",
	};

	for (size_t j = 0; j < N_OF(subjects); j++) {
		for (size_t i = 0; i < N_OF(extended); i++)
			compare(extended[i], true, subjects[j]);
		for (size_t i = 0; i < N_OF(basic); i++)
			compare(basic[i], false, subjects[j]);
	}
}

static void
random_patterns_match_as_in_glibc(void **state UNUSED)
{
	static const char *const pieces[] = {
		"a",	"b", "ab",    "(",	     ")",     "|",
		"*",	"+", "?",     "{2}",	     "{1,2}", "[ab]",
		"[^a]", ".", "\\.",   "[]x]",	     "\\w",   "^",
		"$",	"@", "(a|b)", "[[:digit:]]",
	};
	unsigned seed = 20261121;
	size_t n_hits = 0, n_bad = 0;

	for (int i = 0; i < ROUNDS; i++) {
		char pattern[128] = "", subject[32];
		int n = 1 + rand_r(&seed) % 6, m = rand_r(&seed) % 8;

		for (int k = 0, at = 0; k < n; k++)
			at += snprintf(pattern + at,
				       sizeof(pattern) - (size_t)at, "%s",
				       pieces[rand_r(&seed) % N_OF(pieces)]);
		for (int k = 0; k < m; k++)
			subject[k] = "ab.x1@"[rand_r(&seed) % 6];
		subject[m] = '\0';
		n_hits += theirs(pattern, true, subject) == 1;
		n_bad += theirs(pattern, true, subject) < 0;
		compare(pattern, true, subject);
	}
	print_message("%d patterns: %zu match, %zu are none\n", ROUNDS, n_hits,
		      n_bad);
	assert_true(n_hits > 1000 && n_bad > 100);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_match_as_in_glibc),
		cmocka_unit_test(random_patterns_match_as_in_glibc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
