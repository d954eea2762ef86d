/* SPDX-License-Identifier: MIT
 * router/route/masquerade.h - masquerade_domains: hosts behind a domain are not
 * named. user@host.example.test becomes user@example.test. Pure. */
#pragma once

#include "router/map/config.h"

/* Does masquerade_classes have this word ("header_sender"), and is there a
 * domain at all? */
bool masquerade_is_on(const struct config *c, struct str class);
/* The address, or a new one in the arena. The first domain of
 * masquerade_domains that the address lies in decides: it stands for it, or,
 * with '!' before it, leaves it alone. Users of masquerade_exceptions keep
 * theirs. ERR_LIMIT: the arena is full. */
enum err masquerade(const struct config *c, struct str address,
		    struct arena *arena, struct str *out) MUST_USE;
