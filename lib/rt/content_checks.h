/* SPDX-License-Identifier: MIT
 * lib/rt/content_checks.h - a message on its way past the router's rules for
 * content (body_checks and its kin, smtp_header_checks): ROUTER_CONTENT of
 * lib/ipc/policy.h, for mta/in and mta/out.
 *
 * Octets go in, what the rules leave of them comes out; some come later, when
 * a line is complete. Memory: one piece. Each wait is bounded. */
#pragma once

#include "lib/ipc/policy.h"
#include "lib/rt/role.h"

struct content_checks;

/* header: for POLICY_CONTENT_RECEIVED, at most POLICY_HEADER_MAX_OCTETS. Errors
 * are those of the channel; *out is NULL then. */
enum err content_checks_open(struct co *co, struct peer *router,
			     enum policy_content_way way, struct str header,
			     struct content_checks **out) MUST_USE;
/* NULL is fine; *checks becomes NULL. */
void content_checks_free(struct content_checks **checks);
/* Appends to out what becomes of the octets. After is_end, nothing is held
 * back. ERR_LIMIT: out is full. Other errors: the message cannot be checked. */
enum err
content_checks_feed(struct co *co, struct content_checks *checks,
		    struct str octets, bool is_end, struct buf *out) MUST_USE;
/* The rules have said their last word: the rest need not be fed. */
bool content_checks_is_over(const struct content_checks *checks);
/* After that: what they said. Strings live as long as checks, arrays in the
 * arena. */
enum err
content_checks_answer(const struct content_checks *checks, struct arena *arena,
		      struct policy_answer *out) MUST_USE;
