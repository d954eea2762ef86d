/* SPDX-License-Identifier: MIT
 * router/map/main_cf_known.h - the names of main.cf: their kinds and defaults,
 * and what Postfix knows and this does not. Pure. */
#pragma once

#include "lib/base/str.h"

enum { KNOWN_NAME_MAX_OCTETS = 100 };

/* The kinds of value, and two that have none. KIND_TIME_x: unit when none
 * given. */
enum kind {
	KIND_TEXT,
	KIND_LIST,
	KIND_TIME_S,
	KIND_TIME_H,
	KIND_TIME_D,
	KIND_NUMBER,
	KIND_BOOL,
	KIND_RAW, // as KIND_LIST, but $names stay: they are expanded in use
	KIND_IGNORED,
};

struct known {
	struct str name;
	enum kind kind;
	struct str preset; // its default, before $names are expanded
};

const struct known *known_find(struct str name); // or NULL
/* All of them, by turns: i from 0 on, until NULL comes. */
const struct known *known_at(size_t i);

/* The known name that is most like this one, of at most KNOWN_NAME_MAX_OCTETS;
 * empty if none is near. */
struct str known_nearest(struct str name);
/* Is it of a family of names without effect here (x_process_limit)? */
bool known_is_of_no_effect(struct str name);
/* Why a known name with this value has no effect, and what to write instead;
 * NULL: it has one, or what it says happens anyway. */
const char *known_why_not(struct str name, struct str value);
