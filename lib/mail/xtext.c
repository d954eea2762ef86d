/* SPDX-License-Identifier: MIT
 * lib/mail/xtext.c - "+" and two hexadecimal digits stand for a byte. */
#include "lib/mail/xtext.h"

static bool
is_forbidden(char c)
{
	return c == '\r' || c == '\n' || c == '\0';
}

/* xchar: "!" to "~" without "+" and "=" */
static bool
is_xchar(char c)
{
	return ascii_is_print(c) && c != ' ' && c != '+' && c != '=';
}

enum err
xtext_encode(struct buf *out, struct str in)
{
	size_t n_before = out->n;
	enum err e = OK;

	for (size_t i = 0; i < in.n && e == OK; i++) {
		char c = in.p[i];

		if (is_forbidden(c))
			e = ERR_FORMAT;
		else if (is_xchar(c))
			e = buf_addc(out, c);
		else
			e = buf_addf(out, "+%02X", (unsigned char)c);
	}
	if (e != OK)
		buf_truncate(out, n_before);
	return e;
}

static enum err
decode_into(char *p, struct str in, size_t *n_out)
{
	size_t n = 0;

	for (size_t i = 0; i < in.n; i++) {
		int high, low;

		p[n] = in.p[i];
		if (in.p[i] == '+') {
			if (in.n - i < 3)
				return ERR_FORMAT;
			high = ascii_hex(in.p[i + 1]);
			low = ascii_hex(in.p[i + 2]);
			if (high < 0 || low < 0)
				return ERR_FORMAT;
			p[n] = (char)(high << 4 | low);
			i += 2;
		} else if (!is_xchar(in.p[i])) {
			return ERR_FORMAT;
		}
		if (is_forbidden(p[n++]))
			return ERR_FORMAT;
	}
	*n_out = n;
	return OK;
}

enum err
xtext_decode(struct str in, struct arena *a, struct str *out)
{
	size_t n = 0;
	enum err e;
	char *p;

	if (str_chr(in, '+') < 0) {
		while (n < in.n && is_xchar(in.p[n]))
			n++;
		if (n < in.n)
			return ERR_FORMAT;
		*out = in;
		return OK;
	}
	p = arena_alloc(a, in.n);
	if (p == NULL)
		return ERR_LIMIT;
	e = decode_into(p, in, &n);
	if (e == OK)
		*out = str_of(p, n);
	return e;
}
