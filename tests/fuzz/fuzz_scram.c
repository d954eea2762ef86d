/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_scram.c - two messages of a client, one per line: the header
 * and the rest of the first are the whole of it, names have no NUL, and no
 * proof that the fuzzer finds is right. */
#include "lib/base/check.h"
#include "lib/mail/scram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct scram_secret secret;
	struct arena arena = ARENA_INIT(1 << 16);
	struct buf challenge = BUF_INIT(4096), out = BUF_INIT(4096);
	struct str rest = str_of(data, size), line = S("");
	struct scram_first first;

	if (secret.iterations == 0)
		check(scram_secret_make(S("pencil"), S("salt"), 1, &secret));
	str_split(&rest, '\n', &line);
	for (int plus = 0; plus < 2; plus++) {
		if (scram_first_parse(line, plus == 1, plus == 1, &arena,
				      &first) != SCRAM_OK)
			continue;
		check(first.header.n + first.bare.n == line.n);
		check(str_chr(first.user, '\0') < 0 && first.user.n > 0);
		buf_clear(&challenge);
		check(scram_challenge(&challenge, &first, S("server"),
				      &secret) == OK);
		check(scram_verify(rest, &first, buf_str(&challenge), S(""),
				   &secret, &out) != SCRAM_OK);
	}
	(void)scram_secret_read(rest, &secret);
	check(scram_secret_make(S("pencil"), S("salt"), 1, &secret));
	buf_release(&challenge);
	buf_release(&out);
	arena_release(&arena);
	return 0;
}
