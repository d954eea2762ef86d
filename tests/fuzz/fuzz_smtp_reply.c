/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_smtp_reply.c - a reply read whole and by pieces is the same;
 * what was read can be written and read again. First byte: size of pieces. */
#include "lib/base/check.h"
#include "lib/mail/smtp_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum smtp_reply_result
read_in_pieces(struct smtp_reply *r, struct str in, size_t step,
	       size_t *consumed_out)
{
	enum smtp_reply_result result = SMTP_REPLY_MORE;

	*consumed_out = 0;
	while (*consumed_out < in.n && result == SMTP_REPLY_MORE) {
		size_t n = 0;

		result = smtp_reply_feed(r, str_sub(in, *consumed_out, step),
					 &n);
		*consumed_out += n;
	}
	return result;
}

static void
check_written(const struct smtp_reply *r)
{
	struct buf b = BUF_INIT(1 << 16);
	struct smtp_reply again;
	size_t n;

	check(smtp_reply_format(&b, r->code, STR_NONE, smtp_reply_text(r)) ==
	      OK);
	check(b.n <= SMTP_REPLY_WRITE_MAX);
	smtp_reply_init(&again);
	check(smtp_reply_feed(&again, buf_str(&b), &n) == SMTP_REPLY_DONE);
	check(n == b.n && again.code == r->code && again.n_lines == 1);
	smtp_reply_release(&again);
	buf_release(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_reply one, two;
	size_t n_one, n_two, at = 0, n_lines = 0;
	enum smtp_reply_result result;
	struct str in, line, args;

	if (size == 0)
		return 0;
	in = str_of(data + 1, size - 1);
	smtp_reply_init(&one);
	smtp_reply_init(&two);
	result = read_in_pieces(&one, in, in.n, &n_one);
	check(result == read_in_pieces(&two, in, 1u + data[0], &n_two));
	if (result == SMTP_REPLY_DONE) {
		check(n_one == n_two && one.code == two.code);
		check(str_eq(smtp_reply_text(&one), smtp_reply_text(&two)));
		check(str_eq(smtp_reply_enhanced(&one),
			     smtp_reply_enhanced(&two)));
		check(one.code >= 200 && one.code <= 559);
		while (smtp_reply_line(&one, &at, &line)) {
			check(line.n <= SMTP_REPLY_LINE_MAX);
			check(str_chr(line, '\r') < 0);
			check(str_chr(line, '\0') < 0);
			n_lines++;
		}
		check(n_lines == one.n_lines);
		check(n_lines <= SMTP_REPLY_LINES_MAX);
		smtp_reply_keyword(&one, S("SIZE"), &args);
		check_written(&one);
	}
	smtp_reply_release(&one);
	smtp_reply_release(&two);
	return 0;
}
