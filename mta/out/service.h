/* SPDX-License-Identifier: MIT
 * mta/out/service.h - asks policy services for mta/in (OUT_ASK_SERVICE) and
 * tables of other hosts for the router (OUT_ASK_TABLE): what besides deliveries
 * needs a connection of ours.
 *
 * Only hosts that main.cf names, as the router's snapshot has them: an mta/in
 * that somebody has taken over can reach nothing else through here. */
#pragma once

#include "lib/rt/role.h"

extern const struct chan_rule service_rules[]; // for mta/in
extern const struct chan_rule table_rules[];   // for the router

/* Follows the router's snapshots. */
void service_start(struct peer *dns);
