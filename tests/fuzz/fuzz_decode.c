/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_decode.c - texts come out as UTF-8, and a body decodes to the
 * same bytes however it is cut into pieces. */
#include "lib/base/check.h"
#include "lib/mail/decode.h"
#include "lib/mail/search_text.h"

#include <unistr.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_text(struct buf *b)
{
	check(b->n == 0 || u8_check((const uint8_t *)b->p, b->n) == NULL);
	check(b->n == 0 || memchr(b->p, '\n', b->n) == NULL);
	buf_clear(b);
}

static void
check_pieces(struct str in, enum mime_encoding encoding, bool is_text,
	     struct str charset, size_t step)
{
	struct buf whole = BUF_INIT(1 << 20), cut = BUF_INIT(1 << 20);
	struct decode d;

	decode_init(&d, encoding, is_text, charset);
	check(decode_feed(&d, &whole, in) == OK);
	check(decode_finish(&d, &whole) == OK);
	decode_release(&d);
	decode_init(&d, encoding, is_text, charset);
	for (; in.n > 0; in = str_from(in, step))
		check(decode_feed(&d, &cut, str_first(in, step)) == OK);
	check(decode_finish(&d, &cut) == OK);
	decode_release(&d);
	check(str_eq(buf_str(&whole), buf_str(&cut)));
	check(!is_text || whole.n == 0 ||
	      u8_check((const uint8_t *)whole.p, whole.n) == NULL);
	buf_release(&whole);
	buf_release(&cut);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct str charsets[] = {
		STR_INIT("utf-8"),     STR_INIT("iso-8859-15"),
		STR_INIT("gbk"),       STR_INIT("iso-2022-jp"),
		STR_INIT("no-such"),   STR_INIT("iso-2022-kr"),
		STR_INIT("shift_jis"), STR_INIT("utf-16le"),
	};
	struct str in = str_of(data, size);
	struct buf out = BUF_INIT(4 << 20);
	bool is_reply;
	size_t step;

	if (size < 2 || size > 10000)
		return 0;
	step = data[0] % 9 + 1;
	check(decode_words(&out, in) == OK);
	check_text(&out);
	check(search_text_base_subject(&out, in, &is_reply) == OK);
	buf_clear(&out);
	check(search_text_fold(&out, in) == OK);
	check(out.n == 0 || u8_check((const uint8_t *)out.p, out.n) == NULL);
	check_pieces(in, MIME_QUOTED_PRINTABLE, false, STR_NONE, step);
	check_pieces(in, MIME_BASE64, false, STR_NONE, step);
	check_pieces(in, MIME_IDENTITY, true, charsets[data[1] % 8], step);
	buf_release(&out);
	return 0;
}
