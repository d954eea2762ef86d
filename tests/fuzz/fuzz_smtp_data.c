/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_smtp_data.c - content read whole and in pieces is the same;
 * stuffed content is one clean message and comes back. First two bytes: where
 * the split is; lowest bit of the third: the mode. */
#include "lib/base/check.h"
#include "lib/mail/smtp_data.h"

enum { OUT_MAX = 1 << 22 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Sizes of the pieces: first, then step each; 0 means all that is left. */
static size_t
read_in_pieces(struct smtp_data *d, struct str in, size_t first, size_t step,
	       enum smtp_data_mode mode, struct buf *out)
{
	enum smtp_data_result r = SMTP_DATA_MORE;
	size_t at = 0, n = first;

	smtp_data_init(d, mode, OUT_MAX);
	while (at < in.n && r == SMTP_DATA_MORE) {
		size_t consumed;

		if (n == 0)
			n = in.n;
		r = smtp_data_feed(d, str_sub(in, at, n), &consumed, out);
		at += consumed;
		n = step;
	}
	if (mode == SMTP_DATA_CHUNK)
		smtp_data_finish(d);
	check(r == SMTP_DATA_END || at == in.n);
	return r == SMTP_DATA_END ? at : 0;
}

static void
check_split(struct str in, size_t first, size_t step, enum smtp_data_mode mode)
{
	struct buf one = BUF_INIT(OUT_MAX), two = BUF_INIT(OUT_MAX);
	struct smtp_data a, b;
	size_t end_a = read_in_pieces(&a, in, 0, 0, mode, &one);
	size_t end_b = read_in_pieces(&b, in, first, step, mode, &two);

	check(end_a == end_b);
	check(str_eq(buf_str(&one), buf_str(&two)));
	check(a.size_octets == b.size_octets && a.size_octets == one.n);
	check(a.header_octets == b.header_octets);
	check(a.longest_line_octets == b.longest_line_octets);
	check(a.n_received == b.n_received);
	check(a.has_bare_cr == b.has_bare_cr);
	check(a.has_bare_lf == b.has_bare_lf);
	check(a.has_nul == b.has_nul && a.has_8bit == b.has_8bit);
	check(a.has_body == b.has_body && a.has_from == b.has_from);
	check(a.has_date == b.has_date);
	check(a.has_message_id == b.has_message_id);
	check(a.ends_with_crlf == b.ends_with_crlf);
	/* The end is where the bytes say so, and nowhere before. */
	if (end_a > 0 && mode == SMTP_DATA_DOTS) {
		struct str read = str_first(in, end_a);
		ptrdiff_t at = str_find(read, S("\r\n.\r\n"));

		if (str_starts(read, S(".\r\n")))
			check(end_a == 3);
		else
			check((size_t)at + 5 == end_a);
	}
	buf_release(&one);
	buf_release(&two);
}

static void
check_sender(struct str in, size_t first)
{
	struct buf one = BUF_INIT(OUT_MAX), two = BUF_INIT(OUT_MAX),
		   back = BUF_INIT(OUT_MAX), plain = BUF_INIT(OUT_MAX);
	struct smtp_stuff s = SMTP_STUFF_INIT, t = SMTP_STUFF_INIT;
	struct smtp_data d, as_chunk;

	check(smtp_data_stuff(&one, in, &s) == OK);
	check(one.n <= 2 * in.n + 1);
	check(smtp_data_stuff_end(&one, &s) == OK);
	check(smtp_data_stuff(&two, str_first(in, first), &t) == OK);
	check(smtp_data_stuff(&two, str_from(in, first), &t) == OK);
	check(smtp_data_stuff_end(&two, &t) == OK);
	check(str_eq(buf_str(&one), buf_str(&two)));

	check(read_in_pieces(&d, buf_str(&one), 0, 0, SMTP_DATA_DOTS, &back) ==
	      one.n);
	check(!d.has_bare_cr && !d.has_bare_lf);
	read_in_pieces(&as_chunk, in, 0, 0, SMTP_DATA_CHUNK, &plain);
	if (!as_chunk.has_bare_cr && !as_chunk.has_bare_lf &&
	    as_chunk.ends_with_crlf)
		check(str_eq(buf_str(&back), in));
	buf_release(&one);
	buf_release(&two);
	buf_release(&back);
	buf_release(&plain);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in;
	size_t first;

	if (size < 3 || size > OUT_MAX / 4)
		return 0;
	in = str_of(data + 3, size - 3);
	first = (data[0] * 256u + data[1]) % (in.n + 1);
	check_split(in, first, 1 + data[2] / 2,
		    data[2] & 1 ? SMTP_DATA_CHUNK : SMTP_DATA_DOTS);
	check_sender(in, first);
	return 0;
}
