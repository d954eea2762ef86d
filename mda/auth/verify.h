/* SPDX-License-Identifier: MIT
 * mda/auth/verify.h - does this password belong to this hash? */
#pragma once

#include "lib/mail/accounts.h"

/* Takes milliseconds: belongs inside offload(). Needs nothing but its
 * arguments. A hash that is damaged, or that asks for more work than a login
 * may cost, fits no password; so does a password with NUL in a scheme of
 * crypt(3). Compares in constant time; wipes what it derived. A password that
 * is not ASCII is tried as it came and, when RFC 8265 4.2 writes it otherwise,
 * that way: hashes of both kinds exist. */
bool verify_password(enum account_scheme scheme, struct str hash,
		     struct str password);
