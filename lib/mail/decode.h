/* SPDX-License-Identifier: MIT
 * lib/mail/decode.h - transfer encodings, encoded words and charsets to UTF-8.
 *
 * Tolerant: any input gives an output. All append; ERR_LIMIT when out is full,
 * with the beginning of the result in out (a search may use it).
 * Charsets come from a list of known names, not from the mail: iconv is asked
 * only for those. Bytes that a charset does not have, and all non-ASCII bytes
 * of unknown charsets, become U+FFFD. */
#pragma once

#include "lib/base/buf.h"
#include "lib/mail/mime.h"

enum {
	/* Encoded words that one value may hold; more stay as they are. */
	DECODE_WORDS_MAX = 10000,
	/* How often iconv is opened for one value. */
	DECODE_CHARSET_CHANGES_MAX = 100,
};

/* RFC 2045 6.7. A "=" that begins no valid sequence stays. CRLF and LF stay
 * as they are. */
enum err decode_quoted_printable(struct buf *out, struct str in) MUST_USE;

/* RFC 2045 6.8. Bytes outside of the alphabet are ignored; after padding the
 * next group begins. */
enum err decode_base64(struct buf *out, struct str in) MUST_USE;

/* Is it a charset we can convert? */
bool decode_knows_charset(struct str charset);
/* To UTF-8. An empty charset is taken as us-ascii, and us-ascii as UTF-8
 * where the bytes are valid UTF-8, else as windows-1252. */
enum err decode_charset(struct buf *out, struct str charset,
			struct str in) MUST_USE;

/* Header value with encoded words (RFC 2047) to UTF-8, unfolded. Neighbours
 * in the same charset and encoding are decoded together, so a character may be
 * split over two. */
enum err decode_words(struct buf *out, struct str value) MUST_USE;

/* charset'language'%41... (RFC 2231 4) to UTF-8. */
enum err decode_extended(struct buf *out, struct str value) MUST_USE;

/* Body of a part, piece by piece: undoes the transfer encoding, and with a
 * charset converts to UTF-8. */
struct decode {
	enum mime_encoding encoding;
	bool is_text;
	bool is_guess;	      // no charset: UTF-8 where valid
	const char *charset;  // name for iconv; NULL: converted here
	void *iconv;	      // NULL: none
	struct buf raw;	      // transfer encoding undone, not yet converted
	unsigned bits, n_bits; // base64 group
	struct buf line;      // quoted-printable: end of the last piece
};

/* is_text: convert from charset. An unknown transfer encoding is taken as
 * identity. */
void decode_init(struct decode *d, enum mime_encoding encoding, bool is_text,
		 struct str charset);
enum err decode_feed(struct decode *d, struct buf *out,
		     struct str piece) MUST_USE;
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
