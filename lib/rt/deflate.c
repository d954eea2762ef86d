/* SPDX-License-Identifier: MIT
 * lib/rt/deflate.c - zlib, as streams need it.
 *
 * The ratio: mail is 2:1 to 10:1, a file of zeros 1000:1. Both are let in, but
 * what is beyond RATIO_MAX as slowly as a slow line would bring it, so that a
 * kilobyte cannot buy seconds of work. */
#include "lib/rt/deflate.h"

#include "lib/base/check.h"
#include "lib/rt/clock.h"

#include <stdlib.h>
#define ZLIB_CONST
#include <zlib.h>

enum {
	IN_WINDOW_BITS = 15, // the peer's choice
	OUT_WINDOW_BITS = 13,
	OUT_MEMORY_LEVEL = 6,
	OUT_PIECE_OCTETS = 16384,
	RATIO_MAX = 100,
	FREE_OCTETS = 256 * 1024, // inflated before the ratio counts
	SLOW_OCTETS_PER_MS = 256,
};

struct deflate {
	z_stream in, out;
	uint64_t n_raw, n_inflated;
	size_t n_last;
	bool has_more;
};

struct deflate *
deflate_new(void)
{
	struct deflate *d = must_alloc(sizeof(*d));

	check(inflateInit2(&d->in, -IN_WINDOW_BITS) == Z_OK);
	check(deflateInit2(&d->out, Z_BEST_SPEED, Z_DEFLATED, -OUT_WINDOW_BITS,
			   OUT_MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK);
	return d;
}

void
deflate_free(struct deflate **ref)
{
	struct deflate *d = *ref;

	*ref = NULL;
	if (d == NULL)
		return;
	inflateEnd(&d->in);
	deflateEnd(&d->out);
	free(d);
}

enum err
deflate_read(struct deflate *d, struct str *raw, char *to, size_t room,
	     size_t *n_out)
{
	size_t n_raw = raw->n < INT32_MAX ? raw->n : INT32_MAX;
	size_t n_room = room < INT32_MAX ? room : INT32_MAX;
	int result;

	d->in.next_in = (const Bytef *)raw->p;
	d->in.avail_in = (uInt)n_raw;
	d->in.next_out = (Bytef *)to;
	d->in.avail_out = (uInt)n_room;
	result = inflate(&d->in, Z_SYNC_FLUSH);
	n_raw -= d->in.avail_in;
	*n_out = d->n_last = n_room - d->in.avail_out;
	*raw = str_from(*raw, n_raw);
	d->n_raw += n_raw;
	d->n_inflated += *n_out;
	d->has_more = d->in.avail_out == 0 && result == Z_OK;
	if (result == Z_STREAM_END)
		return *n_out > 0 ? OK : ERR_EOF;
	return result == Z_OK || result == Z_BUF_ERROR ? OK : ERR_FORMAT;
}

bool
deflate_has_more(const struct deflate *d)
{
	return d->has_more;
}

int64_t
deflate_pause_us(const struct deflate *d)
{
	if (d->n_inflated <= FREE_OCTETS ||
	    d->n_inflated / RATIO_MAX <= d->n_raw)
		return 0;
	return (int64_t)(d->n_last * US_PER_MS / SLOW_OCTETS_PER_MS);
}

void
deflate_write(struct deflate *d, struct str bytes, struct buf *out)
{
	d->out.next_in = (const Bytef *)bytes.p;
	d->out.avail_in = (uInt)bytes.n;
	check(bytes.n <= INT32_MAX);
	do {
		int result;

		check(buf_reserve(out, OUT_PIECE_OCTETS) == OK);
		d->out.next_out = (Bytef *)out->p + out->n;
		d->out.avail_out = OUT_PIECE_OCTETS;
		result = deflate(&d->out, Z_SYNC_FLUSH);
		check(result == Z_OK || result == Z_BUF_ERROR);
		out->n += OUT_PIECE_OCTETS - d->out.avail_out;
	} while (d->out.avail_out == 0);
}
