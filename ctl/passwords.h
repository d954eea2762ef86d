/* SPDX-License-Identifier: MIT
 * ctl/passwords.h - accounts whose password is one that everybody tries first.
 */
#pragma once

#include "lib/base/diag.h"

/* Looks at accounts.cf (or postfix-accounts.cf) of dir. Each hash is tried with
 * a short list, for 2 s altogether; when that was not enough, a note says so.
 * A file that cannot be read is left to those who need it. */
void passwords_check(const char *dir, struct diag *d);
