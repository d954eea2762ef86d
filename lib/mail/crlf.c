/* SPDX-License-Identifier: MIT
 * lib/mail/crlf.c - a text seen as if all its line ends were CRLF. */
#include "lib/mail/crlf.h"

/* Index of the next LF without a CR before it, from at on; s.n if none. */
static size_t
bare_lf(struct str s, size_t at)
{
	while (at < s.n) {
		const char *lf = memchr(s.p + at, '\n', s.n - at);

		if (lf == NULL)
			return s.n;
		at = (size_t)(lf - s.p);
		if (at == 0 || s.p[at - 1] != '\r')
			return at;
		at++;
	}
	return s.n;
}

size_t
crlf_size(struct str s)
{
	size_t n = s.n;

	for (size_t at = bare_lf(s, 0); at < s.n; at = bare_lf(s, at + 1))
		n++;
	return n;
}

enum err
crlf_add(struct buf *out, struct str s)
{
	return crlf_add_slice(out, s, 0, SIZE_MAX);
}

/* Adds what of run, which stands at octet at of the CRLF form, lies in
 * [first, first + n). The caller has reserved the room. */
static void
put_inside(struct buf *out, struct str run, size_t at, size_t first, size_t n)
{
	if (at < first) {
		run = str_from(run, first - at);
		at = first;
	}
	if (at - first < n)
		buf_put(out, str_first(run, n - (at - first)));
}

enum err
crlf_add_slice(struct buf *out, struct str s, size_t first, size_t n)
{
	size_t size = crlf_size(s), at = 0, from = 0;

	if (first >= size)
		return OK;
	if (n > size - first)
		n = size - first;
	if (buf_reserve(out, n) != OK)
		return ERR_LIMIT;
	while (from < s.n && (at < first || at - first < n)) {
		size_t lf = bare_lf(s, from);
		struct str run = str_sub(s, from, lf - from);

		put_inside(out, run, at, first, n);
		at += run.n;
		if (lf < s.n) {
			put_inside(out, S("\r\n"), at, first, n);
			at += 2;
		}
		from = lf + 1;
	}
	return OK;
}
