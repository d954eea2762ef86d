/* SPDX-License-Identifier: MIT
 * lib/mail/mime_lines.h - a message, one header field or body line at a time,
 * while it comes in (RFC 2045, 2046): what header_checks(5) sorts by.
 *
 * No tree and no whole message is needed, unlike lib/mail/mime.h; nothing is
 * decoded. Read as Postfix does, because rules are written for that:
 *  - Content-* and MIME-Version are MIME fields wherever they stand.
 *  - A header below ends where a line is no field, empty or not.
 *  - Of several boundary parameters each counts; a boundary line begins with
 *    "--" and the boundary, whatever follows.
 *  - message/rfc822 and message/global are opened whatever their encoding.
 * Only CR LF ends a line. Bounded: the limits below; linear, but for one
 * comparison per open boundary at lines that begin with "--". */
#pragma once

#include "lib/base/buf.h"

enum {
	MIME_LINES_DEPTH_MAX = 100, // mime_nesting_limit
	MIME_LINES_BOUNDARIES_MAX_OCTETS = 32 * 1024,
	MIME_LINES_LINE_MAX_OCTETS = 2048, // longer ones come in pieces
	MIME_LINES_FIELD_MAX_OCTETS = 64 * 1024,
};

enum mime_line_kind {
	MIME_LINE_HEADER, // a field of the message's own header
	MIME_LINE_MIME,	  // a MIME field of any header, any field of a part's
	MIME_LINE_NESTED, // a field of an attached message
	MIME_LINE_BODY,
	MIME_LINE_OTHER, // the end of a header; what a long field has too much
};

struct mime_line {
	enum mime_line_kind kind;
	struct str octets; // with its line end: how far the reader is
	struct str text;   // without
	/* Of MIME_LINE_BODY: octets before it in its part, the empty line
	 * that ended the header included; a line's end is one. */
	uint64_t at;
};

struct mime_lines {
	/* Nested too deep, or boundaries too long: lines go on, but what is
	 * below is body. */
	bool is_too_deep;

	/* Private. */
	unsigned char place, type, n_open;
	bool is_in_piece; // the last line had no end
	bool is_in_field; // the last field had too much
	size_t field_at;  // how far a field was read whose end has not come
	uint64_t body_octets;
	struct buf boundaries; // of the open multiparts, one behind the other
	struct mime_boundary {
		uint32_t at, n;
		bool is_digest;
	} open[MIME_LINES_DEPTH_MAX];
};

void mime_lines_init(struct mime_lines *m);
/* To stand behind a header that was read elsewhere, with its empty line. */
void mime_lines_skip_header(struct mime_lines *m, struct str header);
void mime_lines_release(struct mime_lines *m);
/* The first line or field of in. False: more octets are needed; never when
 * is_end and in is not empty. The caller goes on behind out->octets. */
bool mime_lines_next(struct mime_lines *m, struct str in, bool is_end,
		     struct mime_line *out);
/* Is what comes now body to the end of the message, without parts? */
bool mime_lines_is_plain(const struct mime_lines *m);
/* Is the reader behind the message's own header? */
bool mime_lines_is_below(const struct mime_lines *m);
/* Is a field of that name one for mime_header_checks? */
bool mime_lines_is_mime(struct str name);
