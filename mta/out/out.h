/* SPDX-License-Identifier: MIT
 * mta/out/out.h - the process that delivers: SMTP and LMTP as a client.
 *
 * The queue orders deliveries (lib/ipc/out.h); names are asked of mta/dns;
 * local mail goes to mda/front over its LMTP socket. Our own LMTP and SMTP
 * servers offer XESTAFETA; to them MAIL and RCPT carry XID and XTRY
 * (doc/design/xid.md). */
#pragma once

#include "lib/rt/role.h"

void out_start(struct role *role);
