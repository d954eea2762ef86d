/* SPDX-License-Identifier: MIT
 * lib/base/str.c - runs of bytes: comparing, finding, cutting. */
#include "lib/base/str.h"

#include "lib/base/check.h"

struct str
str_c(const char *c)
{
	return c ? (struct str) { c, strlen(c) } : STR_NONE;
}

struct str
str_of(const void *p, size_t n)
{
	return (struct str) { p, n };
}

bool
str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool
str_ieq(struct str a, struct str b)
{
	return a.n == b.n && str_icmp(a, b) == 0;
}

int
str_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int r = n ? memcmp(a.p, b.p, n) : 0;

	if (r != 0)
		return r;
	return (a.n > b.n) - (a.n < b.n);
}

int
str_icmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;

	for (size_t i = 0; i < n; i++) {
		int d = (unsigned char)ascii_lower(a.p[i]) -
			(unsigned char)ascii_lower(b.p[i]);

		if (d != 0)
			return d;
	}
	return (a.n > b.n) - (a.n < b.n);
}

bool
str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_eq(str_first(s, prefix.n), prefix);
}

bool
str_istarts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_ieq(str_first(s, prefix.n), prefix);
}

bool
str_ends(struct str s, struct str suffix)
{
	return s.n >= suffix.n && str_eq(str_from(s, s.n - suffix.n), suffix);
}

bool
str_iends(struct str s, struct str suffix)
{
	return s.n >= suffix.n && str_ieq(str_from(s, s.n - suffix.n), suffix);
}

ptrdiff_t
str_chr(struct str s, char c)
{
	const char *at = s.n ? memchr(s.p, c, s.n) : NULL;

	return at ? at - s.p : -1;
}

ptrdiff_t
str_rchr(struct str s, char c)
{
	const char *at = s.n ? memrchr(s.p, c, s.n) : NULL;

	return at ? at - s.p : -1;
}

ptrdiff_t
str_find(struct str s, struct str needle)
{
	const char *at;

	if (needle.n == 0)
		return 0;
	if (s.n < needle.n)
		return -1;
	at = memmem(s.p, s.n, needle.p, needle.n);
	return at ? at - s.p : -1;
}

ptrdiff_t
str_ifind(struct str s, struct str needle)
{
	for (size_t i = 0; i + needle.n <= s.n; i++)
		if (str_ieq((struct str) { s.p + i, needle.n }, needle))
			return (ptrdiff_t)i;
	return needle.n == 0 ? 0 : -1;
}

struct str
str_from(struct str s, size_t at)
{
	if (at > s.n)
		at = s.n;
	return at ? (struct str) { s.p + at, s.n - at } : s;
}

struct str
str_first(struct str s, size_t n)
{
	return (struct str) { s.p, n < s.n ? n : s.n };
}

struct str
str_sub(struct str s, size_t at, size_t n)
{
	return str_first(str_from(s, at), n);
}

struct str
str_ltrim(struct str s)
{
	while (s.n > 0 && ascii_is_space(s.p[0]))
		s = str_from(s, 1);
	return s;
}

struct str
str_rtrim(struct str s)
{
	while (s.n > 0 && ascii_is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

struct str
str_trim(struct str s)
{
	return str_ltrim(str_rtrim(s));
}

bool
str_split(struct str *s, char c, struct str *head_out)
{
	ptrdiff_t at;

	if (s->p == NULL)
		return false;
	at = str_chr(*s, c);
	if (at < 0) {
		*head_out = *s;
		*s = STR_NONE;
		return true;
	}
	*head_out = str_first(*s, (size_t)at);
	*s = (struct str) { s->p + at + 1, s->n - (size_t)at - 1 };
	return true;
}

bool
str_word(struct str *s, struct str *word_out)
{
	size_t n = 0;

	*s = str_ltrim(*s);
	while (n < s->n && !ascii_is_space(s->p[n]))
		n++;
	*word_out = str_first(*s, n);
	*s = str_from(*s, n);
	return n > 0;
}

bool
str_line(struct str *s, struct str *line_out)
{
	if (s->n == 0 || !str_split(s, '\n', line_out))
		return false;
	if (line_out->n > 0 && line_out->p[line_out->n - 1] == '\r')
		line_out->n--;
	return true;
}

bool
str_to_u64(struct str s, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!ascii_is_digit(s.p[i]))
			return false;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(s.p[i] - '0'),
					   &value))
			return false;
	}
	if (value > max)
		return false;
	*out = value;
	return true;
}

char
ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

char
ascii_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
}

bool
ascii_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool
ascii_is_alpha(char c)
{
	c = ascii_lower(c);
	return c >= 'a' && c <= 'z';
}

bool
ascii_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool
ascii_is_print(char c)
{
	return c >= 0x20 && c <= 0x7e;
}

int
ascii_hex(char c)
{
	if (ascii_is_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *
str_dup_c(struct str s)
{
	char *c = must_alloc(s.n + 1);

	check(str_chr(s, '\0') < 0);
	if (s.n > 0)
		memcpy(c, s.p, s.n);
	return c;
}

enum err
str_to_c(struct str s, char *dst, size_t dst_size)
{
	if (s.n >= dst_size)
		return ERR_LIMIT;
	if (str_chr(s, '\0') >= 0)
		return ERR_FORMAT;
	if (s.n > 0)
		memcpy(dst, s.p, s.n);
	dst[s.n] = '\0';
	return OK;
}

bool
str_eq_secret(struct str a, struct str b)
{
	unsigned char difference = 0;

	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		difference |= (unsigned char)(a.p[i] ^ b.p[i]);
	return difference == 0;
}
