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
