/* SPDX-License-Identifier: MIT
 * lib/ipc/wire.h - fields of the messages between roles.
 *
 * Writers append to a buf, little-endian, strings with a 32-bit length.
 * The reader's error is sticky: read all fields, then ask wire_end() once.
 * After an error every field is zero or empty. Strings borrow the input. */
#pragma once

#include "lib/base/buf.h"

void wire_put_u8(struct buf *b, uint8_t v);
void wire_put_u16(struct buf *b, uint16_t v);
void wire_put_u32(struct buf *b, uint32_t v);
void wire_put_u64(struct buf *b, uint64_t v);
void wire_put_i64(struct buf *b, int64_t v);
void wire_put_bool(struct buf *b, bool v);
void wire_put_str(struct buf *b, struct str s);

struct wire {
	struct str rest;
	bool is_bad;
};

struct wire wire_of(struct str bytes);
uint8_t wire_u8(struct wire *w);
uint16_t wire_u16(struct wire *w);
uint32_t wire_u32(struct wire *w);
uint64_t wire_u64(struct wire *w);
int64_t wire_i64(struct wire *w);
/* Anything but 0 and 1 is an error. */
bool wire_bool(struct wire *w);
struct str wire_str(struct wire *w);
/* A string of at most max octets. */
struct str wire_str_max(struct wire *w, size_t max);
/* A number below limit: enums, array indexes. */
uint8_t wire_below(struct wire *w, uint8_t limit);
/* All that is left. */
struct str wire_rest(struct wire *w);
/* OK when every field was there and nothing is left, else ERR_FORMAT. */
enum err wire_end(const struct wire *w) MUST_USE;
