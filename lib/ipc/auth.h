/* SPDX-License-Identifier: MIT
 * lib/ipc/auth.h - what mda/auth is asked, and what it tells.
 *
 *   AUTH_CHECK    user, password, protocol, client  -> AUTH_ANSWER (in, front)
 *   AUTH_NAMES    (nothing)  -> AUTH_NAME ..., AUTH_NAMES_DONE; the whole list
 *                 again after each change of accounts.cf; never ends (router)
 *   AUTH_CHANGES  (nothing)  -> AUTH_GONE user, for each account that was
 *                 removed or has a new password; never ends (front) */
#pragma once

#include "lib/base/buf.h"

enum auth_type {
	AUTH_CHECK = 1,
	AUTH_ANSWER,
	AUTH_NAMES,
	AUTH_NAME,
	AUTH_NAMES_DONE,
	AUTH_CHANGES,
	AUTH_GONE,
};

enum auth_result {
	AUTH_OK,
	AUTH_WRONG,	  // unknown user or wrong password: not told apart
	AUTH_UNAVAILABLE, // try again later
	AUTH_RESULTS,
};

enum {
	AUTH_USER_MAX_OCTETS = 320,
	AUTH_PASSWORD_MAX_OCTETS = 1024,
	AUTH_CHECK_MAX_OCTETS = 2048,
};

struct auth_check {
	struct str user, password;
	struct str protocol; // "smtp", "imap": for the log
	struct str client;   // numeric address
};

struct auth_answer {
	enum auth_result result;
	struct str user; // canonical, lower case, when OK
};

void auth_put_check(struct buf *out, const struct auth_check *check);
enum err auth_read_check(struct str body, struct auth_check *out) MUST_USE;
void auth_put_answer(struct buf *out, const struct auth_answer *answer);
enum err auth_read_answer(struct str body, struct auth_answer *out) MUST_USE;
/* AUTH_NAME and AUTH_GONE carry the bare address and nothing else. */
