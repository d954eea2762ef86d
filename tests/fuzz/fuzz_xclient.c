/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_xclient.c - the arguments of XCLIENT (S25).
 *
 * Oracle: a value has nothing that could end a line of a reply, a header or the
 * log; an attribute that was not given has none. */
#include "lib/base/check.h"
#include "lib/mail/xclient.h"

enum { MAX_OCTETS = 1 << 14 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA_INIT(1 << 20);
	struct xclient x;

	if (size <= MAX_OCTETS &&
	    xclient_parse(str_of(data, size), &arena, &x) == OK)
		for (size_t i = 0; i < XCLIENT_NAMES; i++) {
			struct str value = x.attributes[i].value;

			if (x.attributes[i].state != XCLIENT_GIVEN)
				continue;
			check(value.n <= size);
			check(str_chr(value, '\r') < 0);
			check(str_chr(value, '\n') < 0);
			check(str_chr(value, '\0') < 0);
		}
	arena_release(&arena);
	return 0;
}
