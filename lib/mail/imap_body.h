/* SPDX-License-Identifier: MIT
 * lib/mail/imap_body.h - BODYSTRUCTURE and BODY (RFC 9051 7.5.2).
 *
 * Appends one parenthesised list. Foreign bytes only pass through imap_write.
 * ERR_LIMIT when out is full; out is then as it was. */
#pragma once

#include "lib/mail/mime.h"

/* With the extension data. */
enum err imap_body_structure(struct buf *out, struct str message,
			     const struct mime_part *root) MUST_USE;
/* Without it. */
enum err imap_body(struct buf *out, struct str message,
		   const struct mime_part *root) MUST_USE;
