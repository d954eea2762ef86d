/* SPDX-License-Identifier: MIT
 * ctl/interfaces.h - what inet_interfaces and inet_protocols of main.cf mean
 * for the addresses that mail is taken at.
 *
 * The parents of the programs bind, but read no main.cf. So mailctl run asks a
 * process of its own, before it starts them, for flags that say the same:
 * "*:25" of a listener becomes "127.0.0.1:25,[::1]:25". Addresses that were
 * written out (ESTAFETA_LISTEN_SMTP=192.0.2.1:25) stay. */
#pragma once

#include "lib/base/diag.h"
#include "lib/rt/options.h"

enum { INTERFACES_MAX = 16, INTERFACES_OCTETS = 64 * 1024 };

/* Appends flags without "--", each with LF behind; nothing when main.cf says
 * nothing. What it says and cannot be had is told in d; if nothing is left of
 * it, the machine itself alone can reach us. Blocks (names of hosts); parses:
 * for a process of its own. */
void interfaces_flags(const struct options *o, struct diag *d, struct buf *out);
