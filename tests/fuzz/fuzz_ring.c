/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_ring.c - the file of what was delivered here lately.
 *
 * Input: a user and an id, each ended by LF, then the file; a line that begins
 * with '*' is given a right checksum. Oracle: a line counts exactly when it is
 * what put_record() writes for them, whatever its time; an id is never empty.
 */
#include "mda/store/ring.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
is_expected(struct str line, const struct lookup *l)
{
	struct buf end = BUF_INIT(l->user.n + l->unique.n + 2);
	struct str body = str_from(line, CRC_DIGITS + 1), time = S("");
	char sum[CRC_DIGITS + 1];
	bool is;

	buf_putf(&end, "%.*s\t", STR(l->user));
	buf_put(&end, l->unique);
	snprintf(sum, sizeof(sum), "%08x", crc32c(0, body));
	is = line.n > CRC_DIGITS && str_starts(line, str_c(sum)) &&
	     str_split(&body, '\t', &time) && body.p != NULL &&
	     str_eq(body, buf_str(&end));
	buf_release(&end);
	return is;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_of(data, size), line;
	struct lookup l = { 0 };

	if (!str_split(&rest, '\n', &l.user) || rest.p == NULL ||
	    !str_split(&rest, '\n', &l.unique) || rest.p == NULL ||
	    str_chr(l.user, '\t') >= 0 || str_chr(l.unique, '\t') >= 0 ||
	    str_chr(l.user, '\0') >= 0 || l.unique.n == 0)
		return 0;
	while (str_line(&rest, &line)) {
		struct buf b = BUF_INIT(line.n + 1);
		char sum[CRC_DIGITS + 1];

		buf_put(&b, line);
		if (str_starts(line, S("*")) && line.n > CRC_DIGITS + 1) {
			snprintf(sum, sizeof(sum), "%08x",
				 crc32c(0, str_from(line, CRC_DIGITS + 1)));
			memcpy(b.p, sum, CRC_DIGITS);
		}
		check(is_record_of(buf_str(&b), &l) ==
		      is_expected(buf_str(&b), &l));
		buf_release(&b);
	}
	return 0;
}
