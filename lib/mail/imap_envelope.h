/* SPDX-License-Identifier: MIT
 * lib/mail/imap_envelope.h - ENVELOPE of a message (RFC 9051 7.5.2).
 *
 * Encoded words stay raw, as the RFC wants; tabs of folds become blanks. Of
 * repeated fields the first counts. A mailbox that lacks its local part or
 * domain gets "" there, since NIL would make it a group. */
#pragma once

#include "lib/base/buf.h"

enum {
	IMAP_ENVELOPE_ARENA_OCTETS = 4 << 20, // for the addresses of one field
};

/* Appends the parenthesised list for the message that begins at header. Uses
 * memory of its own while it runs. ERR_LIMIT when out is full, which is then as
 * it was. */
enum err imap_envelope(struct buf *out, struct str header) MUST_USE;
