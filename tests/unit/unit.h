/* SPDX-License-Identifier: MIT
 * tests/unit/unit.h - what every x_test.c includes: cmocka and the helpers
 * that compare a struct str. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/buf.h"

/* A str against a C literal; prints both on failure. */
#define assert_str(got, want) \
	unit_assert_str((got), S(want), __FILE__, __LINE__)
#define assert_str_eq(got, want) \
	unit_assert_str((got), (want), __FILE__, __LINE__)
#define N_OF(array) (sizeof(array) / sizeof(*(array)))

static inline void
unit_assert_str(struct str got, struct str want, const char *file, int line)
{
	if (str_eq(got, want))
		return;
	print_error("got  \"%.*s\" (%zu)\nwant \"%.*s\" (%zu)\n", STR(got),
		    got.n, STR(want), want.n);
	_fail(file, line);
}
