/* SPDX-License-Identifier: MIT
 * router/route/lint.h - what a loaded configuration says that its author
 * hardly meant.
 *
 * Each finding is an entry with file, line and what to write instead. What the
 * readers themselves tell (duplicate keys, syntax, identical hashes, quota
 * rules that docker-mailserver ignores) is in the diagnostics of config_load();
 * this adds what only shows when the files are seen together. Pure. */
#pragma once

#include "router/map/config.h"

void route_lint(const struct config *c, struct diag *d);
/* Two hosts that send each other mail: domains that each sends to the other,
 * for ever. A next hop means the other host when it is its myhostname or the
 * first label of that. Looks at the domains that either set names. */
void
route_lint_pair(const struct config *a, const struct config *b, struct diag *d);
