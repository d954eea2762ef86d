/* SPDX-License-Identifier: MIT
 * lib/rt/deflate_test.c - against zlib's one-shot functions, and bombs. */
#include "lib/rt/deflate.c"

#include "tests/unit/unit.h"

#include <stdlib.h>

enum { TEXT_OCTETS = 300000, BOMB_OCTETS = 20 << 20, ROOM = 4096 };

static void
make_text(char *p, size_t n)
{
	uint32_t seed = 7;

	for (size_t i = 0; i < n; i++) {
		seed = seed * 1103515245 + 12345;
		p[i] = (char)('a' + (seed >> 28));
	}
}

static void
what_we_write_zlib_reads(void **state UNUSED)
{
	struct deflate *d = deflate_new();
	char *text = must_alloc(TEXT_OCTETS), *got = must_alloc(TEXT_OCTETS);
	struct buf out = BUF_INIT(2 * TEXT_OCTETS);
	z_stream z = { 0 };

	make_text(text, TEXT_OCTETS);
	assert_int_equal(inflateInit2(&z, -15), Z_OK);
	z.next_out = (Bytef *)got;
	z.avail_out = TEXT_OCTETS;
	for (size_t at = 0; at < TEXT_OCTETS; at += 100000) {
		buf_clear(&out);
		deflate_write(d, str_of(text + at, 100000), &out);
		z.next_in = (const Bytef *)out.p;
		z.avail_in = (uInt)out.n;
		(void)!inflate(&z, Z_SYNC_FLUSH);
		/* All of a piece can be read before the next one. */
		assert_int_equal(z.total_out, at + 100000);
	}
	assert_memory_equal(got, text, TEXT_OCTETS);
	inflateEnd(&z);
	buf_release(&out);
	free(text);
	free(got);
	deflate_free(&d);
}

static size_t
compress_all(const char *text, size_t n, char *to, size_t room)
{
	z_stream z = { .next_in = (const Bytef *)text,
		       .avail_in = (uInt)n,
		       .next_out = (Bytef *)to,
		       .avail_out = (uInt)room };

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, 0), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

static void
what_zlib_writes_we_read(void **state UNUSED)
{
	struct deflate *d = deflate_new();
	char *text = must_alloc(TEXT_OCTETS), *raw = must_alloc(TEXT_OCTETS);
	char *got = must_alloc(TEXT_OCTETS);
	size_t n, n_got = 0, n_piece;
	struct str rest;

	make_text(text, TEXT_OCTETS);
	n = compress_all(text, TEXT_OCTETS, raw, TEXT_OCTETS);
	rest = str_of(raw, n);
	while (n_got < TEXT_OCTETS) {
		struct str one = str_first(rest, 1); // octet by octet
		size_t was = one.n, room = TEXT_OCTETS - n_got;

		if (room > 100)
			room = 100;
		assert_true(rest.n > 0 || deflate_has_more(d));
		assert_int_equal(
			deflate_read(d, &one, got + n_got, room, &n_piece), OK);
		rest = str_from(rest, was - one.n);
		n_got += n_piece;
		assert_int_equal(deflate_pause_us(d), 0);
	}
	assert_int_equal(n_got, TEXT_OCTETS);
	assert_memory_equal(got, text, TEXT_OCTETS);
	if (rest.n == 0)
		rest = S("more");
	assert_int_equal(deflate_read(d, &rest, got, 10, &n_piece), ERR_EOF);
	free(text);
	free(raw);
	free(got);
	deflate_free(&d);
}

/* I10: 20 MiB in 20 KB may not come faster than a slow line brings them. */
static void
a_bomb_is_slow(void **state UNUSED)
{
	struct deflate *d = deflate_new();
	char *zeros = must_alloc(BOMB_OCTETS), *raw = must_alloc(BOMB_OCTETS);
	char got[ROOM];
	int64_t paused_us = 0;
	size_t n, n_got = 0;
	struct str rest;

	rest = str_of(raw, compress_all(zeros, BOMB_OCTETS, raw, BOMB_OCTETS));
	assert_true(rest.n < BOMB_OCTETS / 500);
	while (n_got < BOMB_OCTETS) {
		assert_int_equal(deflate_read(d, &rest, got, ROOM, &n), OK);
		assert_true(n <= ROOM);
		n_got += n;
		paused_us += deflate_pause_us(d);
	}
	assert_true(paused_us > 60 * US_PER_S);
	free(zeros);
	free(raw);
	deflate_free(&d);
}

static void
what_is_none_is_told(void **state UNUSED)
{
	struct deflate *d = deflate_new();
	struct str raw = S("\xff\xff\xff\xff");
	char got[ROOM];
	size_t n;

	assert_int_equal(deflate_read(d, &raw, got, ROOM, &n), ERR_FORMAT);
	deflate_free(&d);
	assert_null(d);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_we_write_zlib_reads),
		cmocka_unit_test(what_zlib_writes_we_read),
		cmocka_unit_test(a_bomb_is_slow),
		cmocka_unit_test(what_is_none_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
