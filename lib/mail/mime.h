/* SPDX-License-Identifier: MIT
 * lib/mail/mime.h - the parts of a message (RFC 2045, 2046, 2183).
 *
 * One pass over the bytes, linear time, any input gives a tree. Everything
 * borrows from the message or lives in the arena: both must outlive the tree.
 *
 * Where mail breaks the rules there is one reading, for FETCH, Sieve and
 * filters alike:
 *  - Of repeated fields and parameters the first counts.
 *  - A boundary line is "--" boundary, perhaps "--", perhaps blanks, and
 *    nothing else. If it fits several open multiparts, the outermost takes it.
 *  - A multipart without a usable boundary is text/plain (RFC 2045 5.2). One
 *    whose boundary never comes has one text/plain part: its whole body.
 *  - A multipart or message/rfc822 in base64 or quoted-printable, or below a
 *    limit, is not opened: application/octet-stream (RFC 2045 6.4).
 *  - A part without an empty line is all header. */
#pragma once

#include "lib/mail/mime_param.h"

enum {
	MIME_DEPTH_MAX = 100,
	MIME_PARTS_MAX = 10000,
	MIME_BOUNDARY_MAX_OCTETS = 1000, // RFC 2046 5.1.1 says 70
	MIME_ARENA_OCTETS = 16 << 20,	 // room for the tree of honest mail
};

enum mime_kind {
	MIME_LEAF,
	MIME_MULTIPART, // at least one child
	MIME_MESSAGE,	// exactly one child: root part of the inner message
};

enum mime_encoding {
	MIME_IDENTITY, // 7bit, 8bit, binary or no field
	MIME_QUOTED_PRINTABLE,
	MIME_BASE64,
	MIME_UNKNOWN_ENCODING,
};

struct mime_range {
	size_t at, n;	    // octets in the message as stored
	size_t size_octets; // the same in CRLF form
};

struct mime_part {
	enum mime_kind kind;
	enum mime_encoding encoding;
	bool is_default_type;	  // no (valid) Content-Type
	unsigned depth;		  // 0 for the root
	struct str type, subtype; // never empty, tokens
	struct mime_param *params;
	/* Unfolded; empty with p NULL when the field is missing. */
	struct str id, description, md5, language, location;
	struct str encoding_name; // token; "7bit" when the field is missing
	struct str disposition;	  // token
	struct mime_param *disposition_params;
	struct mime_range header; // with the empty line
	struct mime_range body;
	size_t lines; // line ends in the body
	unsigned n_children;
	struct mime_part *parent, *children, *last_child, *next;
};

/* ERR_LIMIT only if not even the root fits into the arena; when it is used up
 * later, the rest of the message is left unopened. */
enum err mime_parse(struct arena *a, struct str message,
		    struct mime_part **root_out) MUST_USE;

enum mime_what {
	MIME_WHOLE,  // the message or the body of the part
	MIME_HEADER, // header of a message
	MIME_TEXT,   // body of a message
	MIME_MIME,   // header of a part
};

struct mime_section {
	const struct mime_part *part;
	enum mime_what what;
	struct mime_range range;
};

/* The section of a message (RFC 9051 6.4.5): numbers {1, 2} for "1.2", none
 * for the message itself. ERR_NOT_FOUND if the message has no such section;
 * MIME_MIME without part numbers is none. */
enum err mime_section(const struct mime_part *root, const uint32_t *numbers,
		      size_t n_numbers, enum mime_what what,
		      struct mime_section *out) MUST_USE;
/* Next part in the order of the message, downwards first; NULL at the end. */
const struct mime_part *mime_next(const struct mime_part *part);

struct str mime_slice(struct str message, struct mime_range range);

/* text, any subtype? */
bool mime_is_text(const struct mime_part *part);
