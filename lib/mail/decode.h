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

/* RFC 2045 6.7. A "=" that begins no valid sequence stays; line ends stay as
 * they are. */
enum err decode_quoted_printable(struct buf *out, struct str in) MUST_USE;

/* RFC 2045 6.8. Bytes outside of the alphabet are ignored; behind padding the
 * next group begins. */
enum err decode_base64(struct buf *out, struct str in) MUST_USE;

/* Header value with encoded words (RFC 2047), raw or unfolded, to UTF-8
 * without CR, LF, TAB and NUL. Neighbours in the same charset are decoded together,
 * so that a character may be split over two. */
enum err decode_words(struct buf *out, struct str value) MUST_USE;

/* charset'language'%41... (RFC 2231 4) to UTF-8 without CR, LF and NUL. */
enum err decode_extended(struct buf *out, struct str value) MUST_USE;

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
/* The bytes under the transfer encoding, as BINARY sends them (RFC 3516 4.3).
 * ERR_FORMAT for an unknown encoding: NO [UNKNOWN-CTE]. */
enum err decode_binary(struct buf *out, struct str message,
		       const struct mime_part *part) MUST_USE;
