/* SPDX-License-Identifier: MIT
 * router/route/content.h - header_checks: what rules order for the fields of a
 * message's header (header_checks(5)).
 *
 * Pure. A field is one string, its folds as LF, as Postfix has them. Bounded:
 * CONTENT_MAX_FIELDS fields, CONTENT_FIELD_MAX_OCTETS of each are looked at,
 * and the limits of each pattern (map/rules.h). */
#pragma once

#include "router/route/access.h"

enum {
	CONTENT_MAX_FIELDS = 1000, // more are refused
	CONTENT_FIELD_MAX_OCTETS = 60000,
};

/* header ends with its empty line. out gets the header as the rules leave it;
 * result's outcome is ACCESS_PASS or ACCESS_REFUSE, its effects are for the
 * message. ERR_LIMIT: arena or out is full. ERR_MORE: as route/resolve.h. */
enum err
content_check_header(const struct config *c, struct str header,
		     struct arena *arena, struct remote *remote,
		     struct buf *out, struct access_result *result) MUST_USE;
