/* SPDX-License-Identifier: MIT
 * lib/rt/deflate.h - raw DEFLATE both ways (RFC 1951), for streams.
 *
 * About 110 KiB while it lives. What inflates can never be larger than the room
 * that the caller gives; how fast it may is told by deflate_pause_us(). */
#pragma once

#include "lib/base/buf.h"

struct deflate;

struct deflate *deflate_new(void);
/* NULL is fine. */
void deflate_free(struct deflate **d);

/* Inflates from *raw, which goes on behind what was used, to the room. OK, with
 * 0 octets when more of raw is needed; ERR_EOF: the peer has ended its stream;
 * ERR_FORMAT: it is none. */
enum err deflate_read(struct deflate *d, struct str *raw, char *to, size_t room,
		      size_t *n_out) MUST_USE;
/* It has octets for which there was no room. */
bool deflate_has_more(const struct deflate *d);
/* How long to wait for the octets of the last deflate_read(), in microseconds:
 * what inflates beyond any honest ratio is let in slowly. */
int64_t deflate_pause_us(const struct deflate *d);
/* Appends bytes compressed, so that the peer can read all of them. */
void deflate_write(struct deflate *d, struct str bytes, struct buf *out);
