/* SPDX-License-Identifier: MIT
 * lib/ipc/frame.c - heads of frames. */
#include "lib/ipc/frame.h"

#include "lib/ipc/wire.h"

void
frame_put_head(struct buf *out, const struct frame_head *head)
{
	wire_put_u32(out, head->body_octets);
	wire_put_u32(out, head->call);
	wire_put_u16(out, head->type);
	wire_put_u8(out, head->flags);
	wire_put_u8(out, FRAME_VERSION);
	wire_put_u32(out, head->credit);
}

enum err
frame_read_head(struct str bytes, struct frame_head *out)
{
	struct wire w = wire_of(str_first(bytes, FRAME_HEAD_OCTETS));
	uint8_t version;

	if (bytes.n < FRAME_HEAD_OCTETS)
		return ERR_MORE;
	out->body_octets = wire_u32(&w);
	out->call = wire_u32(&w);
	out->type = wire_u16(&w);
	out->flags = wire_u8(&w);
	version = wire_u8(&w);
	out->credit = wire_u32(&w);
	if (version != FRAME_VERSION || (out->flags & ~FRAME_FLAGS_ALL) ||
	    out->body_octets > FRAME_BODY_MAX_OCTETS)
		return ERR_FORMAT;
	if ((out->flags & (FRAME_CREDIT | FRAME_GONE)) &&
	    (out->body_octets > 0 || (out->flags & (out->flags - 1))))
		return ERR_FORMAT; // such a frame says nothing besides
	if (!(out->flags & FRAME_CREDIT) &&
	    out->credit >
		    (out->flags & FRAME_HAS_FD ? FRAME_WEIGHT_MAX_OCTETS : 0))
		return ERR_FORMAT;
	return OK;
}
