/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_xtext.c - decoded text has no CR, LF, NUL and comes back from
 * its encoding; text without these three always survives the round trip. */
#include "lib/base/check.h"
#include "lib/mail/xtext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
is_forbidden(struct str s)
{
	return str_chr(s, '\r') >= 0 || str_chr(s, '\n') >= 0 ||
	       str_chr(s, '\0') >= 0;
}

static void
check_round_trip(struct str plain, struct arena *a)
{
	struct buf b = BUF_INIT(1 << 22);
	struct str again;

	check(xtext_encode(&b, plain) == OK);
	check(xtext_decode(buf_str(&b), a, &again) == OK);
	check(str_eq(plain, again));
	buf_release(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_INIT(1 << 23);
	struct str in = { (const char *)data, size }, out;

	if (size > 1 << 20)
		return 0;
	if (xtext_decode(in, &a, &out) == OK) {
		check(!is_forbidden(out));
		check(out.n <= in.n);
		check_round_trip(out, &a);
	}
	if (!is_forbidden(in)) {
		check_round_trip(in, &a);
	} else {
		struct buf b = BUF_INIT(1 << 22);

		check(xtext_encode(&b, in) == ERR_FORMAT && b.n == 0);
		buf_release(&b);
	}
	arena_release(&a);
	return 0;
}
