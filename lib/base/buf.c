/* SPDX-License-Identifier: MIT
 * lib/base/buf.c - growing buffers with a hard maximum. */
#include "lib/base/buf.h"

#include "lib/base/check.h"

enum { FIRST_SIZE_OCTETS = 64 };

void
buf_init(struct buf *b, size_t max_octets)
{
	*b = (struct buf)BUF_INIT(max_octets);
}

void
buf_release(struct buf *b)
{
	free(b->p);
	b->p = NULL;
	b->n = b->cap = 0;
}

void
buf_clear(struct buf *b)
{
	b->n = 0;
}

struct str
buf_str(const struct buf *b)
{
	return (struct str) { b->p, b->n };
}

enum err
buf_reserve(struct buf *b, size_t n)
{
	size_t want;

	if (n > b->max - b->n)
		return ERR_LIMIT;
	want = b->n + n;
	if (want <= b->cap)
		return OK;
	if (want < b->cap * 2)
		want = b->cap * 2;
	if (want < FIRST_SIZE_OCTETS)
		want = FIRST_SIZE_OCTETS;
	if (want > b->max)
		want = b->max;
	b->p = must_realloc(b->p, want);
	b->cap = want;
	return OK;
}

enum err
buf_add(struct buf *b, struct str s)
{
	if (s.n == 0)
		return OK;
	if (buf_reserve(b, s.n) != OK)
		return ERR_LIMIT;
	memcpy(b->p + b->n, s.p, s.n);
	b->n += s.n;
	return OK;
}

enum err
buf_fill(struct buf *b, struct str s)
{
	size_t room = b->max - b->n;

	if (s.n <= room)
		return buf_add(b, s);
	buf_put(b, str_first(s, room));
	return ERR_LIMIT;
}

enum err
buf_addc(struct buf *b, char c)
{
	return buf_add(b, (struct str) { &c, 1 });
}

enum err
buf_add_number(struct buf *b, uint64_t number)
{
	char digits[20]; // of 2^64
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	return buf_add(b, str_of(digits + at, sizeof(digits) - at));
}

enum err
buf_vaddf(struct buf *b, const char *format, va_list ap)
{
	size_t room = b->cap - b->n, n;
	va_list again;
	int wanted;

	va_copy(again, ap);
	wanted = vsnprintf(room > 0 ? b->p + b->n : NULL, room, format, again);
	va_end(again);
	check(wanted >= 0);
	n = (size_t)wanted;
	if (n >= b->max - b->n) // vsnprintf also wants to write its NUL
		return ERR_LIMIT;
	if (n >= room) {
		if (buf_reserve(b, n + 1) != OK)
			return ERR_LIMIT;
		vsnprintf(b->p + b->n, n + 1, format, ap);
	}
	b->n += n;
	return OK;
}

enum err
buf_addf(struct buf *b, const char *format, ...)
{
	va_list ap;
	enum err e;

	va_start(ap, format);
	e = buf_vaddf(b, format, ap);
	va_end(ap);
	return e;
}

void
buf_put(struct buf *b, struct str s)
{
	check(buf_add(b, s) == OK);
}

void
buf_putc(struct buf *b, char c)
{
	check(buf_addc(b, c) == OK);
}

void
buf_putf(struct buf *b, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	check(buf_vaddf(b, format, ap) == OK);
	va_end(ap);
}

void
buf_shift(struct buf *b, size_t n)
{
	check(n <= b->n);
	if (n == 0)
		return;
	memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

void
buf_truncate(struct buf *b, size_t n)
{
	check(n <= b->n);
	b->n = n;
}

void
buf_wipe(struct buf *b)
{
	if (b->p != NULL)
		explicit_bzero(b->p, b->cap);
	buf_release(b);
}

static void
put_escaped(struct buf *b, struct str s, size_t max, struct str unwanted)
{
	size_t n = s.n < max ? s.n : max;
	size_t plain = 0; // what is not put yet begins here

	for (size_t i = 0; i < n; i++) {
		char c = s.p[i];

		if (ascii_is_print(c) && str_chr(unwanted, c) < 0)
			continue;
		buf_put(b, str_sub(s, plain, i - plain));
		buf_putf(b, "\\x%02x", (unsigned char)c);
		plain = i + 1;
	}
	buf_put(b, str_sub(s, plain, n - plain));
	if (n < s.n)
		buf_put(b, S("..."));
}

void
buf_put_escaped(struct buf *b, struct str s, size_t max)
{
	put_escaped(b, s, max, S(" \"<>\\"));
}

void
buf_put_readable(struct buf *b, struct str s, size_t max)
{
	put_escaped(b, s, max, S("\\"));
}
