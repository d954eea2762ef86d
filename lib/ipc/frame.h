/* SPDX-License-Identifier: MIT
 * lib/ipc/frame.h - how messages between roles are cut out of a byte stream.
 *
 * A frame is a head of 16 octets and a body:
 *   u32 body length | u32 call | u16 type | u8 flags | u8 version | u32 credit
 * call numbers the conversation; its highest bit says which side opened it.
 * credit gives that much of the call's window back to the writer; with a
 * descriptor it is the weight: what the window is to count for what it holds.
 */
#pragma once

#include "lib/base/buf.h"

enum {
	FRAME_VERSION = 1,
	FRAME_HEAD_OCTETS = 16,
	FRAME_BODY_MAX_OCTETS = 1 << 20,
	FRAME_WEIGHT_MAX_OCTETS = 1 << 20,
};

enum frame_flag {
	FRAME_OPEN = 1,	  // first frame of a call
	FRAME_END = 2,	  // the sender says no more in this call
	FRAME_HAS_FD = 4, // one descriptor travels with it
	FRAME_CREDIT = 8, // carries nothing but credit
	FRAME_GONE = 16,  // nothing else: the sender forgot the call
	FRAME_FLAGS_ALL = 31,
};

struct frame_head {
	uint32_t body_octets;
	uint32_t call;
	uint16_t type;
	uint8_t flags;
	uint32_t credit; // FRAME_CREDIT; with FRAME_HAS_FD the weight
};

void frame_put_head(struct buf *out, const struct frame_head *head);
/* ERR_MORE when bytes has no whole head yet; ERR_FORMAT when it is not one
 * that this version may receive. */
enum err frame_read_head(struct str bytes, struct frame_head *out) MUST_USE;
