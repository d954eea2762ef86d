/* SPDX-License-Identifier: MIT
 * lib/mail/search_text.h - text as SEARCH and SORT compare it.
 *
 * Texts meet in a folded form: UTF-8 in titlecase, all of it decomposed
 * (i;unicode-casemap, RFC 5051). Bytes that are not UTF-8 fold to U+FFFD. Time
 * is linear in text and needle. */
#pragma once

#include "lib/mail/mime.h"

enum {
	SEARCH_TEXT_SUBJECT_MAX_OCTETS = 16384, // more is cut off
};

/* Appends the folded form; also the key to compare bytewise for SORT. */
enum err search_text_fold(struct buf *out, struct str utf8) MUST_USE;

/* Does the text contain it? The needle is folded; the empty one is in every
 * text. */
bool search_text_contains(struct str utf8, struct str folded_needle);

/* The same for a text that comes in pieces, none of which cuts a character
 * (as decode_feed gives them). */
struct search_text {
	struct str needle; // borrowed
	struct buf window; // folded end of what was fed
	bool is_found;
	bool keeps, is_cut; // all of it stays; some did not fit
};

void search_text_init(struct search_text *s, struct str folded_needle);
/* True once the needle is known to have been met, which may be later: a window
 * is searched when it has as much again as the needle is long. */
bool search_text_feed(struct search_text *s, struct str utf8);
/* Behind the last piece: was it met? */
bool search_text_end(struct search_text *s);
void search_text_release(struct search_text *s);

/* Key HEADER, FROM, SUBJECT...: a field of that name exists whose decoded value
 * contains the needle. */
bool search_text_header(struct str header, struct str name,
			struct str folded_needle);
/* Some line of the header contains it: name, ": ", decoded value. */
bool search_text_in_header(struct str header, struct str folded_needle);
/* The decoded text of this part alone: body of text/... and of reports in
 * message/..., header of the message inside message/rfc822; false for others. A
 * caller that must yield goes through the parts with mime_next. */
bool search_text_in_part(struct str message, const struct mime_part *part,
			 struct str folded_needle);
/* Key BODY: some part. */
bool search_text_body(struct str message, const struct mime_part *root,
		      struct str folded_needle);
/* Key TEXT: the header, those of parts, or some part. */
bool search_text_text(struct str message, const struct mime_part *root,
		      struct str folded_needle);

/* For many needles: appends what the keys TEXT and BODY look at, folded, what
 * must not be matched across divided by NUL. ERR_LIMIT: it does not fit. */
enum err
search_text_gather(struct buf *header_out, struct buf *body_out,
		   struct str message, const struct mime_part *root) MUST_USE;

/* The same for HEADER with many needles: the decoded values of the fields of
 * that name, folded, each with a NUL behind it, so that there are octets if
 * there is a field. ERR_LIMIT: they do not fit, those that do are there. */
enum err search_text_gather_fields(struct buf *out, struct str header,
				   struct str name) MUST_USE;

/* Appends the base subject (RFC 5256 2.1) of the raw field value as UTF-8;
 * *is_reply_out: a reply or forward mark was removed. */
enum err search_text_base_subject(struct buf *out, struct str value,
				  bool *is_reply_out) MUST_USE;

/* Appends the SORT key of an address field's raw value as UTF-8, not folded;
 * nothing if there is no address. a is used for the parsing.
 * Mailbox: local part of the first address (RFC 5256 3, FROM TO CC).
 * Display: its display name decoded, else local@domain (RFC 5957 3). */
enum err search_text_mailbox(struct buf *out, struct arena *a,
			     struct str value) MUST_USE;
enum err search_text_display(struct buf *out, struct arena *a,
			     struct str value) MUST_USE;
