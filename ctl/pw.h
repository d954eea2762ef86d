/* SPDX-License-Identifier: MIT
 * ctl/pw.h - a new password, and its hash. */
#pragma once

#include "lib/base/buf.h"
#include "lib/mail/accounts.h"

enum { PASSWORD_OCTETS = 1024 }; // with its NUL

/* Asks for a new password, twice at a terminal; prints what went wrong. Who
 * calls wipes it. */
bool pw_ask_new(char password[PASSWORD_OCTETS]);
/* Asks once, for one to be compared. */
bool pw_ask(char password[PASSWORD_OCTETS]);
/* Appends "{SHA512-CRYPT}$6$...", with a new salt; prints what went wrong. */
bool pw_hash(const char *password, struct buf *out);
/* The same with {SSHA256}: for passwords that nobody can guess. */
bool pw_hash_quick(const char *password, struct buf *out);
