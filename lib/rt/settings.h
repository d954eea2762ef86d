/* SPDX-License-Identifier: MIT
 * lib/rt/settings.h - the router's current settings, in every role that works
 * by them.
 *
 * A snapshot never changes; a session holds the one it began its transaction
 * with. Without a router there is none, and the role answers 4yz. */
#pragma once

#include "lib/ipc/router.h"
#include "lib/rt/role.h"

struct settings; // one snapshot, counted

/* Starts to follow the router. changed (may be NULL) runs in the loop after
 * each new snapshot, with arg. Once per process. */
void
settings_follow(struct peer *router, void (*changed)(void *arg), void *arg);
/* The newest snapshot, held for the caller; NULL when none has come yet. */
struct settings *settings_hold(void);
/* Gives it back; NULL is fine. */
void settings_drop(struct settings **s);
const struct router_snapshot *settings_of(const struct settings *s);
/* Takes the next word of a list: separated by commas and white space. */
bool settings_word(struct str *list, struct str *word_out);
/* Waits for the first snapshot. ERR_UNAVAILABLE at the deadline. */
enum err settings_wait(struct co *co, int64_t deadline_us) MUST_USE;
