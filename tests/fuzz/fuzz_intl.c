/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_intl.c - addresses in one form whatever script (S14).
 *
 * Oracle: the form of a form is itself, and it is UTF-8. */
#include "lib/base/check.h"
#include "lib/base/utf8.h"
#include "lib/mail/intl.h"

enum { MAX_OCTETS = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA_INIT(1 << 20);
	struct str out, again;

	if (size <= MAX_OCTETS &&
	    intl_address(str_of(data, size), &arena, &out) == OK) {
		check(utf8_is_valid(out));
		check(intl_address(out, &arena, &again) == OK);
		check(str_eq(out, again));
	}
	arena_release(&arena);
	return 0;
}
