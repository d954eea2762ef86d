/* SPDX-License-Identifier: MIT
 * mta/in/in.h - the process that speaks SMTP with clients (RFC 5321, 6409). */
#pragma once

#include "lib/rt/role.h"

/* Begins to listen at 25, 587 and 465. */
void in_start(struct role *role);
