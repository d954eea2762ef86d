/* SPDX-License-Identifier: MIT
 * router/serve/serve.h - the process that answers what lib/ipc/router.h asks.
 */
#pragma once

#include "lib/rt/role.h"

/* Watches the configuration, follows the account names of mda/auth, serves. */
void serve_start(struct role *role);
