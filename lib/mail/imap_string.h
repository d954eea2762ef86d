/* SPDX-License-Identifier: MIT
 * lib/mail/imap_string.h - foreign bytes as IMAP strings (RFC 9051 4.3, 9).
 *
 * Whatever the bytes are, the result is one well-formed token sequence: a
 * quoted string, or a literal whose count covers all of its bytes. NUL, which
 * no string may hold, is left out. */
#pragma once

#include "lib/base/buf.h"

/* Quoted if all bytes are printable ASCII and there are at most 1000 of them,
 * else a literal. */
enum err imap_string_add(struct buf *out, struct str s) MUST_USE;
/* NIL when s.p is NULL. */
enum err imap_string_add_or_nil(struct buf *out, struct str s) MUST_USE;
