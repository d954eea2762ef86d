/* SPDX-License-Identifier: MIT
 * lib/base/check.c - what happens when an invariant is broken. */
#include "lib/base/check.h"

#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	BACKTRACE_DEPTH = 48,
	/* What glibc's threads keep for themselves (tcache), where malloc()
	 * finds it without a lock. Its calloc() never looks there. */
	QUICK_OCTETS = 1032,
};

void (*check_before_abort)(void);

void
check_failed(const char *what, const char *file, int line)
{
	void *frames[BACKTRACE_DEPTH];
	int n;

	if (check_before_abort != NULL)
		check_before_abort();
	dprintf(STDERR_FILENO, "level=error ev=bug at=%s:%d check=\"%s\"\n",
		file, line, what);
	n = backtrace(frames, BACKTRACE_DEPTH);
	backtrace_symbols_fd(frames, n, STDERR_FILENO);
	abort();
}

void *
must_alloc(unsigned long size_octets)
{
	void *p;

	if (size_octets > QUICK_OCTETS) {
		p = calloc(1, size_octets);
		check(p != NULL);
		return p;
	}
	p = malloc(size_octets ? size_octets : 1);
	check(p != NULL);
	return memset(p, 0, size_octets);
}

void *
must_realloc(void *p, unsigned long size_octets)
{
	void *q = realloc(p, size_octets ? size_octets : 1);

	check(q != NULL);
	return q;
}
