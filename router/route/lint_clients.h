/* SPDX-License-Identifier: MIT
 * router/route/lint_clients.h - whom the configuration trusts, and whom it
 * slows down: mynetworks that make an open relay, limits that stop a webmail.
 */
#pragma once

#include "lib/base/diag.h"
#include "router/map/config.h"

void lint_clients(const struct config *c, struct diag *d);
