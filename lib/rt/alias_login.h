/* SPDX-License-Identifier: MIT
 * lib/rt/alias_login.h - logins by an alias (login_by_alias of main.cf). */
#pragma once

#include "lib/rt/role.h"

/* Is it allowed now? Then SCRAM is not offered: there the login is part of what
 * is signed. */
bool alias_login_is_on(void);
/* The login to check the password of: user, or the account that it leads to.
 * *out borrows user or memory. ERR_UNAVAILABLE: nobody could tell, *out is
 * user; a wrong password may then be a right one. */
enum err alias_login(struct co *co, struct peer *router, struct str user,
		     struct buf *memory, struct str *out) MUST_USE;
