/* SPDX-License-Identifier: MIT
 * lib/base/check.h - assertions that stay on in production. */
#pragma once

#include "lib/base/err.h"

/* A false condition is a bug of ours: prints place, text and a backtrace to
 * standard error, then aborts. The parent starts the role anew. */
#define check(cond)                                              \
	do {                                                     \
		if (__builtin_expect(!(cond), 0))                \
			check_failed(#cond, __FILE__, __LINE__); \
	} while (0)

/* What must not be lost in memory, or NULL. It may run in any thread, at any
 * place. */
extern void (*check_before_abort)(void);

NORETURN void check_failed(const char *what, const char *file, int line);

/* Memory that cannot be had ends the role (STYLE: ERRORS). The result is never
 * NULL and belongs to the caller, who passes it to free(). */
void *must_alloc(unsigned long size_octets); // zeroed
void *must_realloc(void *p, unsigned long size_octets);
