/* SPDX-License-Identifier: MIT
 * router/route/lint_rules.h - entries of tables that are never reached: behind
 * a rule that takes everything, behind a broader network, behind the same key
 * of an earlier table. Linear in the number of entries. */
#pragma once

#include "lib/base/diag.h"
#include "router/map/config.h"

/* Tells of each such entry of the tables of one setting. */
void lint_table_list(const struct table_list *tables, struct diag *d);
/* Of one table alone: its rules. */
void lint_rules(const struct table *t, struct diag *d);
/* Of mynetworks: an exclusion ("!net") behind a network that has it already,
 * and the contrary. */
void lint_mynetworks_order(const struct config *c, struct diag *d);
