/* SPDX-License-Identifier: MIT
 * lib/mail/crlf.h - a text with any line ends, seen as if all were CRLF.
 *
 * IMAP sends and counts CRLF (RFC 9051 2.3.4). A LF without a CR before it
 * stands for CRLF; everything else stands for itself. */
#pragma once

#include "lib/base/buf.h"

/* Octets of s in CRLF form. */
size_t crlf_size(struct str s);
/* Appends s in CRLF form; ERR_LIMIT leaves out as it was. */
enum err crlf_add(struct buf *out, struct str s) MUST_USE;
/* Appends at most n octets of the CRLF form from its octet first on (partial
 * FETCH); nothing when first lies behind the end. ERR_LIMIT as above. */
enum err
crlf_add_slice(struct buf *out, struct str s, size_t first, size_t n) MUST_USE;
