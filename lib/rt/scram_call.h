/* SPDX-License-Identifier: MIT
 * lib/rt/scram_call.h - SCRAM as the roles with clients see it: auth does it
 * (lib/ipc/auth.h), they carry its messages. */
#pragma once

#include "lib/ipc/auth.h"
#include "lib/rt/role.h"
#include "lib/rt/stream.h"

/* Keeps *has_scram_out what auth offers, as long as the process lives: false
 * until it has said. */
void scram_follow_offers(struct peer *auth, bool *has_scram_out);
/* Opens an exchange by the client's first message; asked without the channel
 * bindings, which are those of the stream. On OK *call_out is the caller's to
 * free, and gets AUTH_CHALLENGE or AUTH_ANSWER; it may be set on errors, too.
 */
enum err scram_open(struct co *co, struct peer *auth, struct stream *stream,
		    const struct auth_scram *asked, int64_t deadline_us,
		    struct call **call_out) MUST_USE;
