/* SPDX-License-Identifier: MIT
 * lib/base/base64.c - strict base64. */
#include "lib/base/base64.h"

static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum err
base64_encode(struct buf *out, struct str in)
{
	size_t groups = in.n / 3 + (in.n % 3 != 0);
	size_t i = 0;
	char *to;

	if (groups == 0)
		return OK;
	if (groups > SIZE_MAX / 4 || buf_reserve(out, groups * 4) != OK)
		return ERR_LIMIT;
	to = out->p + out->n;
	for (; i < in.n; i += 3) {
		uint32_t bits = (uint32_t)(unsigned char)in.p[i] << 16;
		size_t left = in.n - i;

		if (left > 1)
			bits |= (uint32_t)(unsigned char)in.p[i + 1] << 8;
		if (left > 2)
			bits |= (unsigned char)in.p[i + 2];
		*to++ = alphabet[bits >> 18];
		*to++ = alphabet[bits >> 12 & 63];
		*to++ = left > 1 ? alphabet[bits >> 6 & 63] : '=';
		*to++ = left > 2 ? alphabet[bits & 63] : '=';
	}
	out->n += groups * 4;
	return OK;
}

static int
value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* One group of four; n_pad of its last characters are '='. */
static enum err
decode_group(struct buf *out, const char *in, int n_pad)
{
	uint32_t bits = 0;
	char bytes[3];

	for (int i = 0; i < 4; i++) {
		int v = i >= 4 - n_pad ? 0 : value_of(in[i]);

		if (v < 0)
			return ERR_FORMAT;
		bits = bits << 6 | (uint32_t)v;
	}
	if ((n_pad == 1 && (bits & 0xff)) || (n_pad == 2 && (bits & 0xffff)))
		return ERR_FORMAT;
	bytes[0] = (char)(bits >> 16);
	bytes[1] = (char)(bits >> 8 & 0xff);
	bytes[2] = (char)(bits & 0xff);
	return buf_add(out, (struct str) { bytes, 3 - (size_t)n_pad });
}

enum err
base64_decode(struct buf *out, struct str in)
{
	size_t before = out->n;

	if (in.n % 4 != 0)
		return ERR_FORMAT;
	for (size_t i = 0; i < in.n; i += 4) {
		bool is_last = i + 4 == in.n;
		int n_pad = !is_last || in.p[i + 3] != '=' ? 0
			    : in.p[i + 2] != '='	   ? 1
							   : 2;
		enum err e = decode_group(out, in.p + i, n_pad);

		if (e != OK) {
			buf_truncate(out, before);
			return e;
		}
	}
	return OK;
}
