/* SPDX-License-Identifier: MIT
 * lib/base/json.h - writing JSON strings (RFC 8259 7). Pure. */
#pragma once

#include "lib/base/buf.h"

/* Appends "s" with its quotes. What is not UTF-8 becomes U+FFFD, octet by
 * octet: the result is valid JSON whatever s holds. ERR_LIMIT: out is full, and
 * holds a part. */
enum err json_add_string(struct buf *out, struct str s) MUST_USE;
/* Members of an object that '{' began: the comma is put where one is needed.
 * What does not fit is a bug: out must have room. */
void json_put_member(struct buf *out, const char *name, struct str value);
void json_put_number(struct buf *out, const char *name, uint64_t value);
