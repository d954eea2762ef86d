/* SPDX-License-Identifier: MIT
 * mda/auth/auth.h - the process that knows the accounts' password hashes.
 *
 * It reads accounts.cf from descriptors that the parent hands over, and answers
 * what lib/ipc/auth.h lists. Nothing else in Estafeta sees a hash. */
#pragma once

#include "lib/rt/role.h"

void auth_start(struct role *role);
