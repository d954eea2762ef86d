/* SPDX-License-Identifier: MIT
 * lib/mail/xtext.h - the xtext encoding of parameter values (RFC 3461 4). */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/buf.h"

/* Appends the encoding: '+', '=', blanks, controls and 8-bit become +HH.
 * ERR_FORMAT when in holds CR, LF or NUL. */
enum err xtext_encode(struct buf *out, struct str in) MUST_USE;
/* *out borrows from in when nothing is encoded, else it is in the arena.
 * ERR_FORMAT on anything that is not xtext and whenever the result would hold
 * CR, LF or NUL; ERR_LIMIT when the arena is full. Lower-case hexadecimal
 * digits are taken as well. */
enum err xtext_decode(struct str in, struct arena *a, struct str *out) MUST_USE;
