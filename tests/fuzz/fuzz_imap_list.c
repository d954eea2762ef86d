/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_imap_list.c - the matcher agrees with the definition of "*"
 * and "%" written as plain recursion; and the parser of LIST.
 *
 * Input: the arguments of LIST, or "=" pattern NUL name. */
#include "lib/base/check.h"
#include "lib/mail/imap_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	SHORT = 24, // recursion is exponential
	LONG_SHIFT = 100,
};

static bool
is_match(struct str pattern, struct str name)
{
	if (pattern.n == 0)
		return name.n == 0;
	if (pattern.p[0] != '*' && pattern.p[0] != '%')
		return name.n > 0 && name.p[0] == pattern.p[0] &&
		       is_match(str_from(pattern, 1), str_from(name, 1));
	if (is_match(str_from(pattern, 1), name))
		return true;
	return name.n > 0 && (pattern.p[0] == '*' || name.p[0] != '/') &&
	       is_match(pattern, str_from(name, 1));
}

static unsigned
count_wildcards(struct str pattern)
{
	unsigned n = 0;

	for (size_t i = 0; i < pattern.n; i++)
		n += pattern.p[i] == '*' || pattern.p[i] == '%';
	return n;
}

/* Also with a long run of literals before, so that states lie in the later
 * words. */
static void
compare(struct str pattern, struct str name, struct arena *arena)
{
	struct buf before = BUF_INIT(1000), long_name = BUF_INIT(1000);
	const struct imap_list_pattern *p;
	bool want = is_match(pattern, name);

	p = imap_list_pattern_new(STR_NONE, pattern, '/', arena);
	check(p != NULL && imap_list_matches(p, name) == want);
	for (size_t i = 0; i < LONG_SHIFT; i++)
		buf_putc(&before, 'x');
	buf_put(&long_name, buf_str(&before));
	buf_put(&long_name, name);
	p = imap_list_pattern_new(buf_str(&before), pattern, '/', arena);
	check(p != NULL && imap_list_matches(p, buf_str(&long_name)) == want);
	buf_release(&before);
	buf_release(&long_name);
}

static void
check_list(struct str in, struct arena *arena)
{
	struct imap_reader r;
	struct imap_list list;

	imap_reader_init(&r, in, arena);
	if (!imap_list_read(&r, IMAP_STATUS_ALL, &list)) {
		check(r.fault != IMAP_FINE && r.fault_text != NULL);
		return;
	}
	check(list.n_patterns >= 1);
	check((list.status_items != 0) ==
	      ((list.return_bits & IMAP_LIST_RETURN_STATUS) != 0));
	check(!list.asks_separator || list.patterns[0].n == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA_INIT(1 << 20);
	struct str in = str_of(data, size), pattern;

	if (size > 0 && in.p[0] == '=') {
		in = str_from(in, 1);
		str_split(&in, '\0', &pattern);
		if (pattern.n <= SHORT && in.n <= SHORT &&
		    count_wildcards(pattern) <= 6 &&
		    !str_istarts(in, S("INBOX")))
			compare(pattern, in, &arena);
	} else {
		check_list(in, &arena);
	}
	arena_release(&arena);
	return 0;
}
