/* SPDX-License-Identifier: MIT
 * lib/rt/recall.h - what the router said, remembered while it stays true.
 *
 * An answer says in which snapshot of the configuration it lasts; it is given
 * again, to the octet-same question, until the next snapshot arrives or the
 * router goes. So nobody gets an answer that is older than what he would hear
 * from the router, but for the time in which the news of a change is on its
 * way. Passwords and what other hosts decide (tcp:, socketmap:) do not last.
 *
 * Bounded: RECALL_SLOTS answers of RECALL_MAX_OCTETS with their questions; a
 * newer one takes the place of an older one. Works in processes that follow the
 * router (lib/rt/settings.h), in the others it asks each time. */
#pragma once

#include "lib/ipc/router.h"
#include "lib/rt/role.h"

enum { RECALL_SLOTS = 4096, RECALL_MAX_OCTETS = 512 };

/* The frame that answers this question, to be released; false: ask. */
bool recall(uint16_t type, struct str question, struct frame *out) MUST_USE;
/* Remembers the one frame that was the whole answer, if it lasts in the newest
 * snapshot. */
void recall_keep(uint16_t type, struct str question, const struct frame *answer,
		 uint64_t lasts_in);
/* Forgets all; from now on answers that last in this snapshot are kept. 0: no
 * snapshot holds. settings.c alone calls it. */
void recall_begin(uint64_t snapshot);

/* ROUTER_RCPT, asked or remembered; question: router_put_ask(). *out borrows
 * *frame, which is released by the caller whatever happened. ERR_FORMAT: no
 * verdict came; else as peer_ask(). */
enum err recall_rcpt(struct co *co, struct peer *router, struct str question,
		     int64_t deadline_us, struct frame *frame,
		     struct router_verdict *out) MUST_USE;
