/* SPDX-License-Identifier: MIT
 * mda/auth/verify.h - does this password belong to this hash? */
#pragma once

#include "lib/mail/accounts.h"

/* Takes milliseconds: belongs inside offload(). Needs nothing but its
 * arguments. A hash that is damaged, or that asks for more work than a login
 * may cost, fits no password; so does a password with NUL in a scheme of
 * crypt(3). Compares in constant time; wipes what it derived. */
bool verify_password(enum account_scheme scheme, struct str hash,
		     struct str password);
