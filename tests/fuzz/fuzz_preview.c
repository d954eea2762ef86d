/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_preview.c - the first words of any message, and of any text.
 *
 * Oracle (RFC 8970 3.1): valid UTF-8 without controls, at most 200 characters,
 * no blank at either end and never two. */
#include "lib/base/check.h"
#include "lib/base/utf8.h"
#include "lib/mail/preview.h"

enum { MAX_OCTETS = 1 << 17 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_words(struct str s)
{
	size_t n = 0;

	check(utf8_is_valid(s));
	for (size_t i = 0; i < s.n; i++) {
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
		check((unsigned char)s.p[i] >= ' ' && s.p[i] != 0x7f);
		check(s.p[i] != ' ' ||
		      (i > 0 && i + 1 < s.n && s.p[i + 1] != ' '));
	}
	check(n <= PREVIEW_CHARS_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_of(data, size);
	struct arena arena = ARENA_INIT(MIME_ARENA_OCTETS);
	struct buf b = BUF_INIT(PREVIEW_OCTETS_MAX);
	struct mime_part *root;

	if (size > MAX_OCTETS)
		return 0;
	for (int is_html = 0; is_html < 2; is_html++) {
		buf_clear(&b);
		preview_of_text(&b, in, is_html);
		check_words(buf_str(&b));
	}
	buf_clear(&b);
	check(mime_parse(&arena, in, &root) == OK);
	preview_of_message(&b, in, root);
	check_words(buf_str(&b));
	buf_release(&b);
	arena_release(&arena);
	return 0;
}
