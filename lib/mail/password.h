/* SPDX-License-Identifier: MIT
 * lib/mail/password.h - does this password belong to this hash? */
#pragma once

#include "lib/mail/accounts.h"

enum { PASSWORD_MAX_OCTETS = 1024 };

/* Takes milliseconds: where others wait it belongs inside offload(). Needs
 * nothing but its arguments. A hash that is damaged, or that asks for more work
 * than a login may cost, fits no password; so does a password with NUL in a
 * scheme of crypt(3), and one of over PASSWORD_MAX_OCTETS. Compares in constant
 * time; wipes what it derived. A password that is not ASCII is tried as it came
 * and, when RFC 8265 4.2 writes it otherwise, that way: hashes of both kinds
 * exist. */
bool
password_fits(enum account_scheme scheme, struct str hash, struct str password);

/* Appends what SSHA, SSHA256 or SSHA512 keep: base64 of digest(password, salt)
 * and the salt behind it. */
enum err password_put_salted(struct buf *out, enum account_scheme scheme,
			     struct str password, struct str salt) MUST_USE;
