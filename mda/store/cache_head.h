/* SPDX-License-Identifier: MIT
 * mda/store/cache_head.h - how the files of a mailbox's caches begin: what the
 * file is, of which version, and of which life of the mailbox (its
 * UIDVALIDITY). Pure; integers are little-endian.
 *
 * A head that is damaged, of another kind or version is ERR_FORMAT: the cache
 * is made anew. */
#pragma once

#include "lib/base/buf.h"

enum {
	CACHE_MAGIC_OCTETS = 8,
	CACHE_HEAD_OCTETS = CACHE_MAGIC_OCTETS + 12,
};

struct cache_kind {
	struct str magic; // CACHE_MAGIC_OCTETS
	uint32_t version;
};

void cache_head_put(struct buf *out, const struct cache_kind *kind,
		    uint32_t uidvalidity);
/* bytes may go on behind the head. */
enum err cache_head_read(struct str bytes, const struct cache_kind *kind,
			 uint32_t *uidvalidity_out) MUST_USE;
