/* SPDX-License-Identifier: MIT
 * lib/base/utf8.c - the strict decoder. */
#include "lib/base/utf8.h"

#include <string.h>

/* By the well-formed sequences of RFC 3629 4: the second byte's range is what
 * excludes overlong forms, surrogates and what lies above U+10FFFF. */
static const struct lead {
	unsigned char from, to; // first byte
	unsigned char n;	// octets of the sequence
	unsigned char second_min, second_max;
} leads[] = {
	{ 0xc2, 0xdf, 2, 0x80, 0xbf }, { 0xe0, 0xe0, 3, 0xa0, 0xbf },
	{ 0xe1, 0xec, 3, 0x80, 0xbf }, { 0xed, 0xed, 3, 0x80, 0x9f },
	{ 0xee, 0xef, 3, 0x80, 0xbf }, { 0xf0, 0xf0, 4, 0x90, 0xbf },
	{ 0xf1, 0xf3, 4, 0x80, 0xbf }, { 0xf4, 0xf4, 4, 0x80, 0x8f },
};

static const struct lead *
find_lead(unsigned char c)
{
	for (size_t i = 0; i < sizeof(leads) / sizeof(*leads); i++)
		if (c >= leads[i].from && c <= leads[i].to)
			return &leads[i];
	return NULL;
}

size_t
utf8_char(struct str s, uint32_t *char_out)
{
	const unsigned char *p = (const unsigned char *)s.p;
	const struct lead *l;
	uint32_t c;

	if (s.n == 0)
		return 0;
	if (p[0] < 0x80) {
		*char_out = p[0];
		return 1;
	}
	l = find_lead(p[0]);
	if (l == NULL || s.n < l->n)
		return 0;
	if (p[1] < l->second_min || p[1] > l->second_max)
		return 0;
	c = p[0] & (0xffu >> (l->n + 1));
	c = c << 6 | (p[1] & 0x3f);
	for (size_t i = 2; i < l->n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	*char_out = c;
	return l->n;
}

size_t
utf8_put(uint32_t c, char out[UTF8_MAX_OCTETS])
{
	size_t n = 0;

	if (c < 0x80) {
		out[n++] = (char)c;
		return n;
	}
	if (c < 0x800) {
		out[n++] = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		out[n++] = (char)(0xe0 | c >> 12);
		out[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	} else {
		out[n++] = (char)(0xf0 | c >> 18);
		out[n++] = (char)(0x80 | (c >> 12 & 0x3f));
		out[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	}
	out[n++] = (char)(0x80 | (c & 0x3f));
	return n;
}

bool
utf8_is_valid(struct str s)
{
	uint32_t c;

	while (s.n > 0) {
		size_t n = utf8_char(s, &c);

		if (n == 0)
			return false;
		s = str_from(s, n);
	}
	return true;
}

size_t
utf8_ascii_run(struct str s)
{
	size_t n = 0;
	uint64_t word;

	for (; n + sizeof(word) <= s.n; n += sizeof(word)) {
		memcpy(&word, s.p + n, sizeof(word));
		if (word & UINT64_C(0x8080808080808080))
			break;
	}
	while (n < s.n && (unsigned char)s.p[n] < 0x80)
		n++;
	return n;
}

bool
utf8_is_ascii(struct str s)
{
	return utf8_ascii_run(s) == s.n;
}
