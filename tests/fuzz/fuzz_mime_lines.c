/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_mime_lines.c - the lines of a message are the message, and
 * the same however it is cut. First octet: the size of the pieces. */
#include "lib/base/check.h"
#include "lib/mail/mime_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_all(struct str in, size_t step, struct buf *out)
{
	struct mime_lines m;
	struct mime_line line;
	size_t at = 0, have = 0;

	mime_lines_init(&m);
	while (at < in.n) {
		have = in.n - have < step ? in.n : have + step;
		while (mime_lines_next(&m, str_sub(in, at, have - at),
				       have == in.n, &line)) {
			check(line.octets.p == in.p + at && line.octets.n > 0);
			check(line.text.p == line.octets.p);
			check(line.octets.n - line.text.n == 0 ||
			      str_eq(str_from(line.octets, line.text.n),
				     S("\r\n")));
			buf_putf(out, "%d %zu %llu;", (int)line.kind,
				 line.octets.n, (unsigned long long)line.at);
			at += line.octets.n;
		}
		check(have < in.n || at == in.n);
	}
	mime_lines_release(&m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf one = BUF_INIT(1 << 24), two = BUF_INIT(1 << 24);
	struct str in;

	if (size == 0 || size > MIME_LINES_FIELD_MAX_OCTETS)
		return 0;
	in = str_of(data + 1, size - 1);
	read_all(in, in.n + 1, &one);
	read_all(in, (size_t)data[0] + 1, &two);
	check(str_eq(buf_str(&one), buf_str(&two)));
	buf_release(&one);
	buf_release(&two);
	return 0;
}
