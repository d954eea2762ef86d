/* SPDX-License-Identifier: MIT
 * mda/store/binary.h - BINARY and BINARY.SIZE of FETCH (RFC 3516 4.2, 4.3): a
 * part without its transfer encoding. */
#pragma once

#include "lib/mail/imap_fetch.h"
#include "mda/store/letter.h"
#include "mda/store/session.h"

/* Puts the item, label and value; the letter is LETTER_PARTS deep. False: the
 * part's encoding is not known, NIL (or size 0) was put. Memory is that of a
 * piece: the part is decoded twice, once for its size. */
bool binary_put(struct co *co, struct session *s,
		const struct imap_fetch_item *item, const struct letter *l);
