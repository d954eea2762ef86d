/* SPDX-License-Identifier: MIT
 * lib/ipc/wire.c - encoding and decoding of message fields. */
#include "lib/ipc/wire.h"

#include "lib/base/check.h"

static void
put_number(struct buf *b, uint64_t v, int n_octets)
{
	char bytes[8];

	for (int i = 0; i < n_octets; i++)
		bytes[i] = (char)(v >> (8 * i) & 0xff);
	buf_put(b, str_of(bytes, (size_t)n_octets));
}

void
wire_put_u8(struct buf *b, uint8_t v)
{
	put_number(b, v, 1);
}

void
wire_put_u16(struct buf *b, uint16_t v)
{
	put_number(b, v, 2);
}

void
wire_put_u32(struct buf *b, uint32_t v)
{
	put_number(b, v, 4);
}

void
wire_put_u64(struct buf *b, uint64_t v)
{
	put_number(b, v, 8);
}

void
wire_put_i64(struct buf *b, int64_t v)
{
	put_number(b, (uint64_t)v, 8);
}

void
wire_put_bool(struct buf *b, bool v)
{
	put_number(b, v, 1);
}

void
wire_put_str(struct buf *b, struct str s)
{
	check(s.n <= UINT32_MAX);
	put_number(b, s.n, 4);
	buf_put(b, s);
}

struct wire
wire_of(struct str bytes)
{
	return (struct wire) { bytes, false };
}

static struct str
take(struct wire *w, size_t n)
{
	struct str s;

	if (w->is_bad || n > w->rest.n) {
		w->is_bad = true;
		return STR_NONE;
	}
	s = str_first(w->rest, n);
	w->rest = str_from(w->rest, n);
	return s;
}

static uint64_t
number(struct wire *w, size_t n_octets)
{
	struct str s = take(w, n_octets);
	uint64_t v = 0;

	for (size_t i = 0; i < s.n; i++)
		v |= (uint64_t)(unsigned char)s.p[i] << (8 * i);
	return v;
}

uint8_t
wire_u8(struct wire *w)
{
	return (uint8_t)number(w, 1);
}

uint16_t
wire_u16(struct wire *w)
{
	return (uint16_t)number(w, 2);
}

uint32_t
wire_u32(struct wire *w)
{
	return (uint32_t)number(w, 4);
}

uint64_t
wire_u64(struct wire *w)
{
	return number(w, 8);
}

int64_t
wire_i64(struct wire *w)
{
	return (int64_t)number(w, 8);
}

bool
wire_bool(struct wire *w)
{
	return wire_below(w, 2) == 1;
}

struct str
wire_str(struct wire *w)
{
	return wire_str_max(w, SIZE_MAX);
}

struct str
wire_str_max(struct wire *w, size_t max)
{
	size_t n = wire_u32(w);

	if (n > max)
		w->is_bad = true;
	return take(w, n);
}

uint8_t
wire_below(struct wire *w, uint8_t limit)
{
	uint8_t v = wire_u8(w);

	if (v < limit)
		return v;
	w->is_bad = true;
	return 0;
}

struct str
wire_rest(struct wire *w)
{
	return take(w, w->rest.n);
}

enum err
wire_end(const struct wire *w)
{
	return w->is_bad || w->rest.n > 0 ? ERR_FORMAT : OK;
}
