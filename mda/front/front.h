/* SPDX-License-Identifier: MIT
 * mda/front/front.h - the role that speaks with readers (IMAP) and takes local
 * deliveries (LMTP).
 *
 * It sees bytes of strangers and has nothing but its sockets: passwords are
 * checked by auth, addresses by the router, mail is kept by store. */
#pragma once

#include "lib/rt/role.h"

void front_start(struct role *role);
