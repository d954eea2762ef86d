/* SPDX-License-Identifier: MIT
 * router/route/content.h - header_checks, body_checks and their kin: what
 * rules order for the fields and lines of a message (header_checks(5)).
 *
 * Pure. A field is one string, its folds as LF, as Postfix has them. Bounded:
 * CONTENT_MAX_FIELDS fields, CONTENT_FIELD_MAX_OCTETS of each are looked at,
 * the limits of each lookup (map/rules.h), and CONTENT_MAX_STEPS of patterns
 * over the whole header, CONTENT_STREAM_MAX_STEPS over what follows: a message
 * that costs more is put off. */
#pragma once

#include "router/route/access.h"

enum {
	CONTENT_MAX_FIELDS = 1000, // more are refused
	CONTENT_FIELD_MAX_OCTETS = 60000,
	CONTENT_MAX_STEPS = 20000000, // about a second
	CONTENT_STREAM_MAX_STEPS = 100000000,
	CONTENT_PIECE_MAX_OCTETS = 64 * 1024,
	CONTENT_MEMORY_OCTETS = 1 << 20,
};

/* header ends with its empty line. out gets the header as the rules leave it;
 * result's outcome is ACCESS_PASS or ACCESS_REFUSE, its effects are for the
 * message. ERR_LIMIT: arena or out is full. ERR_MORE: as route/resolve.h.
 * *steps_left is CONTENT_MAX_STEPS at first, and counts down. */
enum err content_check_header(const struct config *c, struct str header,
			      struct arena *arena, struct remote *remote,
			      uint64_t *steps_left, struct buf *out,
			      struct access_result *result) MUST_USE;

enum content_way {
	CONTENT_RECEIVED, // what is behind the header: mime_header_checks,
			  // nested_header_checks, body_checks
	CONTENT_SENT,	  // all of it: smtp_header_checks and its kin
};

/* A message that passes in pieces. */
struct content_stream;

/* c must outlive it. header, for CONTENT_RECEIVED: the message's own, as it
 * came. */
struct content_stream *
content_stream_new(const struct config *c, enum content_way way,
		   struct str header);
void content_stream_free(struct content_stream **stream);
/* Takes at most CONTENT_PIECE_MAX_OCTETS, and appends to out what becomes of
 * them; some may be held back until more comes. ERR_MORE: the same again,
 * without octets, when remote knows more; it forgets what lines before had
 * asked. Other errors: the message cannot be
 * checked now. */
enum err
content_stream_feed(struct content_stream *s, struct str octets, bool is_end,
		    struct remote *remote, struct buf *out) MUST_USE;
/* What follows passes as it is. */
bool content_stream_is_over(const struct content_stream *s);
/* Refused or not, and what the rules ordered so far; lives as long as s. */
const struct access_result *
content_stream_result(const struct content_stream *s);
/* Would such a stream look at anything? */
bool content_has_work(const struct config *c, enum content_way way);
