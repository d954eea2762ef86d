/* SPDX-License-Identifier: MIT
 * mda/store/cache_head.c - see cache_head.h. */
#include "mda/store/cache_head.h"

#include "lib/base/crc32c.h"
#include "lib/ipc/wire.h"

enum { CRC_AT = CACHE_HEAD_OCTETS - 4 };

void
cache_head_put(struct buf *out, const struct cache_kind *kind,
	       uint32_t uidvalidity)
{
	size_t begin = out->n;

	buf_put(out, kind->magic);
	wire_put_u32(out, kind->version);
	wire_put_u32(out, uidvalidity);
	wire_put_u32(out, crc32c(0, str_from(buf_str(out), begin)));
}

enum err
cache_head_read(struct str bytes, const struct cache_kind *kind,
		uint32_t *uidvalidity_out)
{
	struct wire w = wire_of(str_first(bytes, CACHE_HEAD_OCTETS));
	uint32_t version;

	if (bytes.n < CACHE_HEAD_OCTETS || !str_starts(bytes, kind->magic))
		return ERR_FORMAT;
	w.rest = str_from(w.rest, kind->magic.n);
	version = wire_u32(&w);
	*uidvalidity_out = wire_u32(&w);
	if (version != kind->version ||
	    wire_u32(&w) != crc32c(0, str_first(bytes, CRC_AT)))
		return ERR_FORMAT;
	return OK;
}
