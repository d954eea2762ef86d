/* SPDX-License-Identifier: MIT
 * lib/mail/mime_param.h - values of the shape "token/token; name=value; ..."
 * (Content-Type, Content-Disposition; RFC 2045 5.1, RFC 2183).
 *
 * Tolerant and linear: comments anywhere, folds, missing quotes and ends. The
 * strs borrow from the value, or live in the arena where quoting was undone. */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/buf.h"

enum {
	MIME_PARAMS_MAX = 1000,		   // of one field; more are left out
	MIME_PARAM_SECTIONS_MAX = 100,	   // name*0 to name*99
	MIME_PARAM_NAME_MAX_OCTETS = 1000, // longer ones are left out
};

/* As in the mail: the name is a token that may end in *0, *0* or *; the value
 * is without quotes, backslashes and line ends but not decoded. */
struct mime_param {
	struct str name, value;
	struct mime_param *next;
};

struct mime_value {
	struct str type;    // token; p is NULL without one
	struct str subtype; // token behind a slash; p is NULL without one
	struct mime_param *params;
};

/* Any value gives a result. When the arena is used up, params end early. */
void
mime_value_parse(struct arena *a, struct str value, struct mime_value *out);

/* Raw value of the first parameter of exactly that name (without regard to
 * case), or STR_NONE. */
struct str mime_param_get(const struct mime_param *params, struct str name);
