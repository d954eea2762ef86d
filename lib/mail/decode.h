/* SPDX-License-Identifier: MIT
 * lib/mail/decode.h - transfer encodings and encoded words to plain text.
 *
 * Tolerant: any input gives an output, in linear time. All append; ERR_LIMIT
 * when out is full, with the beginning of the result in out (a search may use
 * it). Charsets: see charset.h. */
#pragma once

#include "lib/base/buf.h"
#include "lib/mail/charset.h"
#include "lib/mail/mime.h"

enum {
	/* Different charsets in a row that one value may have, since opening
	 * one is dear; encoded words behind them stay as they are. */
	DECODE_CHARSET_CHANGES_MAX = 100,
};

/* Header value with encoded words (RFC 2047), raw or unfolded, to UTF-8
 * without CR, LF, TAB and NUL. Neighbours in the same charset are decoded
 * together, so that a character may be split over two. */
enum err decode_words(struct buf *out, struct str value) MUST_USE;

/* Body of a part, piece by piece. */
struct decode {
	enum mime_encoding encoding;
	bool is_text; // convert to UTF-8
	struct charset charset;
	struct buf raw;	       // transfer encoding undone, not yet converted
	struct buf held;       // quoted-printable: undecided end of a piece
	unsigned bits, n_bits; // base64: begun group, in units of six bits
};

/* An unknown transfer encoding is taken as identity. Text is converted from the
 * charset. */
void decode_init(struct decode *d, enum mime_encoding encoding, bool is_text,
		 struct str charset);
enum err
decode_feed(struct decode *d, struct buf *out, struct str piece) MUST_USE;
/* Behind the last piece. */
enum err decode_finish(struct decode *d, struct buf *out) MUST_USE;
void decode_release(struct decode *d);

/* All of a leaf's body at once; UTF-8 when it is text. */
enum err decode_part(struct buf *out, struct str message,
		     const struct mime_part *part) MUST_USE;
