/* SPDX-License-Identifier: MIT
 * lib/mail/header.h - the header fields of a message (RFC 5322 2.2, 4.5).
 *
 * Reads any bytes, with CRLF or LF line ends, mixed too. All strs borrow from
 * the message. Rules for what is not in the RFC:
 *  - The header ends after the first empty line, or with the message.
 *  - A line without a colon that continues no field is skipped ("From " of
 *    mbox, for one); so is a field with an empty name.
 *  - Blanks between name and colon are not part of the name (obsolete syntax).
 *  - A bare CR is data. */
#pragma once

#include "lib/base/buf.h"

enum {
	HEADER_VALUE_MAX_OCTETS = 1 << 20, // more is cut off in .value
	HEADER_FIELDS_MAX = 10000,	   // the iteration ends there
};

struct header_field {
	struct str name;  // never empty
	struct str value; // raw: folds kept, outer blanks and line end removed
	size_t at, n;	  // the whole field in the message, line end included
};

struct header_iter {
	struct str in;
	size_t at;
	unsigned n_fields;
};

/* Octets of the header with the empty line behind it; message.n if there is
 * no such line. The body begins there. */
size_t header_length(struct str message);

/* Walks the fields in the order of the message; false at the end of the
 * header. */
void header_iter_init(struct header_iter *it, struct str message);
bool header_next(struct header_iter *it, struct header_field *out);

/* The first field of that name, without regard to case. */
bool header_find(struct str message, struct str name, struct header_field *out);

/* Appends the value without its line ends (RFC 5322 2.2.3); NUL bytes, which
 * no protocol of ours may repeat, are left out too. ERR_LIMIT as buf_add. */
enum err header_unfold(struct buf *out, struct str value) MUST_USE;
