/* SPDX-License-Identifier: MIT
 * lib/base/base64.h - base64 (RFC 4648 4), strict. MIME bodies, which need a
 * tolerant reader, have their own in lib/mail. */
#pragma once

#include "lib/base/buf.h"

/* Appends the encoding, with padding and without line breaks. */
enum err base64_encode(struct buf *out, struct str in) MUST_USE;
/* Appends the decoded bytes. ERR_FORMAT on foreign bytes, wrong padding or
 * stray bits in the last group; ERR_LIMIT when out is full. On failure out is
 * as it was. */
enum err base64_decode(struct buf *out, struct str in) MUST_USE;
