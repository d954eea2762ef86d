/* SPDX-License-Identifier: MIT
 * ctl/leaving.h - what hurts when a host is restored from its backup, or goes
 * back to Dovecot: for lint.
 *
 * Told are files that the configuration names and that do not lie in its
 * directory, where a backup of it finds them; passwords that are in the
 * environment alone; and lines of dovecot.cf, which is not read here, that keep
 * mail from being read by others (mail_crypt), or that would have webmail take
 * away its users' right to rename folders (ACL without RIGHTS=, RFC 4314); and
 * Sieve scripts of users, there and in the mail tree, which are not run. */
#pragma once

#include "lib/base/diag.h"
#include "lib/rt/options.h"
#include "router/map/config.h"

/* c: what was read from dir; NULL: it could not be. */
void leaving_check(const struct options *o, const char *dir,
		   const struct config *c, struct diag *d);
