/* SPDX-License-Identifier: MIT
 * lib/mail/preview.h - the first words of a message (RFC 8970 3).
 *
 * They come from the first part of text (plain or HTML, no attachment) that
 * says something: markup, quoted text and signs that cannot be seen are left
 * out, blanks become one. If all of it is quoted text, that is taken. Bounded:
 * PREVIEW_LOOK_OCTETS of each of a few parts are looked at. */
#pragma once

#include "lib/mail/mime.h"

enum {
	PREVIEW_CHARS_MAX = 200, // RFC 8970 3.1 says at most 256
	PREVIEW_OCTETS_MAX = 4 * PREVIEW_CHARS_MAX,
	PREVIEW_LOOK_OCTETS = 32 * 1024,
	PREVIEW_PARTS_MAX = 8,
};

/* Appends valid UTF-8 without controls; nothing where there is no text. Room
 * for PREVIEW_OCTETS_MAX is the caller's to have. */
void preview_of_message(struct buf *out, struct str message,
			const struct mime_part *root);
/* The same of decoded text. */
void preview_of_text(struct buf *out, struct str utf8, bool is_html);
