/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_deflate.c - what a client sends after COMPRESS DEFLATE.
 *
 * Input: how much room each read has and in what pieces the rest comes (one
 * octet each), then the stream. Oracle: never more than the room; never more
 * than DEFLATE can make of it; the same in other pieces and other rooms; what
 * is deflated inflates to itself; a pause is never negative. */
#include "lib/base/check.h"
#include "lib/rt/deflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RATIO = 1032, MOST = 1 << 22 };

static enum err
inflate_all(struct str in, size_t piece, size_t room, struct buf *out)
{
	struct deflate *d = deflate_new();
	struct buf to = BUF_INIT(room), raw = BUF_INIT(piece);
	enum err e = OK;

	check(buf_reserve(&to, room) == OK);
	while (e == OK && (in.n > 0 || deflate_has_more(d)) && out->n < MOST) {
		struct str rest;

		buf_clear(&raw); // of exactly this size: no octet behind it
		buf_put(&raw, str_first(in, piece));
		rest = buf_str(&raw);
		in = str_from(in, piece);
		do {
			size_t n = 0;

			e = deflate_read(d, &rest, to.p, room, &n);
			check(n <= room);
			check(deflate_pause_us(d) >= 0);
			buf_put(out, str_of(to.p, n));
			if (n == 0 && !deflate_has_more(d))
				break;
		} while (e == OK && out->n < MOST);
	}
	deflate_free(&d);
	buf_release(&to);
	buf_release(&raw);
	return e;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf one = BUF_INIT(2 * MOST), two = BUF_INIT(2 * MOST);
	struct buf packed = BUF_INIT(1 << 20);
	struct deflate *d;
	struct str in;

	if (size < 2 || size > MOST / RATIO)
		return 0;
	in = str_of(data + 2, size - 2);
	inflate_all(in, in.n + 1, 65536, &one);
	inflate_all(in, 1 + data[1], 1 + data[0], &two);
	check(one.n <= (in.n + 1) * RATIO && two.n <= one.n);
	check(str_starts(buf_str(&one), buf_str(&two)));

	d = deflate_new();
	deflate_write(d, in, &packed);
	deflate_free(&d);
	buf_clear(&one);
	check(inflate_all(buf_str(&packed), 1 + data[1], 1 + data[0], &one) ==
	      OK);
	check(str_eq(buf_str(&one), in));
	buf_release(&one);
	buf_release(&two);
	buf_release(&packed);
	return 0;
}
