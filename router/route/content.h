/* SPDX-License-Identifier: MIT
 * router/route/content.h - header_checks: what rules order for the fields of a
 * message's header (header_checks(5)).
 *
 * Pure. A field is one string, its folds as LF, as Postfix has them. Bounded:
 * CONTENT_MAX_FIELDS fields, CONTENT_FIELD_MAX_OCTETS of each are looked at,
 * the limits of each lookup (map/rules.h), and CONTENT_MAX_STEPS of patterns
 * over the whole header: a header that costs more is put off. */
#pragma once

#include "router/route/access.h"

enum {
	CONTENT_MAX_FIELDS = 1000, // more are refused
	CONTENT_FIELD_MAX_OCTETS = 60000,
	CONTENT_MAX_STEPS = 20000000, // about a second
};

/* header ends with its empty line. out gets the header as the rules leave it;
 * result's outcome is ACCESS_PASS or ACCESS_REFUSE, its effects are for the
 * message. ERR_LIMIT: arena or out is full. ERR_MORE: as route/resolve.h.
 * *steps_left is CONTENT_MAX_STEPS at first, and counts down. */
enum err content_check_header(const struct config *c, struct str header,
			      struct arena *arena, struct remote *remote,
			      uint64_t *steps_left, struct buf *out,
			      struct access_result *result) MUST_USE;
